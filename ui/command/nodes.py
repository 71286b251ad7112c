"""`kandinsky nodes`."""

from __future__ import annotations

import argparse
import json

from ui.command.program import catalogue
from ui.command.refused import Refused
from ui.command.status import DONE

HELP = "list the node types, or describe one"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("type", metavar="TYPE", nargs="?")
    parser.add_argument("--json", action="store_true", help="for programs")


def command(options: argparse.Namespace) -> int:
    """Do it; the exit status."""
    from graph.nodetypes.catalogue_json import describe, describe_node
    from graph.problems import nearest
    from ui.command.catalogue_text import details, overview

    types = catalogue()
    if options.type is None:
        print(json.dumps(describe(types)) if options.json else overview(types))
        return DONE
    node_type = types.get(options.type)
    if node_type is None:
        near = nearest(options.type, types)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise Refused(f"there is no node type {options.type!r}{hint}")
    print(json.dumps(describe_node(node_type)) if options.json else details(node_type))
    return DONE
