"""Pictures into image embeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from graph.node import Progress, node
from nodes.facts import of_image
from nodes.wires import Image, ImageEmbeds, ImageEncoder

if TYPE_CHECKING:
    from nodes.wires import Array

ROWS_AT_ONCE = 16


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


def embed_pixels(handle: ImageEncoder, pixels: Array, progress: Progress) -> ImageEmbeds:
    """Pixel values (B, 3, S, S) as CLIP takes them -> image embeds (B, D)."""
    import torch

    from nodes.weights.residency import opened

    parts = []
    with opened(handle) as model, torch.inference_mode():
        for rows in torch.tensor(pixels).split(ROWS_AT_ONCE):
            progress.check()
            parts.append(
                model(pixel_values=rows.to(handle.device, getattr(torch, handle.dtype))).image_embeds
            )
    return ImageEmbeds(torch.cat(parts).float().cpu().numpy(), handle.system)
