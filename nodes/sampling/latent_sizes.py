"""How many latents a picture takes, and what is added at its edges so that a network can take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodes.parts import UNet
    from nodes.wires import Array


def unet_multiple(unet: UNet) -> int:
    """Latent heights and widths must be multiples of this: the UNet halves them between its levels."""
    return 1 << (len(unet.config.get("block_out_channels", (0,) * 4)) - 1)


def round_up(size: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `size`."""
    return -(-size // multiple) * multiple


def latent_size(pixels: int, factor: int, multiple: int) -> int:
    """Latents along one side of a picture: enough for `pixels`, and a multiple of `multiple`."""
    return round_up(-(-pixels // factor), multiple)


def pad_edges(array: Array, height: int, width: int) -> Array:
    """(..., H, W) as (..., height, width): the last row and column are repeated below and to the right."""
    import numpy as np

    below, right = height - array.shape[-2], width - array.shape[-1]
    return np.pad(array, [(0, 0)] * (array.ndim - 2) + [(0, below), (0, right)], mode="edge")
