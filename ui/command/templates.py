"""`kandinsky templates`."""

from __future__ import annotations

import argparse

from ui.command.status import DONE

HELP = "list the workflows that are installed; template:NAME stands for a file"


def add_options(parser: argparse.ArgumentParser) -> None:
    """It takes nothing."""


def command(options: argparse.Namespace) -> int:  # noqa: ARG001 - a command like the others
    """Do it; the exit status."""
    from graph.workflow.file import load
    from graph.workflow.templates import PREFIX, templates
    from ui.text import one_line, table

    rows = [(f"{PREFIX}{name}", one_line(load(file).description)) for name, file in templates().items()]
    print(table([("TEMPLATE", "WHAT IT DOES"), *rows]))
    return DONE
