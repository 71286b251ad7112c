"""The workflow file: load, migrate, save.

A `Workflow` keeps the file's own JSON (order, unknown `ui` keys and all) and offers a typed view of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from graph.node import NodeType
from graph.problems import InvalidWorkflow, Problem
from graph.workflow import json_text
from graph.workflow.document import (
    FORMAT,
    MODES,
    NODE_ID,
    NODE_KEYS,
    TOP_KEYS,
    VERSION,
    InterfaceEntry,
    Link,
    Node,
    Workflow,
)
from graph.workflow.embedded import extract
from graph.workflow.reader import Reader, items
from graph.workflow.templates import PREFIX, resolve

__all__ = [
    "FORMAT",
    "MODES",
    "NODE_ID",
    "NODE_KEYS",
    "TOP_KEYS",
    "VERSION",
    "InterfaceEntry",
    "Link",
    "Node",
    "Workflow",
    "from_json",
    "load",
    "loads",
    "save",
]

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""File version -> function that turns such a file into one of the next version."""


def load(path: str | Path) -> Workflow:
    """Read a workflow from a JSON file, a picture that carries one, or `template:NAME`.

    Raises:
        InvalidWorkflow: when it is no workflow at all; anything less is reported by planning.
        OSError: when the file cannot be read.
    """
    path = resolve(str(path).removeprefix(PREFIX)) if str(path).startswith(PREFIX) else Path(path)
    with path.open("rb") as file:
        data = file.read(4 * json_text.MAX_BYTES + 1)
    return loads(data, folder=path.resolve().parent)


def loads(data: bytes | str, folder: Path | None = None) -> Workflow:
    """Read a workflow from JSON text, or from the bytes of a picture that carries one.

    Raises:
        InvalidWorkflow: when it is no workflow at all; anything less is told by planning.
    """
    if isinstance(data, bytes) and (
        data[:8] == b"\x89PNG\r\n\x1a\n" or data[:4] == b"RIFF" or data[:2] == b"\xff\xd8"
    ):
        text = extract(data)
        if text is None:
            raise InvalidWorkflow([Problem("the picture carries no workflow")])
        data = text
    try:
        return from_json(json_text.read(data), folder)
    except json_text.JsonRefused as error:
        raise InvalidWorkflow([Problem(str(error))]) from None


def from_json(data: Any, folder: Path | None = None) -> Workflow:
    """A workflow from parsed JSON; what is wrong with its shape is among its `problems`.

    Raises:
        InvalidWorkflow: when it is no workflow at all.
    """
    return Reader().workflow(_migrate(data), folder)


def save(workflow: Workflow, catalogue: Mapping[str, NodeType] | None = None) -> str:
    """The workflow as the text of its file; what it wrote, `loads` and `save` give back byte for byte.

    With the catalogue, literals of float params get a point: a browser writes 4.0 as 4.
    """
    return json_text.write(_with_points(workflow.data, catalogue) if catalogue else workflow.data)


def _with_points(data: dict[str, Any], catalogue: Mapping[str, NodeType]) -> dict[str, Any]:
    nodes = {}
    for id, node in items(data.get("nodes")):
        node_type = catalogue.get(str(node.get("type"))) if isinstance(node, dict) else None
        if node_type is not None and isinstance(node.get("params"), dict):
            floats = {name for name, param in node_type.params.items() if param.type.name == "float"}
            pointed = {k: _pointed(v) if k in floats else v for k, v in node["params"].items()}
            node = {**node, "params": pointed}
        nodes[id] = node
    return {**data, "nodes": nodes}


def _pointed(value: Any) -> Any:
    if isinstance(value, list):
        return [_pointed(item) for item in value]
    return float(value) if type(value) is int else value


def _migrate(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InvalidWorkflow([Problem("the file is not a workflow", expected="a JSON object")])
    if data.get("format") != FORMAT:
        message = f'the file is not a workflow: "format" is {json_text.excerpt(data.get("format"))}'
        raise InvalidWorkflow([Problem(message, expected=repr(FORMAT))])
    version = data.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        message = f"the file has version {json_text.excerpt(version)}, which this program does not know"
        raise InvalidWorkflow([Problem(message, expected=f"a version from 1 to {VERSION}")])
    migrated: dict[str, Any] = data
    for older in range(version, VERSION):
        migrated = {**MIGRATIONS[older](migrated), "version": older + 1}
    return migrated
