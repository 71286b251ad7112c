"""Several values as one batch, and one of a batch."""

from dataclasses import fields
from typing import Annotated, Any, Generic, NamedTuple

import numpy as np

from graph.node import Range, Storable, node
from graph.types import T
from nodes.batches import check_room
from nodes.wires import Value

LARGEST_INDEX = 1_000_000


class Batch(NamedTuple, Generic[T]):
    """What `batch` puts out."""

    batch: T


class Picked(NamedTuple, Generic[T]):
    """What `pick` puts out."""

    picked: T


@node(title="Batch", group="Batch", io=True)
def batch(
    values: Annotated[list[T], Storable(), "What to put together, in order; all of one type."],
) -> Batch:
    """Put several values of one type together into a batch, which the other nodes treat row by row.

    Pictures in a batch have one size: resize them first where they differ.
    """
    items = [_batchable(value, "put into a batch") for value in values]
    first, arrays = items[0], list(items[0].arrays)
    for item in items[1:]:
        _check_same_kind(first, item)
    count = sum(item.batch for item in items)
    for name in arrays:
        check_room("the batch", (count, *first.shapes[name][1:]))
    joined = {name: np.concatenate([getattr(item, name) for item in items]) for name in arrays}
    return Batch(_remade(first, joined))


@node(title="Pick", group="Batch", io=True)
def pick(
    value: Annotated[T, Storable(), "A batch of anything."],
    *,
    index: Annotated[int, Range(0, LARGEST_INDEX), "Which one; the first is 0."] = 0,
) -> Picked:
    """Take one row out of a batch."""
    whole = _batchable(value, "picked from")
    if index >= whole.batch:
        raise ValueError(f"index is {index}, but the batch has {whole.batch} rows, 0 to {whole.batch - 1}")
    return Picked(_remade(whole, {name: getattr(whole, name)[index : index + 1] for name in whole.arrays}))


def _batchable(value: object, what: str) -> Value:
    if not isinstance(value, Value):
        raise ValueError(
            f"a {type(value).__name__} cannot be {what}; expected images, masks, embeds, latents or hints"
        )
    return value


def _check_same_kind(first: Value, other: Value) -> None:
    """Raise ValueError unless the two differ in nothing but their rows."""
    for name, shape in first.shapes.items():
        if other.shapes[name][1:] != shape[1:]:
            raise ValueError(
                f"the values of a batch must have one size, but their {name} have the shapes {shape} and "
                f"{other.shapes[name]}"
            )
    for name in _besides(first):
        one, two = getattr(first, name), getattr(other, name)
        if not np.array_equal(one, two):
            shown = "" if isinstance(one, np.ndarray) else f": {one!r} and {two!r}"
            raise ValueError(f"the values of a batch must agree in {name}{shown}")


def _besides(value: Value) -> list[str]:
    """The fields that are no rows."""
    return [field.name for field in fields(value) if field.name not in value.arrays]  # type: ignore[arg-type]


def _remade(value: Value, arrays: dict[str, Any]) -> Any:
    return type(value)(**arrays, **{name: getattr(value, name) for name in _besides(value)})
