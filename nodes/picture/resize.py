"""Pictures at another size."""

from typing import Annotated, cast

from graph.node import Choices, node
from nodes.params import Height, Width
from nodes.wires import Image


@node(title="Resize", group="Picture", io=True)
def resize(
    image: Annotated[Image, "The pictures to resize."],
    *,
    width: Width = 512,
    height: Height = 512,
    fit: Annotated[
        str,
        Choices("cover", "contain", "stretch"),
        "cover fills the size and cuts what sticks out; contain shows everything, with white beside it; "
        "stretch changes the proportions.",
    ] = "cover",
) -> Image:
    """Make pictures larger or smaller."""
    from nodes.pixels import pictures

    return Image(pictures.resize(image.image, width, height, cast(pictures.Fit, fit)))
