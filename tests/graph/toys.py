"""A small pack of node types for the engine's tests: numbers, texts and arrays, no pictures."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np

from graph.node import Choices, File, OutputFolder, Progress, Range, Required, RunRecord, Wanted, node
from graph.node import Storable as Storable
from graph.nodetypes.catalogue import Catalogue
from graph.types import T, wire

calls: list[str] = []
"""The names of the nodes that ran, in order."""


@wire(name="toy_array", title="Array", colour="#123456", help="Numbers.")
@dataclass(frozen=True)
class Toy:
    """numbers (N,)."""

    numbers: np.ndarray[Any, Any]
    note: str = ""


@wire(name="toy_handle", title="Handle", colour="#654321", help="A toy checkpoint.", handle=True)
@dataclass(frozen=True)
class ToyHandle:
    name: str
    device: str = "cpu"

    code: tuple[str, ...] = ()
    description: str = ""

    @property
    def cache_key(self) -> str:
        return self.name


class Split(NamedTuple):
    low: Toy
    high: Toy


class Value(NamedTuple):
    value: int


class Text(NamedTuple):
    value: str


class AnyValue(NamedTuple):
    picked: T


@node(title="Integer", group="Toy", folds=True)
def integer(*, value: int = 0) -> Value:
    """A constant."""
    return Value(value)


@node(title="Text", group="Toy", folds=True)
def text(*, value: str = "") -> Text:
    """A constant."""
    return Text(value)


class Number(NamedTuple):
    value: float


@node(title="Number", group="Toy", folds=True)
def number(*, value: float = 0.0) -> Number:
    """A constant."""
    return Number(value)


@node(title="Note", group="Toy")
def note(*, text: str = "") -> None:
    """Nothing."""


@node(title="Load", group="Toy", folds=True)
def load(*, source: str = "a") -> ToyHandle:
    """A loader."""
    if source == "missing":
        raise ValueError("there is no toy called 'missing'")
    return ToyHandle(source)


@node(title="Add", group="Toy")
def add(a: int, b: int | None = None, *, amount: Annotated[int, Range(-1000, 1000), "How much."] = 1) -> int:
    """a + b + amount."""
    calls.append("add")
    return a + (b or 0) + amount


@node(title="Start", group="Toy")
def start(*, value: int = 0) -> int:
    """A number that is computed (not a constant)."""
    calls.append("start")
    return value


@node(title="Half", group="Toy")
def half(a: float, *, mode: Annotated[str, Choices("down", "up")] = "down") -> float:
    """a / 2."""
    calls.append("half")
    return a / 2


@node(title="Make", group="Toy")
def make(
    handle: ToyHandle | None = None,
    *,
    size: Annotated[int, Range(1, 10_000_000)] = 4,
    fill: Annotated[float | None, Range(0, 9)] = None,
) -> Toy:
    """An array."""
    calls.append("make")
    return Toy(np.full(size, fill or 0.0, np.float32), handle.name if handle else "")


@node(title="Scribble", group="Toy")
def scribble(toy: Toy, *, by: float = 1.0) -> Toy:
    """Adds in place, which nobody else may see."""
    calls.append("scribble")
    toy.numbers[:] += by
    return Toy(toy.numbers)


@node(title="Sum", group="Toy")
def total(toys: list[Toy], *, weights: Annotated[list[float], Range(-10, 10)] = []) -> float:  # noqa: B006
    """The sum of all."""
    calls.append("total")
    return float(sum(toy.numbers.sum() for toy in toys)) + sum(weights)


@node(
    title="Split",
    group="Toy",
    unused=lambda port, _: ("other",) if port == "low" else ("toy", "at"),
)
def split(
    toy: Annotated[Toy | None, Required()] = None, other: Toy | None = None, *, at: int = 2, wanted: Wanted
) -> Split:
    """Two outputs that depend on different inputs."""
    calls.extend(sorted(wanted))
    low = Toy(toy.numbers[:at]) if "low" in wanted and toy is not None else None
    high = Toy(other.numbers) if "high" in wanted and other is not None else None
    return Split(low, high)  # type: ignore[arg-type]


class Bundle(NamedTuple):
    batch: T


@node(title="Bundle", group="Toy")
def bundle(values: list[T]) -> Bundle:
    """The last of several."""
    calls.append("bundle")
    return Bundle(values[-1])


@node(title="Pick", group="Toy")
def pick(value: T, *, index: int = 0) -> AnyValue:
    """Passes on what comes in."""
    calls.append("pick")
    return AnyValue(value)


@node(title="Save", group="Toy", effects=True, io=True)
def save(
    value: Annotated[T, Storable()], *, name: str = "toy", outputs: OutputFolder, record: RunRecord
) -> None:
    """Writes a file."""
    calls.append("save")
    outputs.write(name, "txt", [f"{value}\n{record.workflow}".encode()])


@node(title="Read", group="Toy", io=True)
def read(*, path: Annotated[str, File("text")] = "") -> str:
    """The text of a file."""
    calls.append("read")
    return path.read().decode() if path else ""  # type: ignore[attr-defined]


@node(title="Fail", group="Toy")
def fail(a: int, *, message: str = "it broke") -> int:
    """Fails."""
    raise ValueError(message)


@node(title="Warn", group="Toy")
def warn(a: int, *, message: str = "it is late", progress: Progress) -> int:
    """Warns, twice the same."""
    calls.append("warn")
    progress.warn(message)
    progress.warn(message)
    return a


steps_done = threading.Event()


@node(title="Slow", group="Toy")
def slow(a: int, *, steps: Annotated[int, Range(1, 100_000)] = 3, progress: Progress) -> int:
    """Many small steps."""
    calls.append("slow")
    for step in range(steps):
        progress.step(step + 1, steps, lambda: b"jpeg")
        steps_done.set()
    return a


@node(
    title="Old",
    group="Toy",
    version=3,
    migrations={1: lambda n: {**n, "params": {"now": n["params"]["then"]}}},
)
def old(*, now: int = 0) -> int:
    """Had another param in version 1."""
    return now


def catalogue() -> Catalogue:
    """All of the above."""
    return Catalogue(value.node_type for value in globals().values() if hasattr(value, "node_type"))


def workflow(nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A workflow's JSON."""
    return {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, **more}
