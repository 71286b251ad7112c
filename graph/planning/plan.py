"""What a run would do: the order, the keys, and what has to run. Plain data, nothing recursive.

    workflow file -> Workflow -> plan() -> Plan -> Run

`plan` walks the graph twice. Forwards, in topological order, it resolves each node: types, literals,
constants and handles (which are made here, from configs alone), the node's own checks, and the keys.
Backwards, from what is wanted, it finds which ports are needed and not in the cache: that, and only that,
runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from graph.context import Environment
from graph.nodetypes.catalogue import Catalogue
from graph.patience import patiently
from graph.planning.bind import Bound, bind
from graph.planning.digest import look_again
from graph.planning.keys import Codes, Namer
from graph.planning.order import order
from graph.planning.resolve import Resolver
from graph.planning.rewire import Rewired, rewire
from graph.planning.step import REUSE, RUN, SKIP, Step
from graph.problems import InvalidWorkflow, Problem, Problems, names_looked_up, nearest
from graph.workflow.document import Link, Workflow
from graph.workflow.migrate import up_to_date


class Lookup(Protocol):
    """Where results may lie already."""

    def has(self, key: str) -> bool:
        """Whether there is a value under the key."""


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    workflow: Workflow
    """With every node as the newest version of its type has it."""
    steps: Mapping[str, Step]
    """By node id, every node after those it depends on."""
    outputs: Mapping[str, Link]
    """Interface name -> where its value comes from; without those that a muted node keeps from being made."""
    changed: frozenset[str] = frozenset()
    """The modules behind its keys whose files changed after this process started: those keys are private."""

    @property
    def statuses(self) -> dict[str, str]:
        """Node id -> "run", "reuse" or "skip", in the order of the file."""
        return {id: self.steps[id].status for id in self.workflow.nodes}


def check(workflow: Workflow, catalogue: Catalogue, environment: Environment) -> list[Problem]:
    """Every problem of a workflow, without asking whether what it needs has been downloaded."""
    try:
        plan(workflow, catalogue, environment, lenient=True)
    except InvalidWorkflow as invalid:
        return invalid.problems
    return []


def plan(
    workflow: Workflow,
    catalogue: Catalogue,
    environment: Environment,
    *,
    cache: Lookup | None = None,
    to: str | None = None,
    lenient: bool = False,
) -> Plan:
    """Check everything, and decide what has to run.

    Args:
        cache: where finished results are looked up; without one, everything runs.
        to: run just to this node.
        lenient: what is not on this machine is no problem; such a plan cannot be run.

    Raises:
        InvalidWorkflow: with every problem there is.
    """
    with names_looked_up():
        return _plan(workflow, catalogue, environment, cache, to, lenient)


def _plan(
    workflow: Workflow,
    catalogue: Catalogue,
    environment: Environment,
    cache: Lookup | None,
    to: str | None,
    lenient: bool,
) -> Plan:
    workflow = up_to_date(workflow, catalogue)
    problems = Problems(workflow.problems)
    bound = bind(workflow, catalogue, problems)
    if to is not None and to not in workflow.nodes:
        problems.append(Problem(f"there is no node {to!r} to run to", nearest=nearest(to, workflow.nodes)))
    linked = _linked(bound, workflow)
    in_order = order(bound, problems)
    rewired = rewire(in_order)
    look_again()
    codes = Codes(environment.files.index)
    resolver = Resolver(environment, problems, linked, lenient)
    steps = _resolve_all(in_order, rewired, resolver, Namer(codes))
    if problems:
        raise InvalidWorkflow(problems)
    outputs = {}
    for name, entry in workflow.outputs.items():
        (target,) = map(rewired.through, entry.targets)
        if target is not None and target.node not in rewired.skipped:
            outputs[name] = target
    _decide(steps, _wanted(steps, outputs, linked, to), cache)
    return Plan(workflow, steps, outputs, frozenset(codes.changed))


def _linked(bound: Mapping[str, Bound], workflow: Workflow) -> dict[str, set[str]]:
    """Node -> those of its outputs that a wire or the interface takes up."""
    linked: dict[str, set[str]] = {}
    for item in bound.values():
        for links in item.links.values():
            for node, port in links:
                linked.setdefault(node, set()).add(port)
    for entry in workflow.outputs.values():
        for node, port in entry.targets:
            linked.setdefault(node, set()).add(port)
    return linked


def _resolve_all(
    in_order: list[Bound], rewired: Rewired, resolver: Resolver, namer: Namer
) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    for item in patiently(in_order):
        because = rewired.skipped.get(item.id)
        sleeps = because is not None or item.mode == "bypassed"
        types = dict(item.type.output_types)
        step = Step(item.id, item.type, item.params, item.links, types, sleeps, because)
        resolver.resolve(step, item, steps)
        steps[item.id] = step
        if not sleeps and not resolver.problems:
            step.keys, step.same_as = namer.name(step)
    return steps


def _wanted(
    steps: Mapping[str, Step], outputs: Mapping[str, Link], linked: Mapping[str, set[str]], to: str | None
) -> dict[str, frozenset[str]]:
    """Node -> the outputs that the run is for."""
    live = {id: step for id, step in steps.items() if not step.sleeps}
    if to is not None:
        return {to: frozenset(linked.get(to, ())) or _makeable(live[to])} if to in live else {}
    wanted = {id: step.type.all_outputs for id, step in live.items() if step.type.effects}
    for node, port in outputs.values():
        wanted[node] = wanted.get(node, frozenset()) | {port}
    if wanted:
        return wanted
    used = {link.node for step in live.values() for links in step.links.values() for link in links}
    used.update(id for step in live.values() for id in step.constants)
    return {id: _makeable(step) for id, step in live.items() if id not in used}


def _makeable(step: Step) -> frozenset[str]:
    """The outputs that depend on something the node has: nobody asks for one that it has no inputs for."""
    if step.type.unused is None:
        return step.type.all_outputs
    has = step.params.keys() | step.links.keys()
    return frozenset(port for port, uses in step.uses.items() if has & uses)


def _decide(steps: dict[str, Step], wanted: Mapping[str, frozenset[str]], cache: Lookup | None) -> None:
    """Backwards from what is wanted: what is needed and not in the cache runs."""
    needed: dict[str, set[str]] = {id: set(ports) for id, ports in wanted.items()}
    related: dict[str, set[str]] = {id: set(ports) for id, ports in wanted.items()}
    twins = []
    for step in patiently(reversed(steps.values())):
        if step.id not in related:
            continue
        if step.same_as is None:
            _decide_step(step, needed.get(step.id), related[step.id], cache)
        else:
            twins.append((step, steps[step.same_as]))
            related.setdefault(step.same_as, set()).update(related[step.id])
            if step.id in needed:
                needed.setdefault(step.same_as, set()).update(needed[step.id])
        for name, links in step.links.items():
            for node, port in links:
                related.setdefault(node, set()).add(port)
                if name in step.used:
                    needed.setdefault(node, set()).add(port)
        for id in step.constants:
            related.setdefault(id, set())
            if step.status == RUN:
                needed.setdefault(id, set())
    for step, first in twins:
        step.status = SKIP if first.status == SKIP else REUSE


def _decide_step(step: Step, needed: set[str] | None, related: set[str], cache: Lookup | None) -> None:
    """What becomes of a step, and which of its outputs it has to make."""
    if needed is None:
        there = step.folded is not None or _cached(step, related, cache) == related != set()
        step.status = REUSE if there else SKIP
        return
    step.needed = frozenset(needed)
    if step.folded is not None:
        step.status = RUN
    else:
        step.wanted = step.needed if step.type.effects else step.needed - _cached(step, needed, cache)
        step.status = RUN if step.wanted or step.type.effects or not needed else REUSE
        if step.status == RUN:
            ports = step.type.outputs if step.type.effects else step.wanted
            step.used = frozenset().union(*(step.uses[port] for port in ports)) if ports else step.type.names


def _cached(step: Step, ports: set[str], cache: Lookup | None) -> set[str]:
    return {port for port in ports if cache is not None and cache.has(step.keys[port])}


__all__ = ["REUSE", "RUN", "SKIP", "Lookup", "Plan", "check", "plan"]
