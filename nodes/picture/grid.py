"""Many pictures side by side in one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from graph.node import Range, node
from nodes.wires import Image

if TYPE_CHECKING:
    from nodes.wires import Array

MOST_COLUMNS = 1000


@node(title="Grid", group="Picture", io=True)
def grid(
    images: Annotated[list[Image], "The pictures, in order; a batch counts as its pictures."],
    *,
    columns: Annotated[int, Range(0, MOST_COLUMNS), "Pictures in a row; 0 makes the grid about square."] = 0,
) -> Image:
    """Lay pictures out in rows, to look at them side by side.

    Every cell is as large as the largest picture; smaller ones stand in the middle of theirs, on white.
    """
    return Image(tile([row for image in images for row in image.image], columns))


def tile(pictures: Sequence[Array], columns: int = 0) -> Array:
    """Pictures (H, W, 3), of any sizes, as one (1, rows*H, columns*W, 3), white between them.

    Raises ValueError where that has more pixels than a picture may have.
    """
    import numpy as np

    from nodes.pixels.pictures import MOST_PIXELS

    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    lines = math.ceil(len(pictures) / columns)
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    if lines * height * columns * width > MOST_PIXELS:
        raise ValueError(
            f"the grid would have {columns * width} x {lines * height} pixels; the limit is {MOST_PIXELS}"
        )
    canvas = np.ones((1, lines * height, columns * width, 3), np.float32)
    for i, picture in enumerate(pictures):
        top = i // columns * height + (height - picture.shape[0]) // 2
        left = i % columns * width + (width - picture.shape[1]) // 2
        canvas[0, top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas
