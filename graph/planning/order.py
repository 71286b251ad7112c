"""The order in which nodes can be resolved and run, and the cycles that stand in its way."""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx

from graph.planning.bind import Bound
from graph.problems import Problem, Problems


def order(bound: Mapping[str, Bound], problems: Problems) -> list[Bound]:
    """The nodes in topological order. Cycles are reported and cut, so that the rest can be checked."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(bound)
    graph.add_edges_from(
        (link.node, id) for id, item in bound.items() for links in item.links.values() for link in links
    )
    try:
        return [bound[id] for id in nx.topological_sort(graph)]
    except nx.NetworkXUnfeasible:
        _cut_rings(graph, bound, problems)
        return [bound[id] for id in nx.topological_sort(graph)]


def _cut_rings(graph: nx.DiGraph[str], bound: Mapping[str, Bound], problems: Problems) -> None:
    """Report each knot (nodes that are all on cycles with each other), and take out the wires within it."""
    knot_of = {id: n for n, knot in enumerate(nx.strongly_connected_components(graph)) for id in knot}
    cut = [(source, id) for source, id in graph.edges if knot_of[source] == knot_of[id]]
    followers = dict(cut)
    told: set[int] = set()
    for id, item in bound.items():
        item.ring = id in followers
        if item.ring and knot_of[id] not in told:
            told.add(knot_of[id])
            problems.append(_cycle(id, followers))
    graph.remove_edges_from(cut)


def _cycle(start: str, followers: Mapping[str, str]) -> Problem:
    """One cycle of the knot that `start` is in: following any wire within the knot, one comes round."""
    path = {start: None}
    last = followers[start]
    while last not in path:
        path[last] = None
        last = followers[last]
    ring = list(path)[list(path).index(last) :]
    shown = " -> ".join([*ring[:12], *(["..."] if len(ring) > 12 else []), ring[0]])
    return Problem(f"the wires form a cycle: {shown}", node=ring[0], expected="no way back")
