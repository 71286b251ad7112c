"""The batch rule: a batch of 1 fits any other, otherwise batches must match; and how large they may be.

`images_per_prompt` repeats each row of a batch in a run: a, a, b, b.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_PIXELS = 64 * 1024 * 1024
"""Pixels of one picture, or of all pictures of a batch together."""
MOST_NUMBERS = 3 * MOST_PIXELS
"""Numbers in one array: 800 MB. Workflows come from strangers, and a few links can ask for any number."""


def check_room(what: str, shape: Sequence[int]) -> None:
    """Raise ValueError where an array of this shape would be too large, before it is made."""
    if math.prod(shape) > MOST_NUMBERS:
        raise ValueError(
            f"{what} would have the shape ({', '.join(f'{size:,}' for size in shape)}), which is more than "
            f"{MOST_NUMBERS:,} numbers; smaller pictures or fewer at once will do"
        )


def rows(*values: Any, **named: Any) -> int:
    """The number of rows B that these values have together; None counts as absent.

    A value is a wire value or an array whose first axis is the batch. Raises ValueError where two batches,
    neither of 1, differ; values given by keyword are named in the message as the node's ports.
    """
    labelled = [(type(value).__name__, value) for value in values] + list(named.items())
    sizes = [(label, _batch(value)) for label, value in labelled if value is not None]
    result = max((size for _, size in sizes), default=1)
    wrong = [f"{label} has {size}" for label, size in sizes if size not in (1, result)]
    if wrong:
        widest = next(label for label, size in sizes if size == result)
        raise ValueError(
            f"batches do not match: {widest} has {result} rows, but {', '.join(wrong)}; "
            f"link batches of {result}, or of 1"
        )
    return result


def expand(array: NDArray[Any], count: int) -> NDArray[Any]:
    """`array` (B or 1, ...) as (count, ...), a batch of 1 as a view.

    Raises ValueError for another batch, and for a result that would be too large.
    """
    if array.shape[0] not in (1, count):
        raise ValueError(f"a batch of {array.shape[0]} cannot become one of {count}")
    check_room("the batch", (count, *array.shape[1:]))
    return np.broadcast_to(array, (count, *array.shape[1:]))


def count_rows(copies: int, noise: Any, **values: Any) -> int:
    """Rows that `copies` of each row of these values have together; `noise` may have as many already.

    Raises ValueError where two batches do not match.
    """
    count = copies * rows(**values)
    if noise is None or noise.batch == count:
        return count
    return copies * rows(**values, noise=noise)


def spread(array: NDArray[Any], count: int, copies: int) -> NDArray[Any]:
    """`array` (B, ...) as (count, ...): each row `copies` times in a run; as it is if it has `count` rows.

    Raises ValueError where the rows do not fit.
    """
    if len(array) == count:
        return array
    return expand(array, count // copies).repeat(copies, axis=0)


def _batch(value: Any) -> int:
    return int(value.batch if hasattr(value, "batch") else np.shape(value)[0])
