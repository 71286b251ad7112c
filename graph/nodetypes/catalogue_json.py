"""The catalogue as plain JSON: wire types and node types, for programs that do not import them.

The canvas, `kandinsky nodes --json` and the docs all draw from here, so colours, titles and help texts have
one home: the declarations themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph.nodetypes.node_type import NodeType, Param, Port
from graph.types import ANY, WireType, wire_types


def describe(catalogue: Mapping[str, NodeType]) -> dict[str, Any]:
    """Everything: `types` (name -> wire type) and `nodes` (id -> node type)."""
    types = {**wire_types(), ANY.name: ANY}
    return {
        "types": {name: describe_type(wire, types) for name, wire in types.items()},
        "nodes": {id: describe_node(node_type) for id, node_type in catalogue.items()},
    }


def describe_type(wire: WireType, types: Mapping[str, WireType]) -> dict[str, Any]:
    """A wire type; `fits` lists the types of the inputs it may be linked to."""
    return {
        "title": wire.title,
        "colour": wire.colour,
        "help": wire.help,
        "handle": wire.handle,
        "fits": [name for name, target in types.items() if wire.fits(target)],
    }


def describe_node(node_type: NodeType) -> dict[str, Any]:
    """A node type with its inputs, params and outputs, each list in the order of the declaration."""
    return {
        "id": node_type.id,
        "title": node_type.title,
        "group": node_type.group,
        "version": node_type.version,
        "help": node_type.help,
        "effects": node_type.effects,
        "inputs": [describe_port(port) for port in node_type.inputs.values()],
        "params": [describe_param(param) for param in node_type.params.values()],
        "outputs": [describe_port(port) for port in node_type.outputs.values()],
    }


def describe_port(port: Port) -> dict[str, Any]:
    """An input or output; `many` takes a list of links, `handles` tells whether "any" includes handles."""
    return {
        "name": port.name,
        "type": port.type.name,
        "required": port.required,
        "many": port.many,
        "handles": port.handles,
        "help": port.help,
    }


def describe_param(param: Param) -> dict[str, Any]:
    """A param; `range`, `choices`, their `labels` and `file` only where it has them.

    `widget` is "plain", "multiline", "seed", "file" or "choices"; `fixed` ones link to constants only.
    """
    described: dict[str, Any] = {
        "name": param.name,
        "type": param.type.name,
        "default": param.default,
        "nullable": param.nullable or param.default is None,
        "many": param.many,
        "fixed": param.fixed,
        "widget": param.widget,
        "help": param.help,
    }
    if param.range is not None:
        described["range"] = {"low": param.range.low, "high": param.range.high, "step": param.range.step}
    if param.choices:
        described["choices"] = list(param.choices)
    if param.labels:
        described["labels"] = list(param.labels)
    if param.file is not None:
        described["file"] = param.file.kind
    return described
