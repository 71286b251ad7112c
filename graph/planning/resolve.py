"""Resolving a node: its wires fit, its literals are final, and what can be known before a run is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graph.context import Cancelled, Environment, Unavailable, Wanted
from graph.files.allowed import Missing
from graph.node import Param, Port
from graph.nodetypes.returned import checked, named
from graph.planning.bind import Bound, literal_problem
from graph.planning.step import Step
from graph.problems import Problem, Problems, sentence
from graph.types import ANY, WireType
from graph.workflow.document import Link
from graph.workflow.literals import WrongLiteral, coerce


class Resolver:
    """Resolves steps in topological order; what is wrong is added to `problems`.

    Args:
        linked: node -> those of its outputs that something is linked to.
        lenient: what is not on this machine is no problem.
    """

    def __init__(
        self, environment: Environment, problems: Problems, linked: Mapping[str, set[str]], lenient: bool
    ) -> None:
        self.environment = environment
        self.problems = problems
        self.linked = linked
        self.lenient = lenient

    def resolve(self, step: Step, bound: Bound, steps: Mapping[str, Step]) -> None:
        """Fill in the step's types, params, known values and folded outputs, as far as there is no problem.

        Of a step that sleeps (muted, bypassed) only the wires are checked.
        """
        before = len(self.problems)
        if step.links:
            self._check_wires(step, steps)
        if not step.sleeps:
            self._resolve_inputs(step, bound, steps)
            stages: tuple[Callable[[Step], None], ...] = (
                self._ask_node,
                self._ask_types,
                self._ask_facts,
                self._ask_uses,
                self._fold,
            )
            for stage in stages if not (bound.wrong or bound.ring) else ():
                if len(self.problems) == before:
                    stage(step)
        if step.sleeps or bound.wrong or bound.ring or len(self.problems) > before:
            step.types = {name: wire for name, wire in step.types.items() if wire is not ANY}

    def _resolve_inputs(self, step: Step, bound: Bound, steps: Mapping[str, Step]) -> None:
        for port in step.type.required:
            if port.name not in step.links and port.name not in bound.wrong:
                self._problem(step, port.name, "the input is not linked", f"a wire of type {port.type.name}")
        if step.links:
            self._take_constants(step, steps)
            self._know_values(step, steps)
            self._hear_facts(step, steps)
        if step.type.files:
            self._find_files(step)

    def _problem(self, step: Step, where: str, message: str, expected: str | None = None) -> None:
        kind = "param" if where in step.type.params else "port"
        self.problems.append(Problem(message, node=step.id, expected=expected, **{kind: where}))

    def _check_wires(self, step: Step, steps: Mapping[str, Step]) -> None:
        """Check the type of every wire; ports of any type pass on the one type that comes in."""
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
        if carried is not None:
            step.types = {name: carried if wire is ANY else wire for name, wire in step.types.items()}

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
        for name in step.type.params.keys() & step.links.keys():
            param = step.type.params[name]
            (link,) = step.links[name]
            source = steps.get(link.node)
            wire = source.types.get(link.port) if source is not None else None
            step.params.pop(name, None)
            if source is None or wire is None or not wire.fits(param.type):
                continue  # which is told elsewhere
            if source.folded is not None and not param.many:
                step.params[name] = self._constant(step, param, source.folded[link.port])
                step.constants += (link.node,)
                del step.links[name]
            elif (param.fixed or step.type.makes_handles) and not source.type.folds:
                expected = "a literal or a link to a constant node"
                self._problem(step, name, f"{link} is not a constant", expected)

    def _constant(self, step: Step, param: Param, value: Any) -> Any:
        try:
            return coerce(param, value)
        except WrongLiteral as wrong:
            self.problems.append(literal_problem(step.id, param, wrong))
            return None

    def _find_files(self, step: Step) -> None:
        for name in step.type.files:
            text = step.params.get(name)
            if isinstance(text, str):
                try:
                    step.params[name] = self.environment.files.file(text) if text else None
                except Missing as missing:
                    self._problem(step, name, f"{missing}; --set {step.id}.{name}=FILE supplies it")
                except (ValueError, OSError) as refused:
                    self._problem(step, name, sentence(refused))

    def _know_values(self, step: Step, steps: Mapping[str, Step]) -> None:
        for name, links in step.links.items():
            sources = [steps.get(link.node) for link in links]
            port = step.type.inputs.get(name)
            folded = [source.folded for source in sources if source is not None and source.folded is not None]
            if port is None or len(folded) < len(links):
                continue
            values = [made[link.port] for link, made in zip(links, folded, strict=True)]
            for link, value in zip(links, values, strict=True):
                if value is None:
                    message = f"{link} does not exist for this checkpoint"
                    self._problem(step, name, message, "a wire from another node")
            values = [port.type.adapt(value) for value in values]
            step.known[name] = values if port.many else values[0]

    def _hear_facts(self, step: Step, steps: Mapping[str, Step]) -> None:
        for name, links in step.links.items():
            sources = [steps[link.node].facts if link.node in steps else {} for link in links]
            facts = tuple(found.get(link.port) for link, found in zip(links, sources, strict=True))
            if any(fact is not None for fact in facts):
                step.told[name] = facts

    def _ask_node(self, step: Step) -> None:
        """Let the node resolve its nulls and check what types cannot say."""
        node_type = step.type
        if node_type.resolve is not None and None in step.params.values():
            resolve = node_type.resolve
            self._ask(step, lambda: self._resolve(step, resolve(step.wiring())))
        if node_type.check is not None:
            check = node_type.check
            self._ask(step, lambda: self._complain(step, check(step.wiring())))

    def _resolve(self, step: Step, found: Mapping[str, Any]) -> None:
        for name, value in found.items():
            if name in step.params and step.params[name] is None:
                try:
                    step.params[name] = coerce(step.type.params[name], value)
                except WrongLiteral as wrong:
                    recommended = WrongLiteral(f"what stands for null: {wrong.message}", wrong.expected)
                    self.problems.append(literal_problem(step.id, step.type.params[name], recommended))

    def _complain(self, step: Step, complaints: Any) -> None:
        for complaint in complaints:
            self._problem(step, complaint.where, complaint.message, complaint.expected or None)

    def _ask_types(self, step: Step) -> None:
        types = step.type.types
        if types is not None:
            self._ask(step, lambda: step.types.update(types(step.wiring())))

    def _ask_facts(self, step: Step) -> None:
        facts = step.type.facts
        if facts is not None:
            self._ask(step, lambda: step.facts.update(facts(step.wiring())))
        elif step.told:
            passed = [fact for name in step.told if self._is_any(step, name) for fact in step.told[name]]
            any_outputs = [name for name, wire in step.type.output_types.items() if wire is ANY]
            step.facts.update(dict.fromkeys(any_outputs, passed[0] if passed else None))

    def _ask_uses(self, step: Step) -> None:
        node_type = step.type
        if node_type.unused is None or node_type.effects:
            step.uses = node_type.uses_everything
            return
        wiring = step.wiring()

        def ask() -> None:
            step.uses = {port: node_type.used_for(port, wiring) for port in node_type.outputs}

        self._ask(step, ask)

    @staticmethod
    def _is_any(step: Step, name: str) -> bool:
        return name in step.type.inputs and step.type.inputs[name].type is ANY

    def _ask(self, step: Step, question: Callable[[], None]) -> None:
        """Ask a node type's own function; it may fail in any way, and then the node has a problem."""
        try:
            question()
        except Unavailable as error:
            if not self.lenient:
                self.problems.append(self._unavailable(step, error))
        except (Cancelled, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit, or the panic of a Rust library
            self.problems.append(Problem(sentence(error), node=step.id))

    def _unavailable(self, step: Step, error: Unavailable) -> Problem:
        hint = ""
        if error.param is not None and self.environment.files.privacy is None:
            hint = f"; --set {step.id}.{error.param}=... names another"
        return Problem(error.message + hint, node=step.id, param=error.param, fetch=error.fetch)

    def _fold(self, step: Step) -> None:
        if step.type.folds and step.links.keys() <= step.known.keys():
            self._ask(step, lambda: self._call(step))

    def _call(self, step: Step) -> None:
        """Make the outputs while planning, those at least that something is linked to."""
        node_type = step.type
        given: Mapping[Any, Any] = {
            Environment: self.environment,
            Wanted: frozenset(self.linked.get(step.id, ())),
        }
        wants = {name: given[kind] for name, kind in node_type.wants.items()}
        made = named(node_type, node_type.function(**step.known, **step.params, **wants))
        step.folded = {
            port: None if value is None else checked(port, step.types[port], value)
            for port, value in made.items()
        }
