"""One picture laid over another through a mask."""

from typing import Annotated

from graph.node import node
from nodes.wires import Image, Mask


@node(title="Composite", group="Picture", io=True)
def composite(
    image: Annotated[Image, "The picture below. Its size is the size of the result."],
    over: Annotated[Image, "The picture on top."],
    mask: Annotated[Mask, "Where the picture on top shows: 1 shows it, 0 shows the one below."],
) -> Image:
    """Lay one picture over another where a mask says so.

    After inpainting this brings back the very pixels that were to be kept: link the original as image, the
    repainted one as over, and the mask that was repainted.
    """
    from nodes.batches import expand, rows
    from nodes.pixels.masks import resize_mask
    from nodes.pixels.pictures import resize

    count = rows(image=image, over=over, mask=mask)
    height, width = image.shape[1:3]
    top = expand(resize(over.image, width, height, "stretch"), count)
    share = expand(resize_mask(mask.mask, width, height), count)[..., None]
    return Image(expand(image.image, count) * (1 - share) + top * share)
