"""Workflows that packages ship: `template:NAME` stands for one wherever a workflow file does.

A package names a folder of workflow files in the entry-point group `kandinsky.templates`. This project's
templates have bare names, a pack's are `pack/name`. Nothing of the package is imported.
"""

from __future__ import annotations

import importlib.metadata
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from graph.problems import InvalidWorkflow, Problem, nearest

GROUP = "kandinsky.templates"
PROJECT = "kandinsky"
"""The entry point whose templates have bare names."""
PREFIX = "template:"


@cache
def templates() -> dict[str, Path]:
    """The file of each installed template by its name, in the order of the names."""
    found = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        for file in _files(point.value):
            found[file.stem if point.name == PROJECT else f"{point.name}/{file.stem}"] = file
    return dict(sorted(found.items()))


def resolve(name: str) -> Path:
    """The file of a template.

    Raises:
        InvalidWorkflow: when there is none of that name.
    """
    file = templates().get(name)
    if file is None:
        message = f"there is no template {name[:90]!r}; kandinsky templates lists them"
        raise InvalidWorkflow([Problem(message, nearest=nearest(name, templates()))])
    return file


def _files(module: str) -> list[Path]:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    folders = spec.submodule_search_locations if spec is not None else None
    return [file for folder in folders or () for file in Path(folder).glob("*.json")]
