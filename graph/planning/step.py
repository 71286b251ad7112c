"""One node of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graph.node import NodeType, Wiring
from graph.types import Handle, WireType, wire_of_value
from graph.workflow.document import Link

RUN, REUSE, SKIP = "run", "reuse", "skip"
NOTHING: frozenset[str] = frozenset()


@dataclass(slots=True)
class Step:
    """What planning knows of a node, and what it decided."""

    id: str
    type: NodeType
    params: dict[str, Any]
    """Literals in their types, nulls resolved, files found; absent where a link brings the value."""
    links: dict[str, tuple[Link, ...]]
    """Port or param -> the outputs that are linked to it."""
    types: dict[str, WireType]
    """Output port -> its type in this wiring."""
    sleeps: bool = False
    """It is muted, bypassed, or depends on a muted node."""
    because: str | None = None
    """The muted node that this one is, or depends on."""
    constants: tuple[str, ...] = ()
    """The constant nodes that gave a literal."""
    known: dict[str, Any] = field(default_factory=dict)
    """Ports whose value is known before anything runs (handles, constants); a list for a list port."""
    told: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Port -> for each of its links, what is known of the value that it will bring."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Output port -> what is known of its value before it is made."""
    keys: dict[str, str] = field(default_factory=dict)
    """Output port -> content key."""
    folded: dict[str, Any] | None = None
    """The outputs, if they were made while planning."""
    uses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Output port -> the inputs and params that it depends on."""
    same_as: str | None = None
    """A node that does the very same work, and does it first."""
    status: str = SKIP
    needed: frozenset[str] = NOTHING
    """The outputs that somebody needs."""
    wanted: frozenset[str] = NOTHING
    """Those of them that are not in the cache: the node has to make them."""
    used: frozenset[str] = NOTHING
    """The inputs and params that the wanted outputs depend on."""

    def wiring(self) -> Wiring:
        """What the node type's own hooks are told."""
        return Wiring(self.params, self.known, frozenset(self.links), self.told)


def handles_of(step: Step) -> list[Handle]:
    """The handles that are linked to a step."""
    values = [item for value in step.known.values() for item in (value if type(value) is list else [value])]
    return [value for value in values if (wire := wire_of_value(value)) is not None and wire.handle]
