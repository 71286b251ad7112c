"""`kandinsky plan`."""

from __future__ import annotations

import argparse
import sys

from ui.command.options import add_run_options
from ui.command.program import program_of
from ui.command.refused import Refused
from ui.command.status import DONE, INVALID

HELP = "say what would run and what would be reused, without running it"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_run_options(parser)
    parser.add_argument("--explain", action="store_true", help="say why each node will run: what changed")


def command(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from graph.events import Reporter
    from graph.planning.explain import explain
    from graph.planning.plan import plan
    from graph.problems import InvalidWorkflow
    from ui.command.execute import JsonLines, report_invalid
    from ui.text import one_line, table

    if options.explain and options.no_cache:
        raise Refused("--explain needs to know the last run, which --no-cache does not remember")
    try:
        program = program_of(options)
        made = plan(
            program.workflow,
            program.catalogue,
            program.environment,
            cache=program.results,
            to=options.to,
        )
    except InvalidWorkflow as invalid:
        report_invalid(invalid, sys.stdout if options.json else None)
        return INVALID
    because = explain(made, program.history) if options.explain and program.history is not None else None
    if options.json:
        told = {} if because is None else {"because": because}
        Reporter(JsonLines(sys.stdout)).emit("planned", nodes=made.statuses, **told)
        return DONE
    rows: list[tuple[str, ...]] = [("NODE", "STATUS", "TYPE", *(("WHY",) if because is not None else ()))]
    for id, status in made.statuses.items():
        why = () if because is None else (one_line(because.get(id, "")),)
        rows.append((id, status, made.steps[id].type.id, *why))
    statuses = list(made.statuses.values())
    print(table(rows))
    print(", ".join(f"{statuses.count(status)} {status}" for status in ("run", "reuse", "skip")))
    return DONE
