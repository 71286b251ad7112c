"""`kandinsky password`."""

from __future__ import annotations

import argparse
import sys

from ui.command.refused import Refused
from ui.command.status import DONE

HELP = "make the line of the --auth file for a person; it does not tell the password"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("name", metavar="NAME")


def command(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from getpass import getpass

    from ui.server.accounts import password_hash

    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = getpass(f"Password of {options.name}: ")
    if not password:
        raise Refused("a password cannot be empty")
    print(f"{options.name}:{password_hash(password)}")
    return DONE
