"""Pictures into image embeds."""

from typing import Annotated

from graph.node import Progress, node
from nodes.facts import of_image
from nodes.parts import ImageEncoder
from nodes.sampling.embed import embed_pixels
from nodes.wires import Image, ImageEmbeds


@node(title="Image encode", group="Kandinsky", facts=of_image)
def image_encode(
    image_encoder: Annotated[ImageEncoder, "The network that looks at the picture."],
    image: Annotated[Image, "The pictures to look at; of a long one, the middle."],
    *,
    progress: Progress,
) -> ImageEmbeds:
    """See what a picture means, to make pictures like it or to mix it with others and with prompts."""
    from nodes.pixels.clip_pixels import clip_pixels

    pixels = clip_pixels(image.image, image_encoder.image_processor)
    return embed_pixels(image_encoder, pixels, progress)
