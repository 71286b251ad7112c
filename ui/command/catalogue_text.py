"""The catalogue as text: `kandinsky nodes` and `kandinsky nodes TYPE`."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping

from graph.node import NodeType, Param, Port
from graph.workflow.literals import expected

WIDTH = 100


def overview(catalogue: Mapping[str, NodeType]) -> str:
    """Every node type in its group, with the first sentence of its help."""
    groups: dict[str, list[NodeType]] = {}
    for node_type in catalogue.values():
        groups.setdefault(node_type.group, []).append(node_type)
    width = max((len(id) for id in catalogue), default=0)
    return "\n\n".join(
        "\n".join([group, *(f"  {item.id:{width}}  {_first_sentence(item)}" for item in items)])
        for group, items in groups.items()
    )


def details(node_type: NodeType) -> str:
    """A node type: help, inputs, params with defaults and ranges, outputs."""
    parts = [f"{node_type.id}: {node_type.title} ({node_type.group}, version {node_type.version})"]
    parts += [textwrap.fill(part, WIDTH) for part in node_type.help.split("\n\n") if part]
    parts += _section("Inputs", map(_input, node_type.inputs.values()))
    parts += _section("Params", map(_param, node_type.params.values()))
    parts += _section("Outputs", map(_output, node_type.outputs.values()))
    return "\n\n".join(parts)


def _first_sentence(node_type: NodeType) -> str:
    paragraph = " ".join(node_type.help.split("\n\n")[0].split()) or node_type.title
    sentence, dot, _ = paragraph.partition(". ")
    return sentence + dot.strip()


def _section(title: str, entries: Iterable[tuple[str, str, str]]) -> list[str]:
    lines = [_entry(*entry) for entry in entries]
    return ["\n".join([title, *lines])] if lines else []


def _entry(name: str, facts: str, help: str) -> str:
    head = textwrap.fill(f"{name}: {facts}", WIDTH, initial_indent="  ", subsequent_indent="    ")
    return head + ("\n" + textwrap.indent(textwrap.fill(help, WIDTH - 6), " " * 6) if help else "")


def _input(port: Port) -> tuple[str, str, str]:
    kind = f"list of {port.type.name}" if port.many else port.type.name
    return port.name, f"{kind}, {'required' if port.required else 'optional'}", port.help


def _output(port: Port) -> tuple[str, str, str]:
    return port.name, port.type.name if port.required else f"{port.type.name}, not always there", port.help


def _param(param: Param) -> tuple[str, str, str]:
    return param.name, f"{expected(param)}; default {json.dumps(param.default)}", param.help
