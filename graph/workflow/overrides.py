"""Values from outside (`--set`, the form view, a Python call) put into a workflow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graph.files.allowed import Files
from graph.node import Param
from graph.nodetypes.catalogue import Catalogue
from graph.problems import InvalidWorkflow, Problem, Problems, nearest
from graph.workflow.document import Link, Workflow
from graph.workflow.file import from_json
from graph.workflow.literals import WrongLiteral, parse
from graph.workflow.migrate import up_to_date


def override(
    workflow: Workflow,
    catalogue: Catalogue,
    values: Mapping[str, Any],
    files: Files | None,
    typed: bool = True,
) -> Workflow:
    """The workflow with params set; a value replaces a link.

    Args:
        values: by interface name or `node.param`.
        files: told of every path that is set, which is allowed to be read; None: who sets it may read no more
            than the workflow.
        typed: the values are Python values; False: texts, read by the param's type.

    Raises:
        InvalidWorkflow: for unknown names, and for texts that cannot be read.
    """
    workflow = up_to_date(workflow, catalogue)
    if not values or workflow.problems:  # which planning tells, beside everything else
        return workflow
    problems = Problems()
    nodes = dict(workflow.data["nodes"])
    for name, value in values.items():
        targets = _targets(workflow, name)
        if targets is None:
            problems.append(_unknown(workflow, name))
            continue
        for target in targets:
            param = _param(workflow, catalogue, target, problems)
            if param is None:
                continue
            try:
                literal = _plain(value) if typed else parse(param, value)
            except WrongLiteral as wrong:
                problems.append(Problem(f"{name}: {wrong.message}", expected=wrong.expected))
                continue
            is_path = param.file is not None or param.name == "source"
            if files is not None and isinstance(literal, str) and is_path:
                files.allow(literal)
            nodes[target.node] = _with_param(nodes[target.node], target.port, literal)
    if problems:
        raise InvalidWorkflow(problems)
    return from_json({**workflow.data, "nodes": nodes}, workflow.folder)


def _targets(workflow: Workflow, name: str) -> tuple[Link, ...] | None:
    if name in workflow.inputs:
        return workflow.inputs[name].targets
    node, dot, param = name.partition(".")
    return (Link(node, param),) if dot and node in workflow.nodes else None


def _unknown(workflow: Workflow, name: str) -> Problem:
    known = [*workflow.inputs, *workflow.nodes] if "." not in name else list(workflow.nodes)
    near = nearest(name.partition(".")[0], known)
    listed = ", ".join(workflow.inputs) or "none"
    return Problem(
        f"there is nothing called {name!r} to set",
        expected=f"an interface name ({listed}) or node.param",
        nearest=near,
    )


def _param(workflow: Workflow, catalogue: Catalogue, target: Link, problems: Problems) -> Param | None:
    node_type = catalogue.get(workflow.nodes[target.node].type) if target.node in workflow.nodes else None
    if node_type is None:
        return None  # planning reports it
    param = node_type.params.get(target.port)
    if param is None:
        problems.append(
            Problem(
                f"{node_type.id} {target.node!r} has no param {target.port!r}",
                node=target.node,
                param=target.port,
                expected=", ".join(node_type.params),
                nearest=nearest(target.port, node_type.params),
            )
        )
    return param


def _plain(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _with_param(node: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    changed = {**node, "params": {**node.get("params", {}), name: value}}
    if name in node.get("inputs", {}):
        changed["inputs"] = {port: link for port, link in node["inputs"].items() if port != name}
    return changed
