"""A quick look at latents: a linear map to colours, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodes.pixels.thumbnail import LONGEST_SIDE

if TYPE_CHECKING:
    from nodes.parts import LatentPreview
    from nodes.wires import Array

MOST_SHOWN = 4


def latent_jpeg(latents: Array, colours: LatentPreview) -> bytes:
    """Latents (B, C, h, w) as a small JPEG, the first few rows side by side."""
    import numpy as np
    from PIL import Image

    from nodes.pixels.pictures import from_bytes, tile, to_bytes
    from nodes.pixels.thumbnail import jpeg

    shown = np.moveaxis(latents[:MOST_SHOWN], 1, 3)
    pictures = (shown @ np.array(colours.matrix, np.float32) + np.array(colours.bias, np.float32)).clip(0, 1)
    canvas = tile(list(pictures))[0]
    scale = max(LONGEST_SIDE // max(canvas.shape[:2]), 1)
    large = Image.fromarray(to_bytes(canvas)).resize(
        (canvas.shape[1] * scale, canvas.shape[0] * scale), Image.Resampling.BILINEAR
    )
    return jpeg(from_bytes(np.asarray(large)))
