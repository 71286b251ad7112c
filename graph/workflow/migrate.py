"""Nodes of older versions of their types, brought up to date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graph.node import NodeType
from graph.patience import patiently
from graph.problems import Problem, sentence
from graph.workflow.document import Node, Workflow
from graph.workflow.reader import Reader


def up_to_date(workflow: Workflow, catalogue: Mapping[str, NodeType]) -> Workflow:
    """The workflow with every node as the newest version of its type has it.

    What goes wrong is among its `problems`; such a node is left as it was, without a type.
    """
    changed: dict[str, Any] = {}
    nodes: dict[str, Node] = {}
    reader = Reader()
    for id, node in patiently(workflow.nodes.items()):
        node_type = catalogue.get(node.type)
        if node_type is None or node.version == node_type.version:
            continue
        data = workflow.data["nodes"][id]
        nodes[id] = replace(node, type="")
        if not 1 <= node.version <= node_type.version:
            message = f"version {node.version} of node type {node.type!r} is not known here"
            expected = f"a version from 1 to {node_type.version}"
            reader.problems.append(Problem(message, node=id, expected=expected))
            continue
        try:
            changed[id] = _migrated(data, node.version, node_type)
            nodes[id] = reader.node(id, changed[id])
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # it meets whatever a stranger wrote, and may raise SystemExit
            message = f"version {node.version} of {node.type} cannot be brought up to date: {sentence(error)}"
            reader.problems.append(Problem(message, node=id))
    if not nodes:
        return workflow
    return replace(
        workflow,
        data={**workflow.data, "nodes": {**workflow.data["nodes"], **changed}},
        nodes={**workflow.nodes, **nodes},
        problems=(*workflow.problems, *reader.problems),
    )


def _migrated(data: dict[str, Any], version: int, node_type: NodeType) -> dict[str, Any]:
    """A version without a migration changed what the node does, not how it is written."""
    for older in range(version, node_type.version):
        step = node_type.migrations.get(older)
        data = step(data) if step else data
    return {**data, "version": node_type.version}
