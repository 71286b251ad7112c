"""The workflow and the node types that a call is about."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ui.command.refused import Refused

if TYPE_CHECKING:
    from graph.nodetypes.catalogue import Catalogue
    from graph.program import Program
    from graph.workflow.file import Workflow


def program_of(options: argparse.Namespace) -> Program:
    """The workflow of the call, with what `--set` says."""
    from graph.cache.disk_tier import default_folder
    from graph.program import assemble, history_of
    from graph.workflow.overrides import override

    program = assemble(
        read(options.file),
        catalogue(),
        output=options.output,
        cache=None if options.no_cache else options.cache or default_folder(),
        device=options.device,
        allow=options.allow,
        download=options.download,
    )
    texts = dict(options.set)
    files = program.environment.files
    workflow = override(program.workflow, program.catalogue, texts, files, typed=False)
    return replace(program, workflow=workflow, history=None if options.no_cache else history_of(options.file))


def read(file: Path) -> Workflow:
    """The workflow in a file; one that cannot be read is a problem like any other."""
    from graph.problems import InvalidWorkflow, Problem
    from graph.workflow.file import load

    try:
        return load(file)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidWorkflow):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidWorkflow([Problem(f"the workflow {str(file)!r} cannot be read: {reason}")]) from None


def catalogue() -> Catalogue:
    """The installed node types.

    Raises:
        Refused: when they cannot be used, or there are none.
    """
    from graph.nodetypes.catalogue import installed

    _check_import_names()
    try:
        found = installed()
    except (ValueError, ImportError) as error:
        raise Refused(f"the installed node types cannot be used: {error}") from None
    if not found:
        raise Refused("no node types are installed: pip install kandinsky-canvas, or pip install -e . here")
    return found


def _check_import_names() -> None:
    """Refuse to run with another package's `nodes` or `workflows`: short names, not ours alone."""
    from importlib.util import find_spec

    import graph

    home = Path(graph.__file__).resolve().parents[1]
    for name in ("nodes", "workflows"):
        spec = find_spec(name)
        place = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if place != home / name / "__init__.py":
            found = f"is {place}" if place else "cannot be found"
            raise Refused(f"Python's package `{name}` {found}, expected the one in {home}: start elsewhere")
