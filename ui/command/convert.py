"""`kandinsky convert`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ui.command.refused import Refused
from ui.command.status import DONE

HELP = "make a checkpoint of the original files of Kandinsky 2.0 or 3"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "source", metavar="SOURCE", type=Path, help="the folder with Kandinsky-2-0.pt, or kandinsky3.pt"
    )
    parser.add_argument("target", metavar="TARGET", type=Path, help="the folder to make")


def command(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from nodes.conversion.convert import convert
    from nodes.files.reading import CheckpointError
    from ui.text import one_line

    try:
        made = convert(
            options.source, options.target, lambda message: print(one_line(message), file=sys.stderr)
        )
    except CheckpointError as error:
        raise Refused(one_line(error)) from None
    except OSError as error:
        raise Refused(f"{one_line(options.target)} cannot be written: {error.strerror or error}") from None
    print(f"{one_line(options.target)}: {made}")
    return DONE
