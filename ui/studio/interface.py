"""What a workflow's interface asks for and gives back: the form and the API are made from this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graph.node import Param
from graph.nodetypes.catalogue import Catalogue
from graph.types import WireType
from graph.workflow.document import Link, Workflow


@dataclass(frozen=True)
class Field:
    """One thing that a person fills in."""

    name: str
    title: str
    help: str
    param: Param
    value: Any
    """What the workflow has there; None for what the checkpoint recommends."""


@dataclass(frozen=True)
class Output:
    """One thing that they get back."""

    name: str
    title: str
    type: WireType


def fields(workflow: Workflow, catalogue: Catalogue) -> list[Field]:
    """The inputs of a workflow's interface, in the author's order; those without a param are left out."""
    found = []
    for entry in workflow.inputs.values():
        for target in entry.targets[:1]:
            param = _param(workflow, catalogue, target)
            if param is not None:
                title = entry.title or entry.name.replace("_", " ").capitalize()
                value = _value(workflow, catalogue, target, param)
                found.append(Field(entry.name, title, entry.help or param.help, param, value))
    return found


def outputs(workflow: Workflow, catalogue: Catalogue) -> list[Output]:
    """The outputs of a workflow's interface, in the author's order."""
    found = []
    for entry in workflow.outputs.values():
        for target in entry.targets[:1]:
            node = workflow.nodes.get(target.node)
            node_type = catalogue.get(node.type) if node is not None else None
            port = node_type.outputs.get(target.port) if node_type is not None else None
            if port is not None:
                title = entry.title or entry.name.replace("_", " ").capitalize()
                found.append(Output(entry.name, title, port.type))
    return found


def values(given: Mapping[str, Any], known: list[Field]) -> dict[str, Any]:
    """What was filled in, as values of the params; what was left empty keeps what the workflow has.

    Forms and scripts write 4.0 for 4, and nothing for null.
    """
    params = {field.name: field.param for field in known}
    filled: dict[str, Any] = {}
    for name, value in given.items():
        param = params.get(name)
        if param is not None and (value is None or (value == "" and param.type.name != "string")):
            if param.nullable:
                filled[name] = None
            continue
        whole = param is not None and param.type.name == "int" and type(value) is float
        filled[name] = int(value) if whole and value.is_integer() else value
    return filled


def _param(workflow: Workflow, catalogue: Catalogue, target: Link) -> Param | None:
    node = workflow.nodes.get(target.node)
    node_type = catalogue.get(node.type) if node is not None else None
    return node_type.params.get(target.port) if node_type is not None else None


def _value(workflow: Workflow, catalogue: Catalogue, target: Link, param: Param) -> Any:
    """The literal, or that of the constant node which is linked to it."""
    node = workflow.nodes[target.node]
    links = node.links.get(target.port, ())
    if not links:
        return node.params.get(target.port, param.default)
    source = workflow.nodes.get(links[0].node)
    source_type = catalogue.get(source.type) if source is not None else None
    if source is None or source_type is None or not source_type.folds or len(source_type.params) != 1:
        return param.default
    ((name, constant),) = source_type.params.items()
    return source.params.get(name, constant.default)
