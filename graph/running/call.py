"""Calling one node: its inputs are fetched, checked and copied; its outputs are checked, named and frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph.node import Param, Port
from graph.nodetypes.returned import checked, named
from graph.planning.step import Step
from graph.values.arrays import copy_for_reader, size_of
from graph.workflow.document import Link
from graph.workflow.literals import WrongLiteral, coerce

MOST_BYTES = 4 * 2**30
"""What a list of inputs may take: each is copied for the node, though one value may be linked many times."""


def call(step: Step, value_of: Callable[[Link], Any], given: Callable[[type], Any]) -> dict[str, Any]:
    """Run a node; its wanted outputs by port, frozen.

    Args:
        value_of: the value that a link carries. Each array is copied for the node, so that one which writes
            into its input changes nobody else's.
        given: what the run gives for a class of `graph.context`.

    Raises:
        ValueError: when a linked value is not one that its param takes.
        WrongOutput: when the node returned something else than it promised.
    """
    node_type = step.type
    # What is unused for every wanted output stays at its default, so it cannot matter.
    arguments = {
        name: list(value) if type(value) is list else value
        for name, value in step.params.items()
        if name in step.used
    }
    for name, links in step.links.items():
        port = node_type.inputs.get(name)
        if name not in step.used:
            continue
        if port is None:
            arguments[name] = _linked_param(node_type.params[name], value_of(links[0]))
        else:
            arguments[name] = _linked_port(port, [value_of(link) for link in links])
    for name, kind in node_type.wants.items():
        arguments[name] = given(kind)
    returned = named(node_type, node_type.function(**arguments))
    wanted = node_type.outputs if node_type.effects else step.wanted
    return {name: checked(name, step.types[name], returned[name]) for name in wanted}


def _linked_port(port: Port, values: list[Any]) -> Any:
    if port.many and sum(map(size_of, values)) > MOST_BYTES:
        raise ValueError(
            f"the {len(values):,} values of {port.name} take more than {MOST_BYTES >> 30} GB together; "
            f"smaller ones or fewer at once will do"
        )
    values = [port.type.adapt(copy_for_reader(value)) for value in values]
    return values if port.many else values[0]


def _linked_param(param: Param, value: Any) -> Any:
    try:
        return coerce(param, value)
    except WrongLiteral as wrong:
        raise ValueError(f"{param.name}: {wrong.message}; expected {wrong.expected}") from None
