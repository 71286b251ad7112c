"""One node of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graph.node import NodeType, Wiring
from graph.types import WireType
from graph.workflow import Link

RUN, REUSE, SKIP = "run", "reuse", "skip"


@dataclass(slots=True)
class Step:
    """What planning knows of a node, and what it decided."""

    id: str
    type: NodeType
    params: dict[str, Any]
    """Literals in their types, nulls resolved, files found; absent where a link brings the value."""
    links: dict[str, tuple[Link, ...]]
    """Port or param -> the outputs that are linked to it."""
    constants: tuple[str, ...] = ()
    """The constant nodes that gave a literal."""
    known: dict[str, Any] = field(default_factory=dict)
    """Ports whose value is known before anything runs (handles, constants); a list for a list port."""
    types: dict[str, WireType] = field(default_factory=dict)
    """Output port -> its type in this wiring."""
    keys: dict[str, str] = field(default_factory=dict)
    """Output port -> content key."""
    folded: dict[str, Any] | None = None
    """The outputs, if they were made while planning."""
    wanted: frozenset[str] = frozenset()
    """The outputs to compute."""
    status: str = SKIP
    because: str | None = None
    """The muted node that this one is, or depends on."""
    same_as: str | None = None
    """A node that does the very same work, and does it first."""

    def wiring(self) -> Wiring:
        """What the node type's own hooks are told."""
        return Wiring(self.params, self.known, frozenset(self.links))

    def used(self) -> set[str]:
        """The inputs that the wanted outputs depend on."""
        if self.type.uses is None or self.type.effects:
            return set(self.links)
        wiring = self.wiring()
        return {name for port in self.wanted for name in self.type.uses(port, wiring)}
