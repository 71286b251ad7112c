"""`kandinsky schema`."""

from __future__ import annotations

import argparse
import json

from ui.command.program import catalogue
from ui.command.status import DONE

HELP = "print the JSON Schema of the workflow file"


def add_options(parser: argparse.ArgumentParser) -> None:
    """It takes nothing."""


def command(options: argparse.Namespace) -> int:  # noqa: ARG001 - a command like the others
    """Do it; the exit status."""
    from graph.workflow.schema import schema

    print(json.dumps(schema(catalogue()), indent=2))
    return DONE
