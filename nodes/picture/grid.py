"""Many pictures side by side in one."""

from typing import Annotated

from graph.node import Range, node
from nodes.wires import Image

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
    from nodes.pixels.pictures import tile

    return Image(tile([row for image in images for row in image.image], columns))
