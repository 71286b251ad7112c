"""The image embed that stands for nothing in particular."""

from typing import Annotated

from graph.node import Progress, node
from nodes.facts import of_image
from nodes.parts import ImageEncoder
from nodes.sampling.embed import zero_image_embeds
from nodes.wires import ImageEmbeds


@node(title="Zero embeds", group="Kandinsky", facts=of_image)
def zero_embeds(
    image_encoder: Annotated[ImageEncoder, "The network that looks at pictures."],
    *,
    progress: Progress,
) -> ImageEmbeds:
    """Make the embed of an empty picture: guidance leads away from it where there is no negative prompt."""
    return zero_image_embeds(image_encoder, progress)
