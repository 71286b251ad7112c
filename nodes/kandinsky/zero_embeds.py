"""The image embed that stands for nothing in particular."""

from typing import Annotated

from graph.node import Progress, node
from nodes.facts import of_image
from nodes.kandinsky.image_encode import embed_pixels
from nodes.wires import ImageEmbeds, ImageEncoder

CLIP_SIZE = 224


@node(title="Zero embeds", group="Kandinsky", facts=of_image)
def zero_embeds(
    image_encoder: Annotated[ImageEncoder, "The network that looks at pictures."],
    *,
    progress: Progress,
) -> ImageEmbeds:
    """Make the embed of an empty picture: guidance leads away from it where there is no negative prompt."""
    return zero_image_embeds(image_encoder, progress)


def zero_image_embeds(handle: ImageEncoder, progress: Progress) -> ImageEmbeds:
    """The embed (1, D) of the picture whose pixel values are all zero after CLIP's normalisation (a grey)."""
    import numpy as np

    size = handle.config.get("image_size", CLIP_SIZE)
    return embed_pixels(handle, np.zeros((1, 3, size, size), np.float32), progress)
