"""Several pictures of each row: `images_per_prompt` repeats the rows of a batch in a run, a, a, b, b."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nodes.wires import Array


def count_rows(copies: int, noise: Any, **values: Any) -> int:
    """Rows that `copies` of each row of these values have together; `noise` may have as many already.

    Raises ValueError where two batches do not match.
    """
    from nodes.batches import rows

    count = copies * rows(**values)
    if noise is None or noise.batch == count:
        return count
    return copies * rows(**values, noise=noise)


def spread(array: Array, count: int, copies: int) -> Array:
    """`array` (B, ...) as (count, ...): each row `copies` times in a run; as it is if it has `count` rows.

    Raises ValueError where the rows do not fit.
    """
    from nodes.batches import expand

    if len(array) == count:
        return array
    return expand(array, count // copies).repeat(copies, axis=0)
