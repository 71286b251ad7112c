"""Reads the JSON of a workflow file into dataclasses, and says everything that is wrong with its shape.

Whether the graph makes sense is `plan`'s business, so what can be read is read, problems or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from graph.patience import patiently
from graph.problems import InvalidWorkflow, Problem, Problems, nearest
from graph.workflow.document import (
    MAX_LINKS,
    MAX_NODES,
    MODES,
    NODE_ID,
    NODE_KEYS,
    TOP_KEYS,
    InterfaceEntry,
    Link,
    Node,
    Workflow,
)
from graph.workflow.json_text import excerpt


class Reader:
    """Reads the file's JSON into dataclasses, and keeps every problem it meets."""

    def __init__(self) -> None:
        self.problems = Problems()
        self._links_read = 0

    def workflow(self, data: dict[str, Any], folder: Path | None) -> Workflow:
        """A whole file of the newest version."""
        self._keys(data, TOP_KEYS)
        if "nodes" not in data:
            self._problem('the file has no "nodes"', expected="an object of nodes by id")
        if data.get("definitions"):
            self._problem('"definitions" is reserved for a later version', expected="no definitions")
        for key in ("requires", "assets"):
            for name, value in items(data.get(key)):
                self._kind(f"{key} {name!r}", value, str)
        nodes = self._nodes(data.get("nodes"))
        interface = data.get("interface", {})
        if isinstance(interface, dict):
            self._keys(interface, {"inputs": dict, "outputs": dict})
        inputs, outputs = (
            {name: self._entry(side, name, value) for name, value in patiently(items(_get(interface, side)))}
            for side in ("inputs", "outputs")
        )
        return Workflow(data, nodes, inputs, outputs, folder, tuple(self.problems))

    def _nodes(self, data: Any) -> dict[str, Node]:
        if isinstance(data, dict) and len(data) > MAX_NODES:
            problem = Problem(f"the file has {len(data):,} nodes", expected=f"at most {MAX_NODES:,}")
            raise InvalidWorkflow([problem])
        nodes = {}
        for id, node in patiently(items(data)):
            if NODE_ID.fullmatch(id):
                nodes[id] = self.node(id, node)
            else:
                self._problem(f"{id!r} is not a node id", expected="letters, digits and _, no digit first")
        return nodes

    def node(self, id: str, data: Any) -> Node:
        """One node; what cannot be read of it is left out."""
        if not isinstance(data, dict):
            self._problem(f"the node is {excerpt(data)}", node=id, expected="an object with a type")
            return Node(id, "")
        self._keys(data, NODE_KEYS, id)
        if "type" not in data:
            self._problem("the node has no type", node=id, expected="a node type's id")
        mode = data.get("mode", "active")
        if isinstance(mode, str) and mode not in MODES:
            expected, near = "one of " + ", ".join(MODES), nearest(mode, MODES)
            self._problem(f"mode {mode!r} is unknown", node=id, expected=expected, nearest=near)
        links = {port: self._links(id, port, value) for port, value in items(data.get("inputs"))}
        type_id, version = data.get("type"), data.get("version", 1)
        return Node(
            id=id,
            type=type_id if isinstance(type_id, str) else "",
            version=version if type(version) is int else 1,
            mode=mode if mode in MODES else "active",
            links={port: tuple(filter(None, found)) for port, found in links.items()},
            listed=frozenset(port for port in links if isinstance(data["inputs"][port], list)),
            unclear=frozenset(port for port, found in links.items() if None in found),
            params=data["params"] if isinstance(data.get("params"), dict) else {},
        )

    def _links(self, id: str, port: str, value: Any) -> list[Link | None]:
        """The links of a port; None for each that cannot be read."""
        values = value if isinstance(value, list) else [value]
        self._links_read += len(values)
        if self._links_read > MAX_LINKS:
            raise InvalidWorkflow([Problem("the file has too many links", expected=f"at most {MAX_LINKS:,}")])
        links = []
        for item in values:
            text = item
            if isinstance(item, dict):
                self._keys(item, {"from": str, "ui": dict}, id, port)
                text = item.get("from")
            links.append(read_link(text))
            if links[-1] is None:
                message = f"{excerpt(text)} is not a link"
                self._problem(message, node=id, port=port, expected='"node_id.output_port"')
        return links

    def _entry(self, side: str, name: str, value: Any) -> InterfaceEntry:
        where = f"interface {side} {name!r}"
        targets = value
        if isinstance(value, dict):
            self._keys(value, {"targets": list, "title": str, "help": str}, where=where)
            targets = value.get("targets")
        links = [read_link(target) for target in (targets if isinstance(targets, list) else [targets])]
        if None in links or not links or (side == "outputs" and len(links) > 1):
            some = "one target" if side == "outputs" else "targets"
            message = f"{where}: {excerpt(targets)} does not say where"
            self._problem(message, expected=f'{some}: "node_id.name"')
        title, help = (str(_get(value, key) or "") for key in ("title", "help"))
        return InterfaceEntry(name, tuple(filter(None, links)), title, help)

    def _keys(
        self,
        data: dict[str, Any],
        known: Mapping[str, type],
        node: str | None = None,
        port: str | None = None,
        where: str = "",
    ) -> None:
        lead = f"{where}: " if where else ""
        for key, value in data.items():
            if key not in known:
                message = f"{lead}the key {key!r} is unknown"
                self._problem(message, node=node, port=port, nearest=nearest(key, known))
            elif type(value) is not known[key]:
                self._kind(f"{lead}{key!r}", value, known[key], node, port)

    def _kind(
        self, what: str, value: Any, kind: type, node: str | None = None, port: str | None = None
    ) -> None:
        if type(value) is not kind:
            expected = {dict: "an object", list: "a list", str: "a text", int: "a whole number"}[kind]
            self._problem(f"{what} is {excerpt(value)}", node=node, port=port, expected=expected)

    def _problem(self, message: str, **details: str | None) -> None:
        self.problems.append(Problem(message, **details))


def read_link(text: Any) -> Link | None:
    """The link that a text stands for, None if it is none."""
    if not isinstance(text, str):
        return None
    node, dot, port = text.partition(".")
    return Link(node, port) if dot and port and NODE_ID.fullmatch(node) else None


def items(value: Any) -> Iterable[tuple[str, Any]]:
    """The items of an object; none of anything else, which is a problem that is told elsewhere."""
    return value.items() if isinstance(value, dict) else ()


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
