"""Pixel values through CLIP's image encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph.context import Progress
from nodes.parts import ImageEncoder
from nodes.wires import ImageEmbeds

if TYPE_CHECKING:
    from nodes.wires import Array

ROWS_AT_ONCE = 16
CLIP_SIZE = 224
"""Pixels of a side, where a checkpoint does not say."""


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


def zero_image_embeds(handle: ImageEncoder, progress: Progress) -> ImageEmbeds:
    """The embed (1, D) of the picture whose pixel values are all zero after CLIP's normalisation (a grey)."""
    import numpy as np

    size = handle.config.get("image_size", CLIP_SIZE)
    return embed_pixels(handle, np.zeros((1, 3, size, size), np.float32), progress)
