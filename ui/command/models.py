"""`kandinsky models`."""

from __future__ import annotations

import argparse

from ui.command.refused import Refused
from ui.command.status import DONE, INVALID

HELP = "say what a checkpoint holds"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("action", choices=("inspect",))
    parser.add_argument("path", metavar="PATH", help="a folder, a .safetensors file, or what a source may be")


def command(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from graph.context import Unavailable
    from graph.problems import gigabytes
    from nodes.checkpoints.locate import locate_any
    from nodes.checkpoints.report import parameters, parts
    from ui.text import one_line, table

    try:
        checkpoint = locate_any(options.path)
        found = list(parts(checkpoint))
    except (Unavailable, ValueError, OSError) as error:
        raise Refused(one_line(error)) from None
    if not found:
        raise Refused(f"{one_line(options.path)} is no checkpoint: no part of it has a config.json")
    rows: list[tuple[str, ...]] = [("PART", "WHAT", "SIZE", "SAVED AS")]
    for part in found:
        size = part.size
        measured = (
            (f"{parameters(size.parameters)}, {gigabytes(size.saved_bytes)}", size.saved_as)
            if size
            else ("", "")
        )
        rows.append((one_line(part.part), one_line(part.what or "broken"), *measured))
    print(table(rows))
    broken = [part for part in found if part.problem]
    for part in broken:
        print(f"{one_line(part.part)}: {one_line(part.problem)}")
    return INVALID if broken else DONE
