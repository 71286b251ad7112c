"""`kandinsky check`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ui.command.program import catalogue, read
from ui.command.status import DONE, INVALID

HELP = "say everything that is wrong with workflows"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path)


def command(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from ui.text import count, one_line

    wrong = 0
    for file in options.files:
        problems = _problems(file)
        for problem in problems:
            print(f"{one_line(file)}: {one_line(problem)}")
        wrong += bool(problems)
    files = count(len(options.files), "file")
    print(f"{files} checked, {wrong or 'none'} with problems", file=sys.stderr)
    return INVALID if wrong else DONE


def _problems(file: Path) -> list[Any]:
    from graph.cache.disk_tier import default_folder
    from graph.planning.plan import check
    from graph.problems import InvalidWorkflow
    from graph.program import assemble

    try:
        workflow = read(file)
    except InvalidWorkflow as invalid:
        return invalid.problems
    # The cache folder is where the fingerprints of large files are remembered.
    program = assemble(workflow, catalogue(), output=Path("outputs"), cache=default_folder())
    return check(workflow, program.catalogue, program.environment)
