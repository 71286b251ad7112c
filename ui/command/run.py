"""`kandinsky run`."""

from __future__ import annotations

import argparse
import sys

from ui.command.leave import leave_at_once
from ui.command.options import add_run_options
from ui.command.program import program_of
from ui.command.status import INVALID

HELP = "run a workflow (a JSON file, or a picture that carries one)"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_run_options(parser)


def command(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from graph.problems import InvalidWorkflow
    from ui.command.execute import execute, report_invalid

    try:
        program = program_of(options)
    except InvalidWorkflow as invalid:
        report_invalid(invalid, sys.stdout if options.json else None)
        return INVALID
    run = program.start(to=options.to, previews=options.json)
    run.node_timeout = options.node_timeout
    status = execute(run, options.json)
    if run.abandoned is not None:
        leave_at_once(status)  # Python would wait for a node that hangs
    return status
