"""The JSON Schema (draft 2020-12) of the workflow file, made from the code.

For editors and other programs. It describes the shape of a file and the literals of each known node type,
and takes everything that the engine takes. What follows from the wiring (types, missing inputs, cycles) only
`check` can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graph.node import NodeType, Param, Port
from graph.workflow.file import FORMAT, MODES, NODE_ID, NODE_KEYS, TOP_KEYS, VERSION
from graph.workflow.literals import MAX_ITEMS, MAX_TEXT

Schema = dict[str, Any]

_JSON_NAMES = {str: "string", int: "integer", dict: "object", list: "array"}
_LITERAL_NAMES = {"string": "string", "int": "integer", "float": "number", "bool": "boolean"}


def schema(catalogue: Mapping[str, NodeType]) -> Schema:
    """The schema of a workflow file that uses these node types."""
    target = {"type": "string", "pattern": rf"^{NODE_ID.pattern}\..+$"}
    titled = {"targets": list, "title": str, "help": str}
    entry = _object(titled, {"targets": {"type": "array", "items": target}}, required=["targets"])
    entries = {"type": "object", "additionalProperties": {"anyOf": [target, entry]}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Kandinsky workflow",
        **_object(
            TOP_KEYS,
            {
                "format": {"const": FORMAT},
                "version": {"type": "integer", "minimum": 1, "maximum": VERSION},
                "nodes": {
                    "type": "object",
                    "propertyNames": {"pattern": f"^{NODE_ID.pattern}$"},
                    "additionalProperties": {"$ref": "#/$defs/node"},
                },
                "interface": _object(
                    {"inputs": dict, "outputs": dict}, {"inputs": entries, "outputs": entries}
                ),
                "definitions": {"type": "object", "maxProperties": 0, "description": "Reserved."},
            },
            required=["format", "version", "nodes"],
        ),
        "$defs": {"node": _node(catalogue), "link": _link(), **dict(map(_node_type, catalogue.values()))},
    }


def _node(catalogue: Mapping[str, NodeType]) -> Schema:
    """Any node: the keys it may have; each type says the rest about nodes of its newest version."""
    known = _object(
        NODE_KEYS,
        {
            "type": {"enum": list(catalogue)},
            "version": {"type": "integer", "minimum": 1},
            "mode": {"enum": list(MODES)},
        },
        required=["type"],
    )
    return {**known, "allOf": [_when(node_type) for node_type in catalogue.values()]}


def _when(node_type: NodeType) -> Schema:
    """A node without a version is of version 1; older ones are migrated, so their params may differ."""
    condition: Schema = {
        "properties": {"type": {"const": node_type.id}, "version": {"const": node_type.version}},
        "required": ["type"] if node_type.version == 1 else ["type", "version"],
    }
    newer = {"properties": {"type": {"const": node_type.id}, "version": {"minimum": node_type.version + 1}}}
    return {
        "if": condition,
        "then": {"$ref": f"#/$defs/{_pointer(node_type.id)}"},
        "else": {"not": {**newer, "required": ["type", "version"]}},
    }


def _node_type(node_type: NodeType) -> tuple[str, Schema]:
    linkable = [_param_link(param) for param in node_type.params.values() if not param.many]
    inputs = dict([*map(_port, node_type.inputs.values()), *linkable])
    params = {name: _param(param) for name, param in node_type.params.items()}
    return _definition(node_type.id), {
        "title": node_type.title,
        "description": node_type.help,
        "properties": {"inputs": _closed(inputs), "params": _closed(params)},
    }


def _definition(id: str) -> str:
    return f"type:{id}"


def _pointer(id: str) -> str:
    """The definition's name as a part of a JSON pointer."""
    return _definition(id).replace("~", "~0").replace("/", "~1")


def _port(port: Port) -> tuple[str, Schema]:
    link = {"$ref": "#/$defs/link"}
    takes = {"type": "array", "items": link} if port.many else {"anyOf": [link, {"const": []}]}
    told = "; ".join(
        part for part in (port.type.title, "required" if port.required else "", port.help) if part
    )
    return port.name, {**takes, "description": told}


def _param_link(param: Param) -> tuple[str, Schema]:
    return param.name, {"anyOf": [{"$ref": "#/$defs/link"}, {"const": []}], "description": param.type.title}


def _param(param: Param) -> Schema:
    value: Schema = {"type": _LITERAL_NAMES[param.type.name]}
    if value["type"] == "string":
        value["maxLength"] = MAX_TEXT
    if param.range is not None:
        value |= {"minimum": param.range.low, "maximum": param.range.high}
    if param.choices:
        kinds = {type(choice) for choice in param.choices}
        value = {**(value if len(kinds) == 1 else {}), "enum": list(param.choices)}
    if param.many:
        value = {"type": "array", "items": value, "maxItems": MAX_ITEMS}
    if param.nullable or param.default is None:
        value = {"anyOf": [value, {"type": "null"}]}
    return {**value, "default": param.default, "description": param.help}


def _link() -> Schema:
    text = {"type": "string", "pattern": rf"^{NODE_ID.pattern}\..+$"}
    return {"anyOf": [text, _object({"from": str, "ui": dict}, {"from": text}, required=["from"])]}


def _object(keys: Mapping[str, type], known: Mapping[str, Schema], required: Iterable[str] = ()) -> Schema:
    """An object with these keys and no others; `known` says more about some of them."""
    properties = {name: known.get(name, {"type": _JSON_NAMES[kind]}) for name, kind in keys.items()}
    return {**_closed(properties), "required": list(required)}


def _closed(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "properties": dict(properties), "additionalProperties": False}
