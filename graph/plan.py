"""What a run would do: the order, the keys, and what has to run. Plain data, nothing recursive.

    workflow file -> Workflow -> plan() -> Plan -> Run

`plan` walks the graph twice. Forwards, in topological order, it settles each node: types, literals, constants
and handles (which are made here, from configs alone), the node's own checks, and the keys. Backwards it asks,
from what is wanted, which ports are needed and not in the cache: that, and only that, runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import networkx as nx

from graph import keys
from graph.bind import Bound, bind
from graph.catalogue import Catalogue
from graph.context import Environment
from graph.digest import function_digest
from graph.problems import InvalidWorkflow, Problem, nearest
from graph.rewire import Rewired, rewire
from graph.settle import Settler
from graph.step import REUSE, RUN, SKIP, Step
from graph.workflow import Link, Workflow


class Lookup(Protocol):
    """Where results may lie already."""

    def has(self, key: str) -> bool:
        """Whether there is a value under the key."""


@dataclass(frozen=True)
class Plan:
    """What a run would do."""

    workflow: Workflow
    steps: Mapping[str, Step]
    """By node id, every node after those it depends on."""
    outputs: Mapping[str, Link]
    """Interface name -> where its value comes from; without those that a muted node keeps from being made."""

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
    problems: list[Problem] = []
    bound = bind(workflow, catalogue, problems)
    if to is not None and to not in workflow.nodes:
        problems.append(Problem(f"there is no node {to!r} to run to", nearest=nearest(to, workflow.nodes)))
    order = _order(bound, problems)
    rewired = rewire(order)
    steps = _settle_all(order, rewired, Settler(environment, problems, lenient))
    if problems:
        raise InvalidWorkflow(problems)
    outputs = {}
    for name, entry in workflow.outputs.items():
        for target in map(rewired.through, entry.targets):
            if target is not None and target.node not in rewired.skipped:
                outputs[name] = target
    _decide(steps, _wanted(steps, outputs, to), cache)
    return Plan(workflow, steps, outputs)


def _order(bound: Mapping[str, Bound], problems: list[Problem]) -> list[Bound]:
    """The nodes in topological order. Cycles are reported and cut, so that the rest can be checked."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(bound)
    graph.add_edges_from(
        (link.node, item.id) for item in bound.values() for links in item.links.values() for link in links
    )
    try:
        return [bound[id] for id in nx.topological_sort(graph)]
    except nx.NetworkXUnfeasible:
        for ring, knot in _knots(graph, bound):
            problems.append(_cycle(ring))
            graph.remove_edges_from(list(graph.subgraph(knot).edges))
            for id in knot:
                bound[id].broken = True
        return [bound[id] for id in nx.topological_sort(graph)]


def _knots(graph: nx.DiGraph[str], bound: Mapping[str, Bound]) -> list[tuple[list[str], set[str]]]:
    """The sets of nodes that all lie on cycles with each other, each with one ring as an example."""
    knots = []
    for knot in nx.strongly_connected_components(graph):
        start = next(iter(knot)) if len(knot) == 1 else next(id for id in bound if id in knot)
        if len(knot) > 1 or graph.has_edge(start, start):
            knots.append(([source for source, _ in nx.find_cycle(graph.subgraph(knot), start)], knot))
    return knots


def _cycle(ring: list[str]) -> Problem:
    shown = " -> ".join([*ring[:12], *(["..."] if len(ring) > 12 else []), ring[0]])
    return Problem(f"the wires form a cycle: {shown}", node=ring[0], expected="no way back")


def _settle_all(order: list[Bound], rewired: Rewired, settler: Settler) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    twins: dict[str, str] = {}
    for item in order:
        step = Step(item.id, item.type, item.params, item.links)
        steps[item.id] = step
        step.because = rewired.skipped.get(item.id)
        sleeps = step.because is not None or item.mode == "bypassed"
        if sleeps or item.broken:
            settler.assume(step, steps, runs=not sleeps)
        elif settler.settle(step, steps) and not settler.problems:
            _name_outputs(step, steps, twins)
    return steps


def _name_outputs(step: Step, steps: Mapping[str, Step], twins: dict[str, str]) -> None:
    """Name the step's outputs by their content, and find the step that does the same work already."""
    node_type = step.type
    if step.folded is not None:
        step.keys = {port: keys.literal(value) for port, value in step.folded.items() if value is not None}
        return
    base = [keys.LAYOUT, node_type.id, str(node_type.version), function_digest(node_type.function)]
    parts = {
        name: part for name in (*node_type.params, *node_type.inputs) if (part := _part(step, name, steps))
    }
    whole = keys.digest([*base, *(f"{name}={part}" for name, part in parts.items())])
    if not node_type.effects:
        first = twins.setdefault(whole, step.id)
        step.same_as = first if first != step.id else None
    for port in node_type.outputs:
        if node_type.uses is None:
            step.keys[port] = keys.digest((whole, port))
        else:
            used = set(node_type.uses(port, step.wiring()))
            named = (f"{name}={part}" for name, part in parts.items() if name in used)
            step.keys[port] = keys.digest([*base, port, *named])


def _part(step: Step, name: str, steps: Mapping[str, Step]) -> str:
    """What one input contributes to the key; nothing if it is a port without a link."""
    if name in step.links:
        linked = [steps[link.node].keys[link.port] for link in step.links[name]]
        return ",".join(linked)
    return keys.literal(step.params[name]) if name in step.params else ""


def _wanted(steps: Mapping[str, Step], outputs: Mapping[str, Link], to: str | None) -> dict[str, set[str]]:
    """Node -> the ports that the run is for."""
    live = {id: step for id, step in steps.items() if step.because is None and _planned(step)}
    if to is not None:
        return {to: set(live[to].type.outputs)} if to in live else {}
    wanted = {id: set(step.type.outputs) for id, step in live.items() if step.type.effects}
    for link in outputs.values():
        wanted.setdefault(link.node, set()).add(link.port)
    if wanted:
        return wanted
    used = {link.node for step in live.values() for links in step.links.values() for link in links}
    used.update(id for step in live.values() for id in step.constants)
    return {id: set(step.type.outputs) for id, step in live.items() if id not in used}


def _planned(step: Step) -> bool:
    """Whether the step was settled: a bypassed one was not."""
    return bool(step.keys) or not step.type.outputs


def _decide(steps: Mapping[str, Step], wanted: Mapping[str, set[str]], cache: Lookup | None) -> None:
    """Backwards from what is wanted: what is needed and not in the cache runs."""
    needed = {id: set(ports) for id, ports in wanted.items()}
    related = {id: set(ports) for id, ports in wanted.items()}
    for step in reversed(list(steps.values())):
        if step.id not in related:
            continue
        step.status = _status(step, needed.get(step.id), related[step.id], cache)
        if step.same_as is not None and step.id in needed:
            needed.setdefault(step.same_as, set()).update(needed[step.id])
            related.setdefault(step.same_as, set()).update(needed[step.id])
        used = step.used() if step.status == RUN else ()
        for name, links in step.links.items():
            for link in links:
                related.setdefault(link.node, set()).add(link.port)
                if name in used:
                    needed.setdefault(link.node, set()).add(link.port)
        for id in step.constants:
            related.setdefault(id, set())
            if step.status == RUN:
                needed.setdefault(id, set())


def _status(step: Step, needed: set[str] | None, related: set[str], cache: Lookup | None) -> str:
    """What becomes of a step; of one that runs, `wanted` says which outputs it has to make."""
    if step.folded is not None:
        return RUN if needed is not None else REUSE
    if needed is not None:
        step.wanted = frozenset(needed)
        if step.type.effects:
            return RUN
        if step.same_as is not None:
            return REUSE
        missing = frozenset(port for port in needed if cache is None or not cache.has(step.keys[port]))
        if missing or not needed:
            step.wanted = missing
            return RUN
        return REUSE
    there = cache is not None and all(cache.has(step.keys[port]) for port in related)
    return REUSE if there and related else SKIP


def record(plan: Plan) -> dict[str, Any]:
    """The workflow's JSON with the params that are really used: overrides and defaults filled in."""
    nodes = {}
    for id, node in plan.workflow.data["nodes"].items():
        step = plan.steps[id]
        used = {name: value for name, value in step.params.items() if _plain(value)}
        written = node.get("params", {})
        params = {**written, **{name: value for name, value in used.items() if step.because is None}}
        nodes[id] = {**node, "params": params} if params else node
    return {**plan.workflow.data, "nodes": nodes}


def _plain(value: Any) -> bool:
    return type(value) in (str, int, float, bool, list)


__all__ = ["REUSE", "RUN", "SKIP", "Lookup", "Plan", "check", "plan", "record"]
