"""A third-party pack: node types of numbers and texts, named as others must name theirs (`toys/...`)."""

import time
from typing import Annotated, NamedTuple

from graph.node import Choices, File, Multiline, OutputFolder, Progress, Range, Seed, node


class Number(NamedTuple):
    value: Annotated[int, "What came out."]


@node(title="Number", group="Toys", id="toys/number")
def number(
    a: Annotated[int | None, "What to add to."] = None,
    *,
    amount: Annotated[int, Range(-1000, 1000), Seed(), "How much."] = 1,
) -> Number:
    """Add a number. There is more to say about it."""
    return Number((a or 0) + amount)


@node(title="Slow", group="Toys", id="toys/slow")
def slow(
    a: int,
    *,
    steps: Annotated[int, Range(1, 1_000_000)] = 3,
    seconds: Annotated[float, Range(0.0, 60.0)] = 0.0,
    progress: Progress,
) -> Number:
    """Take many steps."""
    for step in range(steps):
        time.sleep(seconds)
        progress.step(step + 1, steps, preview=lambda: b"picture")
    return Number(a)


@node(title="Deaf", group="Toys", id="toys/deaf")
def deaf(a: int, *, seconds: float = 0.0) -> Number:
    """Never ask whether to stop."""
    time.sleep(seconds)
    return Number(a)


@node(title="Say", group="Toys", id="toys/say")
def say(
    *,
    text: Annotated[str, Multiline(), "What to say."] = "",
    tone: Annotated[str, Choices("calm", "loud"), "How to say it."] = "calm",
    speed: Annotated[float | None, Range(0.5, 2.0, 0.1)] = None,
    twice: bool = False,
    weights: Annotated[list[float], Range(0.0, 1.0)] = [],  # noqa: B006 - the engine copies it
    progress: Progress,
) -> str:
    """Say something."""
    if tone == "loud":
        progress.warn("that is\nloud")
    return f"{text}|{tone}|{speed}|{twice}|{weights}"


@node(title="Read", group="Toys", id="toys/read")
def read(*, path: Annotated[str, File("text")] = "") -> str:
    """The text of a file."""
    return path.read().decode() if path else ""  # type: ignore[attr-defined]


@node(title="Fail", group="Toys", id="toys/fail")
def fail(a: int, *, message: str = "it broke") -> Number:
    """Fail, and swear."""
    print("damn")
    raise ValueError(message)


@node(title="Join", group="Toys", id="toys/join")
def join(numbers: list[int]) -> Number:
    """Add them all."""
    return Number(sum(numbers))


@node(title="Keep", group="Toys that write", id="toys/keep", effects=True)
def keep(value: int, *, name: str = "number", outputs: OutputFolder) -> None:
    """Write a number to a file."""
    outputs.write(name, "txt", [str(value).encode()])
