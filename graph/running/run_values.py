"""The values of one run, each held as long as somebody may still ask for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from graph.planning.plan import RUN, Plan
from graph.planning.step import Step
from graph.workflow.document import Link


class RunValues:
    """Values by output. The caches may let go of a value at any time; this does not.

    Args:
        known: the finished values that the plan builds on.
    """

    def __init__(self, plan: Plan, known: Mapping[Link, Any]) -> None:
        self._steps = plan.steps
        self._values = dict(known)
        self._readers: defaultdict[str, int] = defaultdict(int)
        for link in plan.outputs.values():
            self._readers[self.origin(link).node] += 1

    def origin(self, link: Link) -> Link:
        """The output that has the value of a link: of two nodes that do the same work, the first's."""
        same = self._steps[link.node].same_as
        return link if same is None else Link(same, link.port)

    def sources(self, step: Step) -> set[str]:
        """The nodes that have to run before a step can."""
        found = {
            self.origin(link).node for name in step.used & step.links.keys() for link in step.links[name]
        }
        return {id for id in found if self._steps[id].status == RUN and self._steps[id].folded is None}

    def has(self, link: Link) -> bool:
        """Whether the value is there."""
        origin = self.origin(link)
        return self._steps[origin.node].folded is not None or origin in self._values

    def get(self, link: Link) -> Any:
        """The value of a link. Raises KeyError where there is none."""
        origin = self.origin(link)
        folded = self._steps[origin.node].folded
        return folded[origin.port] if folded is not None else self._values[origin]

    def put(self, node: str, port: str, value: Any) -> None:
        """Hold an output."""
        self._values[Link(node, port)] = value

    def expect(self, source: str) -> None:
        """One more node will read what `source` makes."""
        self._readers[source] += 1

    def release(self, source: str) -> None:
        """A reader has read; after the last one, the values go."""
        self._readers[source] -= 1
        self.drop_unread(source)

    def drop_unread(self, node: str) -> None:
        """Let go of a node's values if nobody will read them."""
        if not self._readers[node]:
            for port in self._steps[node].type.outputs:
                self._values.pop(Link(node, port), None)
