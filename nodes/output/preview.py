"""Looking at pictures without saving them."""

from typing import Annotated

from graph.node import Progress, node
from nodes.pixels.thumbnail import jpeg
from nodes.wires import Image

MOST_SHOWN = 16
LONGEST_SIDE = 512


@node(title="Preview", group="Output", effects=True, io=True)
def preview(image: Annotated[Image, "The pictures to look at."], *, progress: Progress) -> None:
    """Show pictures, and save nothing. Of a large batch the first ones are shown."""
    for row in image.image[:MOST_SHOWN]:
        progress.show(jpeg(row, LONGEST_SIDE))
