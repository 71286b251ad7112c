"""Constants: one value that several params can share. They are folded into the params while planning."""

from typing import Annotated, NamedTuple

from graph.node import Multiline, Range, Seed, node
from nodes.params import LARGEST_SEED

LARGEST_NUMBER = 1e12


class TextConstant(NamedTuple):
    """What `text` puts out."""

    value: str


class IntegerConstant(NamedTuple):
    """What `integer` puts out."""

    value: int


class NumberConstant(NamedTuple):
    """What `number` puts out."""

    value: float


class SeedConstant(NamedTuple):
    """What `seed` puts out."""

    value: int


@node(title="Text", group="Values", folds=True)
def text(*, value: Annotated[str, Multiline(), "The text."] = "") -> TextConstant:
    """A piece of text, to link to as many params as you like."""
    return TextConstant(value)


@node(title="Whole number", group="Values", folds=True)
def integer(
    *, value: Annotated[int, Range(-LARGEST_SEED, LARGEST_SEED), "The number."] = 0
) -> IntegerConstant:
    """A whole number, to link to as many params as you like."""
    return IntegerConstant(value)


@node(title="Number", group="Values", folds=True)
def number(
    *, value: Annotated[float, Range(-LARGEST_NUMBER, LARGEST_NUMBER), "The number."] = 0.0
) -> NumberConstant:
    """A number, to link to as many params as you like."""
    return NumberConstant(value)


@node(title="Seed", group="Values", folds=True)
def seed(*, value: Annotated[int, Range(0, LARGEST_SEED), Seed(), "The seed."] = 0) -> SeedConstant:
    """A seed, so that several nodes roll the same dice: the same seed gives the same picture."""
    return SeedConstant(value)


@node(title="Note", group="Values")
def note(*, text: Annotated[str, Multiline(), "What you want to remember."] = "") -> None:
    """A note on the canvas. It does nothing."""
