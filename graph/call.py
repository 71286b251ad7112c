"""Calling one node: its inputs are fetched, checked and copied; its outputs are checked, named and frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph.context import Environment, OutputFolder, Progress, RunRecord, Wanted
from graph.literals import WrongLiteral, coerce
from graph.node import Port
from graph.settle import named_outputs
from graph.step import Step
from graph.values import copy_for_reader, freeze
from graph.workflow import Link


class WrongOutput(TypeError):
    """A node returned something that its annotation does not promise."""


def call(
    step: Step,
    value_of: Callable[[Link], Any],
    progress: Progress,
    environment: Environment,
    outputs: OutputFolder,
    record: Callable[[], RunRecord],
) -> dict[str, Any]:
    """Run a node; its wanted outputs by port, frozen.

    Each array is copied for the node, so that one which writes into its input changes nobody else's.
    """
    arguments = dict(step.params)
    used = step.used()
    for name, links in step.links.items():
        values = [copy_for_reader(value_of(link)) if name in used else None for link in links]
        port = step.type.inputs.get(name)
        if port is None:
            arguments[name] = _linked_param(step, name, values[0])
        else:
            arguments[name] = values if port.many else values[0]
    for name, kind in step.type.wants.items():
        arguments[name] = _injected(kind, step, progress, environment, outputs, record)
    returned = named_outputs(step, step.type.function(**arguments))
    wanted = step.type.outputs if step.type.effects else step.wanted
    return {name: _checked(step, step.type.outputs[name], returned[name]) for name in wanted}


def _linked_param(step: Step, name: str, value: Any) -> Any:
    try:
        return coerce(step.type.params[name], value)
    except WrongLiteral as wrong:
        raise ValueError(f"{name}: {wrong.message}; expected {wrong.expected}") from None


def _injected(
    kind: Any,
    step: Step,
    progress: Progress,
    environment: Environment,
    outputs: OutputFolder,
    record: Callable[[], RunRecord],
) -> Any:
    if kind is Wanted:
        return step.wanted
    if kind is RunRecord:
        return record()
    return {Progress: progress, Environment: environment, OutputFolder: outputs}[kind]


def _checked(step: Step, port: Port, value: Any) -> Any:
    wanted = step.types.get(port.name, port.type).python
    if wanted is float and type(value) is int:
        value = float(value)
    if not isinstance(value, wanted) or (wanted is int and type(value) is bool):
        raise WrongOutput(f"it returned a {type(value).__name__} as {port.name}, not a {wanted.__name__}")
    return freeze(value)
