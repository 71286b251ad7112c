"""Muted and bypassed nodes: what the wires look like without them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from graph.planning.bind import Bound
from graph.workflow.document import Link


@dataclass
class Rewired:
    """What muting and bypassing leave of a graph."""

    skipped: dict[str, str] = field(default_factory=dict)
    """Node -> the muted node that it is, or depends on."""
    passed: dict[Link, Link | None] = field(default_factory=dict)
    """Output of a bypassed node -> the output that stands in for it, None if there is none."""

    def through(self, link: Link) -> Link | None:
        """Where a link really comes from."""
        return self.passed.get(link, link)


def rewire(order: Iterable[Bound]) -> Rewired:
    """Lead the links of each node (in topological order, changed in place) around bypassed nodes."""
    result = Rewired()
    for item in order:
        if result.passed:
            through = {
                name: tuple(real for link in links if (real := result.through(link)) is not None)
                for name, links in item.links.items()
            }
            item.links = {name: links for name, links in through.items() if links}
        if item.mode == "muted":
            result.skipped[item.id] = item.id
        elif item.mode == "bypassed":
            result.passed.update(_pass_on(item))
        elif result.skipped:
            muted = (
                result.skipped[link.node]
                for links in item.links.values()
                for link in links
                if link.node in result.skipped
            )
            because = next(muted, None)
            if because is not None:
                result.skipped[item.id] = because
    return result


def _pass_on(item: Bound) -> dict[Link, Link | None]:
    """Each output passes on the first declared, linked port of its type, each port once."""
    free = [port for port in item.type.inputs.values() if port.name in item.links]
    passed: dict[Link, Link | None] = {}
    for output in item.type.outputs.values():
        port = next((port for port in free if port.type == output.type), None)
        if port is not None:
            free.remove(port)
        passed[Link(item.id, output.name)] = item.links[port.name][0] if port is not None else None
    return passed
