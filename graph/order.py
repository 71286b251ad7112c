"""The order in which nodes can be settled and run, and the cycles that stand in its way."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

from graph.bind import Bound
from graph.problems import Problem, Problems

Edge = tuple[str, str]


def order(bound: Mapping[str, Bound], problems: Problems) -> list[Bound]:
    """The nodes in topological order. Cycles are reported and cut, so that the rest can be checked."""
    found = _sorted(bound, ())
    if len(found) < len(bound):
        found = _sorted(bound, _cut_rings(bound, problems))
    return found


def _sorted(bound: Mapping[str, Bound], cut: Collection[Edge]) -> list[Bound]:
    """Kahn's algorithm: a node follows when all that it is linked to have gone; without those on cycles."""
    followers: dict[str, list[str]] = {id: [] for id in bound}
    waiting: dict[str, int] = {}
    ready: deque[str] = deque()
    for id, item in bound.items():
        sources = _sources(item)
        if cut:
            sources = {source for source in sources if (source, id) not in cut}
        if sources:
            waiting[id] = len(sources)
            for source in sources:
                followers[source].append(id)
        else:
            ready.append(id)
    found = []
    while ready:
        id = ready.popleft()
        found.append(bound[id])
        for follower in followers[id]:
            waiting[follower] -= 1
            if not waiting[follower]:
                ready.append(follower)
    return found


def _sources(item: Bound) -> set[str]:
    return {link.node for links in item.links.values() for link in links}


def _cut_rings(bound: Mapping[str, Bound], problems: Problems) -> set[Edge]:
    """Report each knot (nodes that are all on cycles with each other); returns the wires within them."""
    import networkx as nx  # slow to import, and needed by nobody whose workflow is sound

    edges = [(source, id) for id, item in bound.items() for source in _sources(item)]
    graph: nx.DiGraph[str] = nx.DiGraph(edges)
    knot_of: dict[str, int] = {}
    for number, knot in enumerate(nx.strongly_connected_components(graph)):
        knot_of.update(dict.fromkeys(knot, number))
    cut = {(source, id) for source, id in edges if knot_of[source] == knot_of[id]}
    followers = dict(cut)
    told: set[int] = set()
    for id, item in bound.items():
        item.ring = id in followers
        if item.ring and knot_of[id] not in told:
            told.add(knot_of[id])
            problems.append(_cycle(id, followers))
    return cut


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
