"""The `kandinsky` command.

One module a command. They import what they need when they are called, so that help is there at once, and none
of them imports torch before a node that computes does.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from ui.command.refused import Refused
from ui.command.status import INTERRUPTED, INVALID

FOR_WORKFLOWS = ("run", "check", "plan", "nodes", "ui", "templates")
FOR_THE_REST = ("cache", "password", "models", "convert", "schema")
COMMANDS = (*FOR_WORKFLOWS, *FOR_THE_REST)
"""Each is a module of this room."""


class Command(Protocol):
    """What the module of a command has."""

    HELP: str

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """What the command takes."""

    def command(self, options: argparse.Namespace) -> int:
        """Do it; the exit status."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (see the README)."""
    # Both are read when torch is imported. Large pages make elementwise work on large tensors faster.
    # Threads that wait for each other without spinning long lose little when another program is busy.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # Odd characters are shown as escapes where the terminal cannot show them.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    try:
        status: int = options.command(options)
        sys.stdout.flush()
        return status
    except Refused as refused:
        print(f"kandinsky: {refused}", file=sys.stderr)
        return INVALID
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """The parser of the command line; `options.command` is the function of the command that was called."""
    top = argparse.ArgumentParser(
        prog="kandinsky", description="Run node workflows of the Kandinsky image models.", allow_abbrev=False
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        module: Command = import_module(f"ui.command.{name}")
        sub = commands.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False)
        module.add_options(sub)
        sub.set_defaults(command=module.command)
    return top


class _Version(argparse.Action):
    """Looks the version up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"kandinsky {version('kandinsky-canvas')}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
