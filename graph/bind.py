"""The first half of planning: nodes of a file meet their types.

What can be said of a node on its own is said here: its type is known, its ports and params exist, its
literals fit, its links lead to outputs. What follows from the wiring is `plan`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.catalogue import Catalogue
from graph.literals import WrongLiteral, coerce
from graph.node import NodeType, Param
from graph.problems import Problem, nearest
from graph.types import WireType
from graph.workflow import Link, Node, Workflow, read_node


@dataclass(slots=True)
class Bound:
    """A node with its type; `links` holds ports and params, `params` the literals in their types."""

    id: str
    type: NodeType
    mode: str
    links: dict[str, tuple[Link, ...]]
    params: dict[str, Any]
    broken: bool = False
    """It has a problem of its own, so nothing is concluded from it."""
    types: dict[str, WireType] = field(default_factory=dict)
    """Output types, once the wiring is known."""


def bind(workflow: Workflow, catalogue: Catalogue, problems: list[Problem]) -> dict[str, Bound]:
    """Every node of a known type, bound to it; what is wrong is added to `problems`."""
    bound: dict[str, Bound] = {}
    for id, node in workflow.nodes.items():
        node_type = catalogue.get(node.type)
        if node_type is None:
            problems.append(_unknown_type(node, workflow, catalogue))
        else:
            current = _current(node, node_type, workflow, problems)
            if current is not None:
                bound[id] = _bind_node(current, node_type, problems)
    for item in bound.values():
        _check_links(item, bound, workflow, problems)
    _check_interface(workflow, bound, problems)
    return bound


def _unknown_type(node: Node, workflow: Workflow, catalogue: Catalogue) -> Problem:
    pack, slash, _ = node.type.partition("/")
    requires = workflow.data.get("requires", {})
    hint = f"the pack {pack!r} {requires.get(pack, '')} installed".replace("  ", " ") if slash else None
    return Problem(
        f"node type {node.type!r} is unknown",
        node=node.id,
        expected=hint,
        nearest=nearest(node.type, catalogue),
    )


def _current(node: Node, node_type: NodeType, workflow: Workflow, problems: list[Problem]) -> Node | None:
    """The node as the newest version of its type has it."""
    if node.version == node_type.version:
        return node
    if not 1 <= node.version <= node_type.version:
        message = f"version {node.version} of node type {node.type!r} is not known here"
        problems.append(Problem(message, node=node.id, expected=f"at most version {node_type.version}"))
        return None
    data = dict(workflow.data["nodes"][node.id])
    for version in range(node.version, node_type.version):
        step = node_type.migrations.get(version)
        data = step(data) if step else data
    return read_node(node.id, {**data, "version": node_type.version})


def _bind_node(node: Node, node_type: NodeType, problems: list[Problem]) -> Bound:
    bound = Bound(node.id, node_type, node.mode, {}, {})
    for name, links in node.links.items():
        problem = _port_problem(node, node_type, name, links)
        if problem:
            problems.append(problem)
            bound.broken = True
        else:
            bound.links[name] = links
    for name in node.params:
        if name not in node_type.params:
            problems.append(_unknown_param(node, node_type, name))
            bound.broken = True
    for name, param in node_type.params.items():
        try:
            bound.params[name] = coerce(param, node.params.get(name, param.default))
        except WrongLiteral as wrong:
            bound.broken = True
            problems.append(literal_problem(node.id, param, wrong))
    return bound


def literal_problem(node: str, param: Param, wrong: WrongLiteral) -> Problem:
    """A wrong literal as a problem of its node."""
    return Problem(wrong.message, node=node, param=param.name, expected=wrong.expected, nearest=wrong.nearest)


def _port_problem(node: Node, node_type: NodeType, name: str, links: tuple[Link, ...]) -> Problem | None:
    port = node_type.inputs.get(name)
    if port is None and name not in node_type.params:
        known = [*node_type.inputs, *node_type.params]
        message = f"{node_type.id} has no input {name!r}"
        return Problem(
            message, node=node.id, port=name, expected=_one_of(known), nearest=nearest(name, known)
        )
    many = port is not None and port.many
    if many and name not in node.listed:
        return Problem("the port takes a list of links", node=node.id, port=name, expected="[link, ...]")
    if not many and name in node.listed:
        return Problem(
            f"the port takes one link, not a list of {len(links)}", node=node.id, port=name, expected="a link"
        )
    return None


def _unknown_param(node: Node, node_type: NodeType, name: str) -> Problem:
    expected = _one_of(node_type.params)
    if name in node_type.inputs:
        expected = f'{name!r} under "inputs", it is a port'
    message = f"{node_type.id} has no param {name!r}"
    return Problem(
        message, node=node.id, param=name, expected=expected, nearest=nearest(name, node_type.params)
    )


def _one_of(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"one of {listed}" if listed else "none"


def _check_links(
    item: Bound, bound: Mapping[str, Bound], workflow: Workflow, problems: list[Problem]
) -> None:
    for name, links in list(item.links.items()):
        kept = []
        for link in links:
            source = bound.get(link.node)
            if source is not None and link.port in source.type.outputs:
                kept.append(link)
                continue
            item.broken = True
            if link.node not in workflow.nodes:
                message, near = f"there is no node {link.node!r}", nearest(link.node, workflow.nodes)
                problems.append(Problem(message, node=item.id, port=name, nearest=near))
            elif source is not None:
                message = f"{source.type.id} {link.node!r} has no output {link.port!r}"
                outputs = source.type.outputs
                problems.append(
                    Problem(
                        message,
                        node=item.id,
                        port=name,
                        expected=_one_of(outputs),
                        nearest=nearest(link.port, outputs),
                    )
                )
        item.links[name] = tuple(kept)
        if not kept:
            del item.links[name]


def _check_interface(workflow: Workflow, bound: Mapping[str, Bound], problems: list[Problem]) -> None:
    for side, entries in (("inputs", workflow.inputs), ("outputs", workflow.outputs)):
        for entry in entries.values():
            where = f"interface {side} {entry.name!r}"
            for target in entry.targets:
                item = bound.get(target.node)
                if item is None:
                    if target.node not in workflow.nodes:
                        near = nearest(target.node, workflow.nodes)
                        problems.append(Problem(f"{where}: there is no node {target.node!r}", nearest=near))
                    continue
                known = item.type.params if side == "inputs" else item.type.outputs
                if target.port not in known:
                    kind = "param" if side == "inputs" else "output"
                    message = f"{where}: {item.type.id} {target.node!r} has no {kind} {target.port!r}"
                    near = nearest(target.port, known)
                    problems.append(Problem(message, expected=_one_of(known), nearest=near))
