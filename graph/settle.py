"""Settling a node: its wires fit, its literals are final, and what can be known before a run is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph.bind import literal_problem
from graph.context import Environment, Unavailable
from graph.literals import WrongLiteral, coerce
from graph.node import Param, Port
from graph.problems import Problem
from graph.step import Step
from graph.types import ANY, WireType
from graph.workflow import Link


class Settler:
    """Settles steps in topological order; what is wrong is added to `problems`."""

    def __init__(self, environment: Environment, problems: list[Problem], lenient: bool) -> None:
        self.environment = environment
        self.problems = problems
        self.lenient = lenient

    def settle(self, step: Step, steps: Mapping[str, Step]) -> bool:
        """Fill in the step's types, params, known values and folded outputs; whether all is well with it."""
        before = len(self.problems)
        carried = self._check_wires(step, steps)
        self._check_required(step)
        self._take_constants(step, steps)
        self._find_files(step)
        self._know_values(step, steps)
        if len(self.problems) == before:
            self._ask_node(step)
        if len(self.problems) == before:
            self._settle_types(step, carried)
        if len(self.problems) == before and step.type.folds and not step.links:
            self._fold(step)
        return len(self.problems) == before

    def assume(self, step: Step, steps: Mapping[str, Step], runs: bool) -> None:
        """Check the wires of a step that is not settled, and give it its declared types for its neighbours.

        A step that `runs` is one with problems; one that does not (muted, bypassed) may lack inputs.
        """
        self._check_wires(step, steps)
        if runs:
            self._check_required(step)
        step.types = {name: port.type for name, port in step.type.outputs.items() if port.type is not ANY}

    def _problem(self, step: Step, where: str, message: str, expected: str | None = None) -> None:
        kind = "param" if where in step.type.params else "port"
        self.problems.append(Problem(message, node=step.id, expected=expected, **{kind: where}))

    def _check_wires(self, step: Step, steps: Mapping[str, Step]) -> WireType | None:
        """Check the type of every wire; the type that ports of any type carry here."""
        carried: WireType | None = None
        for name, links in step.links.items():
            port = step.type.inputs.get(name) or step.type.params[name]
            for link in links:
                source = steps[link.node].types.get(link.port) if link.node in steps else None
                if source is None:
                    continue
                if port.type is ANY:
                    carried = carried or source
                self._check_wire(step, port, link, source, carried)
        return carried

    def _check_required(self, step: Step) -> None:
        for name, port in step.type.inputs.items():
            if port.required and name not in step.links:
                self._problem(step, name, "the input is not linked", f"a wire of type {port.type.name}")

    def _check_wire(
        self, step: Step, port: Port | Param, link: Link, source: WireType, carried: WireType | None
    ) -> None:
        if not source.fits(port.type):
            message = f"{link} is of type {source.name}"
            self._problem(step, port.name, message, f"a wire of type {port.type.name}")
        elif port.type is ANY and source != carried and carried is not None:
            message = f"{link} is of type {source.name}, but another wire here is of type {carried.name}"
            self._problem(step, port.name, message, "wires of one type")
        elif isinstance(port, Port) and source.handle and not port.handles:
            message = f"{link} is of type {source.name}, a handle to weights"
            self._problem(step, port.name, message, "a value that can be stored")
        elif isinstance(port, Param) and port.many:
            self._problem(step, port.name, "a list cannot be linked", "a literal list")

    def _take_constants(self, step: Step, steps: Mapping[str, Step]) -> None:
        """A param linked to a constant counts as that literal; any other link replaces the literal."""
        for name in [name for name in step.links if name in step.type.params]:
            param = step.type.params[name]
            (link,) = step.links[name]
            source = steps[link.node]
            if source.folded is not None:
                try:
                    step.params[name] = coerce(param, source.folded[link.port])
                except WrongLiteral as wrong:
                    self.problems.append(literal_problem(step.id, param, wrong))
                step.constants += (link.node,)
                del step.links[name]
            elif param.fixed or step.type.makes_handles:
                self._problem(
                    step, name, f"{link} is not a constant", "a literal or a link to a constant node"
                )
            else:
                step.params.pop(name, None)

    def _find_files(self, step: Step) -> None:
        for name, param in step.type.params.items():
            if param.file is not None and isinstance(step.params.get(name), str):
                text = step.params[name]
                try:
                    step.params[name] = self.environment.files.file(text) if text else None
                except ValueError as refused:
                    self._problem(step, name, str(refused))

    def _know_values(self, step: Step, steps: Mapping[str, Step]) -> None:
        for name, links in step.links.items():
            values = []
            for link in links:
                folded = steps[link.node].folded
                if folded is None:
                    break
                if folded[link.port] is None:
                    message = f"{link} does not exist for this checkpoint"
                    self._problem(step, name, message, "a wire from another node")
                    break
                values.append(folded[link.port])
            else:
                port = step.type.inputs[name]
                step.known[name] = values if port.many else values[0]

    def _ask_node(self, step: Step) -> None:
        """Let the node resolve its nulls and check what types cannot say."""
        node_type = step.type
        if node_type.resolve is not None and None in step.params.values():
            for name, value in node_type.resolve(step.wiring()).items():
                if step.params.get(name, value) is None:
                    step.params[name] = value
        if node_type.check is not None:
            for complaint in node_type.check(step.wiring()):
                self._problem(step, complaint.where, complaint.message, complaint.expected or None)

    def _settle_types(self, step: Step, carried: WireType | None) -> None:
        if step.type.types is not None:
            try:
                step.types = dict(step.type.types(step.wiring()))
            except ValueError as error:
                self.problems.append(Problem(str(error), node=step.id))
            return
        declared = {name: port.type for name, port in step.type.outputs.items()}
        step.types = {
            name: carried if wire is ANY and carried is not None else wire for name, wire in declared.items()
        }

    def _fold(self, step: Step) -> None:
        try:
            wants = {name: self.environment for name, kind in step.type.wants.items() if kind is Environment}
            step.folded = named_outputs(step, step.type.function(**step.params, **wants))
        except Unavailable as error:
            if not self.lenient:
                self.problems.append(Problem(str(error), node=step.id))
        except (ValueError, OSError) as error:
            self.problems.append(Problem(str(error), node=step.id))


def named_outputs(step: Step, returned: Any) -> dict[str, Any]:
    """What a node's function returned, by port."""
    if step.type.returns_tuple:
        return dict(zip(step.type.outputs, returned, strict=True))
    return dict.fromkeys(step.type.outputs, returned)
