"""What the engine knows of a node type: its ports, its params, and what it does beside computing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from graph.problems import nearest
from graph.types import WireType


@dataclass(frozen=True)
class Range:
    """The smallest and largest value of a number (of each item of a list)."""

    low: float
    high: float
    step: float | None = None


@dataclass(frozen=True, init=False)
class Choices:
    """The values that a param may have; the first is the default, unless that is None.

    Args:
        labels: what people read instead of the values, where these do not explain themselves.
    """

    values: tuple[str | bool, ...]
    labels: tuple[str, ...]

    def __init__(self, *values: str | bool, labels: tuple[str, ...] = ()) -> None:
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "labels", labels)


@dataclass(frozen=True)
class Multiline:
    """A text that deserves a text area."""


@dataclass(frozen=True)
class Seed:
    """A number that a person wants to roll and to lock."""


@dataclass(frozen=True)
class File:
    """A path of a file to read; the node gets a `LocalFile`, or None where it is empty."""

    kind: str
    """"image", "mask" or "tensors": what the widget offers."""


@dataclass(frozen=True)
class Fixed:
    """May be linked to a constant only, because planning needs the value."""


@dataclass(frozen=True)
class Storable:
    """On an input of any type: takes every type but handles."""


@dataclass(frozen=True)
class Required:
    """On an input with a default, which some outputs may leave unused: it has to be linked all the same."""


@dataclass(frozen=True)
class Port:
    """An input or output that carries a wire type."""

    name: str
    type: WireType
    help: str = ""
    required: bool = True
    many: bool = False
    """A list port: takes several links, in order."""
    handles: bool = True
    """Whether a port of any type takes handles as well."""


@dataclass(frozen=True)
class Param:
    """An input with a widget."""

    name: str
    type: WireType
    default: Any
    help: str = ""
    many: bool = False
    range: Range | None = None
    choices: tuple[str | bool, ...] = ()
    labels: tuple[str, ...] = ()
    """What people read instead of the choices; none where these explain themselves."""
    file: File | None = None
    fixed: bool = False
    widget: str = "plain"

    @property
    def nullable(self) -> bool:
        """Whether it may be null, which stands for what the node finds best."""
        return self.default is None


@dataclass(frozen=True)
class Complaint:
    """What a node's own check found: a port or param, what is wrong, and what was expected."""

    where: str
    message: str
    expected: str = ""


@dataclass(frozen=True)
class Wiring:
    """What planning knows of one node before anything runs."""

    params: Mapping[str, Any]
    """Params by name; those linked to something that has yet to run are absent."""
    values: Mapping[str, Any]
    """Inputs whose value is known already: handles and constants."""
    linked: frozenset[str]
    """The ports and params that have a link."""
    facts: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """What is known of the values that links will bring: port -> a fact for each of its links, or None."""


@dataclass(frozen=True, eq=False)
class NodeType:
    """Everything the engine knows of a node type."""

    id: str
    title: str
    group: str
    version: int
    help: str
    function: Callable[..., Any]
    inputs: Mapping[str, Port]
    params: Mapping[str, Param]
    outputs: Mapping[str, Port]
    without_default: frozenset[str]
    """The inputs that the function cannot be called without."""
    wants: Mapping[str, type]
    """Parameters that the run fills in, by name, with the class they are annotated with."""
    returns_tuple: bool
    effects: bool
    folds: bool
    io: bool
    resolve: Callable[[Wiring], Mapping[str, Any]] | None
    check: Callable[[Wiring], Iterable[Complaint]] | None
    unused: Callable[[str, Wiring], Iterable[str]] | None
    types: Callable[[Wiring], Mapping[str, WireType]] | None
    facts: Callable[[Wiring], Mapping[str, Any]] | None
    migrations: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]

    # Planning asks for these once for every node of a workflow.

    @cached_property
    def makes_handles(self) -> bool:
        """Whether an output is a handle, which planning has to know."""
        return any(port.type.handle for port in self.outputs.values())

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The value of each param that is neither written nor linked."""
        return {name: param.default for name, param in self.params.items()}

    @cached_property
    def required(self) -> tuple[Port, ...]:
        """The inputs that must be linked."""
        return tuple(port for port in self.inputs.values() if port.required)

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The params that are paths of files."""
        return tuple(name for name, param in self.params.items() if param.file is not None)

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The params that name checkpoints."""
        return tuple(name for name in self.params if name == "source")

    @cached_property
    def output_types(self) -> dict[str, WireType]:
        """The declared type of each output."""
        return {name: port.type for name, port in self.outputs.items()}

    @cached_property
    def all_outputs(self) -> frozenset[str]:
        """The names of the outputs."""
        return frozenset(self.outputs)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the inputs and params."""
        return frozenset((*self.inputs, *self.params))

    @cached_property
    def uses_everything(self) -> Mapping[str, frozenset[str]]:
        """Output -> the inputs and params that it depends on, where none are declared unused."""
        return dict.fromkeys(self.outputs, self.names)

    def used_for(self, port: str, wiring: Wiring) -> frozenset[str]:
        """The inputs and params that an output depends on: all but those that are declared unused.

        Raises:
            ValueError: when what is declared unused is none of them, or has no default.
        """
        unused = frozenset(self.unused(port, wiring)) if self.unused is not None else frozenset()
        for name in sorted(unused - self.names):
            expected = nearest(name, self.names) or f"one of {', '.join(sorted(self.names))}"
            raise ValueError(
                f"node type {self.id!r} declares {name!r} unused for {port!r}, but has no such input or "
                f"param; expected {expected}"
            )
        for name in sorted(unused & self.without_default):
            raise ValueError(
                f"node type {self.id!r} declares {name!r} unused for {port!r}, but it has no default: "
                f"what is unused reaches the function as its default"
            )
        return self.names - unused
