"""The first half of planning: nodes of a file meet their types.

What can be said of a node on its own is said here: its type is known, its ports and params exist, its
literals fit, its links lead to outputs. What follows from the wiring is `plan`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graph.node import NodeType, Param
from graph.nodetypes.catalogue import Catalogue
from graph.patience import patiently
from graph.problems import Problem, Problems, nearest
from graph.workflow.document import Link, Node, Workflow
from graph.workflow.literals import MAX_ITEMS, WrongLiteral, coerce


@dataclass(slots=True)
class Bound:
    """A node with its type; `links` holds ports and params, `params` the literals in their types."""

    id: str
    type: NodeType
    mode: str
    links: dict[str, tuple[Link, ...]]
    params: dict[str, Any]
    wrong: set[str]
    """The ports and params with a problem that is told already."""
    ring: bool = False
    """It lies on a cycle."""


def bind(workflow: Workflow, catalogue: Catalogue, problems: Problems) -> dict[str, Bound]:
    """Every node of a known type, bound to it; what is wrong is added to `problems`."""
    bound: dict[str, Bound] = {}
    for id, node in patiently(workflow.nodes.items()):
        node_type = catalogue.get(node.type)
        if node_type is not None:
            bound[id] = _bind_node(node, node_type, problems)
        elif node.type:
            problems.append(_unknown_type(node, workflow, catalogue))
    for item in patiently(bound.values()):
        if item.links:
            _check_links(item, bound, workflow, problems)
    _check_interface(workflow, bound, problems)
    return bound


def _unknown_type(node: Node, workflow: Workflow, catalogue: Catalogue) -> Problem:
    pack, slash, _ = node.type.partition("/")
    requires = workflow.data.get("requires")
    version = f" {requires[pack]}" if isinstance(requires, dict) and pack in requires else ""
    expected = f"the pack {pack!r}{version} installed" if slash else None
    message = f"node type {node.type!r} is unknown"
    return Problem(message, node=node.id, expected=expected, nearest=nearest(node.type, catalogue))


def _bind_node(node: Node, node_type: NodeType, problems: Problems) -> Bound:
    bound = Bound(node.id, node_type, node.mode, {}, dict(node_type.defaults), set(node.unclear))
    for name, links in node.links.items():
        problem = _port_problem(node, node_type, name, links)
        if problem:
            problems.append(problem)
            bound.wrong.add(name)
        elif links:
            bound.links[name] = links
    for name, value in node.params.items():
        param = node_type.params.get(name)
        if param is None:
            problems.append(_unknown_param(node, node_type, name))
            bound.wrong.add(name)
            continue
        try:
            bound.params[name] = coerce(param, value)
        except WrongLiteral as wrong:
            problems.append(literal_problem(node.id, param, wrong))
            bound.wrong.add(name)
    return bound


def literal_problem(node: str, param: Param, wrong: WrongLiteral) -> Problem:
    """A wrong literal as a problem of its node."""
    return Problem(wrong.message, node=node, param=param.name, expected=wrong.expected, nearest=wrong.nearest)


def _port_problem(node: Node, node_type: NodeType, name: str, links: tuple[Link, ...]) -> Problem | None:
    port = node_type.inputs.get(name)
    if port is None and name not in node_type.params:
        known = [*node_type.inputs, *node_type.params]
        message, near = f"{node_type.id} has no input {name!r}", nearest(name, known)
        return Problem(message, node=node.id, port=name, expected=_one_of(known), nearest=near)
    if port is not None and port.many:
        if name not in node.listed:
            message = "the port takes a list of links"
            return Problem(message, node=node.id, port=name, expected="[link, ...]")
        if len(links) > MAX_ITEMS:
            message = f"the list has {len(links)} links"
            return Problem(message, node=node.id, port=name, expected=f"at most {MAX_ITEMS}")
    elif name in node.listed and links:
        message = f"the port takes one link, not a list of {len(links)}"
        return Problem(message, node=node.id, port=name, expected="a link")
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


def _check_links(item: Bound, bound: Mapping[str, Bound], workflow: Workflow, problems: Problems) -> None:
    """Take away the links that lead nowhere."""
    for name, links in list(item.links.items()):
        for link in links:
            source = bound.get(link.node)
            if source is not None and link.port in source.type.outputs:
                continue
            item.wrong.add(name)
            if link.node not in workflow.nodes:
                message, near = f"there is no node {link.node!r}", nearest(link.node, workflow.nodes)
                problems.append(Problem(message, node=item.id, port=name, nearest=near))
            elif source is not None:
                message = f"{source.type.id} {link.node!r} has no output {link.port!r}"
                expected, near = _one_of(source.type.outputs), nearest(link.port, source.type.outputs)
                problems.append(Problem(message, node=item.id, port=name, expected=expected, nearest=near))
        if name in item.wrong:
            item.links[name] = tuple(link for link in links if _leads(link, bound))
            if not item.links[name]:
                del item.links[name]


def _leads(link: Link, bound: Mapping[str, Bound]) -> bool:
    return link.node in bound and link.port in bound[link.node].type.outputs


def _check_interface(workflow: Workflow, bound: Mapping[str, Bound], problems: Problems) -> None:
    for side, entries in (("inputs", workflow.inputs), ("outputs", workflow.outputs)):
        for entry in patiently(entries.values()):
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
