"""The workflow file: load, migrate, save.

A `Workflow` keeps the file's own JSON (order, unknown `ui` keys and all) and offers a typed view of it.
Reading checks the shape of the file; whether the graph makes sense is `plan`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graph import json_text
from graph.embedded import extract
from graph.node import NodeType
from graph.problems import InvalidWorkflow, Problem, nearest

FORMAT = "kandinsky-workflow"
VERSION = 1
MODES = ("active", "muted", "bypassed")

NODE_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TOP_KEYS = {
    "format": str,
    "version": int,
    "name": str,
    "description": str,
    "requires": dict,
    "nodes": dict,
    "interface": dict,
    "definitions": dict,
    "ui": dict,
    "assets": dict,
}
NODE_KEYS = {
    "type": str,
    "version": int,
    "mode": str,
    "inputs": dict,
    "params": dict,
    "ui": dict,
}

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""File version -> function that turns such a file into one of the next version."""


@dataclass(frozen=True)
class Link:
    """An output of a node."""

    node: str
    port: str

    def __str__(self) -> str:
        return f"{self.node}.{self.port}"


@dataclass(frozen=True)
class Node:
    """One node of a workflow."""

    id: str
    type: str
    version: int = 1
    mode: str = "active"
    links: Mapping[str, tuple[Link, ...]] = field(default_factory=dict)
    """Port or param -> links, in order."""
    listed: frozenset[str] = frozenset()
    """The ports whose links stand in a list."""
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InterfaceEntry:
    """One thing a person fills in, or gets back."""

    name: str
    targets: tuple[Link, ...]
    title: str = ""
    help: str = ""


@dataclass(frozen=True)
class Workflow:
    """A workflow file: its JSON and a typed view of it."""

    data: dict[str, Any]
    nodes: Mapping[str, Node]
    inputs: Mapping[str, InterfaceEntry]
    outputs: Mapping[str, InterfaceEntry]
    folder: Path | None = None
    """The folder the file lies in; paths in it are relative to that."""

    @property
    def name(self) -> str:
        return str(self.data.get("name", ""))

    @property
    def description(self) -> str:
        return str(self.data.get("description", ""))

    @property
    def assets(self) -> Mapping[str, str]:
        return self.data.get("assets", {})  # type: ignore[no-any-return]


def load(path: str | Path) -> Workflow:
    """Read a workflow from a JSON file, or from a picture that carries one.

    Raises:
        InvalidWorkflow: with every problem of the file's shape.
        OSError: when the file cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        data = file.read(4 * json_text.MAX_BYTES + 1)
    return loads(data, folder=path.resolve().parent)


def loads(data: bytes | str, folder: Path | None = None) -> Workflow:
    """Read a workflow from JSON text, or from the bytes of a picture that carries one.

    Raises:
        InvalidWorkflow: with every problem of the file's shape.
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
    """A workflow from parsed JSON.

    Raises:
        InvalidWorkflow: with every problem of the file's shape.
    """
    data = _migrate(data)
    reader = _Reader()
    workflow = reader.workflow(data, folder)
    if reader.problems:
        raise InvalidWorkflow(reader.problems)
    return workflow


def save(workflow: Workflow, catalogue: Mapping[str, NodeType] | None = None) -> str:
    """The workflow as the text of its file; what it wrote, `loads` and `save` give back byte for byte."""
    return json_text.write(_with_points(workflow.data, catalogue or {}))


def _with_points(data: dict[str, Any], catalogue: Mapping[str, NodeType]) -> dict[str, Any]:
    """Literals of float params become floats: a browser writes 4.0 as 4."""
    nodes = {}
    for id, node in data["nodes"].items():
        known = catalogue.get(node["type"])
        params = node.get("params")
        if known and params:
            floats = {name for name, param in known.params.items() if param.type.name == "float"}
            params = {k: _pointed(v) if k in floats else v for k, v in params.items()}
            node = {**node, "params": params}
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
        raise InvalidWorkflow(
            [
                Problem(
                    f'the file is not a workflow: "format" is {data.get("format")!r}', expected=repr(FORMAT)
                )
            ]
        )
    version = data.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        message = f"the file has version {version!r}, which this program does not know"
        raise InvalidWorkflow([Problem(message, expected=f"a version from 1 to {VERSION}")])
    migrated: dict[str, Any] = data
    for older in range(version, VERSION):
        migrated = MIGRATIONS[older](migrated)
    return migrated


def read_node(id: str, node: dict[str, Any]) -> Node:
    """One node from its JSON.

    Raises:
        InvalidWorkflow: with every problem of the node's shape.
    """
    reader = _Reader()
    result = reader.node(id, node)
    if reader.problems:
        raise InvalidWorkflow(reader.problems)
    return result


class _Reader:
    """Reads the file's JSON into dataclasses, and keeps every problem it meets."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def workflow(self, data: dict[str, Any], folder: Path | None) -> Workflow:
        self._keys(data, TOP_KEYS, None)
        nodes = {}
        for id, node in _items(data.get("nodes")):
            if not NODE_ID.fullmatch(id):
                self._problem(f"{id!r} is not a node id", expected="letters, digits and _, no digit first")
            elif not isinstance(node, dict):
                self._problem("the node is not an object", node=id, expected="an object with a type")
            else:
                nodes[id] = self.node(id, node)
        if "nodes" not in data:
            self._problem('the file has no "nodes"', expected="an object of nodes by id")
        if data.get("definitions"):
            self._problem('"definitions" is reserved for a later version', expected="no definitions")
        interface = data.get("interface", {})
        self._keys(interface, {"inputs": dict, "outputs": dict}, None)
        entries = {
            side: {name: self._entry(side, name, value) for name, value in _items(_get(interface, side))}
            for side in ("inputs", "outputs")
        }
        return Workflow(data, nodes, entries["inputs"], entries["outputs"], folder)

    def node(self, id: str, node: dict[str, Any]) -> Node:
        self._keys(node, NODE_KEYS, id)
        if not isinstance(node.get("type"), str):
            self._problem("the node has no type", node=id, expected="a node type's id")
        mode = node.get("mode", "active")
        if mode not in MODES:
            self._problem(f"mode {mode!r} is unknown", node=id, expected="one of " + ", ".join(MODES))
        links, listed = {}, set()
        for port, value in _items(node.get("inputs")):
            found = self._links(id, port, value)
            if isinstance(value, list):
                listed.add(port)
            if found:
                links[port] = tuple(found)
        version = node.get("version", 1)
        return Node(
            id=id,
            type=str(node.get("type")),
            version=version if type(version) is int else 1,
            mode=str(mode),
            links=links,
            listed=frozenset(listed),
            params=dict(_items(node.get("params"))),
        )

    def _links(self, id: str, port: str, value: Any) -> Iterator[Link] | list[Link]:
        values = value if isinstance(value, list) else [value]
        links = []
        for item in values:
            text = item
            if isinstance(item, dict):
                self._keys(item, {"from": str, "ui": dict}, id)
                text = item.get("from")
            link = _link(text)
            if link is None:
                self._problem(f"{text!r} is not a link", node=id, port=port, expected='"node_id.output_port"')
            else:
                links.append(link)
        return links

    def _entry(self, side: str, name: str, value: Any) -> InterfaceEntry:
        where = f"interface {side} {name!r}"
        targets = value
        if isinstance(value, dict):
            self._keys(value, {"targets": list, "title": str, "help": str}, None)
            targets = value.get("targets")
        targets = [targets] if isinstance(targets, str) else targets
        links = []
        for target in targets if isinstance(targets, list) else [targets]:
            link = _link(target)
            if link is None:
                self._problem(f"{where}: {target!r} is not a target", expected='"node_id.name"')
            else:
                links.append(link)
        title, help = (str(_get(value, key) or "") for key in ("title", "help"))
        return InterfaceEntry(name, tuple(links), title, help)

    def _keys(self, data: Any, known: Mapping[str, type], node: str | None) -> None:
        if not isinstance(data, dict):
            self._problem(f"{str(data)[:40]!r} is not an object", node=node, expected="an object")
            return
        for key, value in data.items():
            if key not in known:
                message = f"the key {key!r} is unknown"
                self._problem(message, node=node, nearest=nearest(key, known))
            elif type(value) is not known[key]:
                kind = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}[known[key]]
                self._problem(f"{key!r} is {str(value)[:40]!r}", node=node, expected=kind)

    def _problem(self, message: str, **details: str | None) -> None:
        self.problems.append(Problem(message, **details))


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, dict) else ()


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


def _link(text: Any) -> Link | None:
    if not isinstance(text, str):
        return None
    node, dot, port = text.partition(".")
    return Link(node, port) if dot and NODE_ID.fullmatch(node) and port else None
