"""The hint block of the ControlNet, written down instead of trained.

The stock block costs three times as much as the small UNet behind it, so it does something that needs no
training: it shrinks the depth map to twice the latents' size and gives each latent the four values of its
quarters. Every convolution carries a value as a pair of channels, x and -x: silu(x) - silu(-x) is x, so the
activations between them change nothing.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nodes.networks.unet import hint_block

QUARTERS = ((1, 1), (1, 2), (2, 1), (2, 2))  # taps of a 3 x 3 kernel at stride 2: the four below it
MIDDLE, SPREAD = 0.4, 3.0  # of depth maps: what comes out is about -1.2..1.8


@torch.no_grad()
def build() -> nn.Sequential:
    """The block, (B, 3, 8h, 8w) in 0..1 -> (B, 4, h, w)."""
    block = hint_block()
    convolutions = [layer for layer in block if isinstance(layer, nn.Conv2d)]
    for conv in convolutions:
        nn.init.zeros_(conv.weight)
        assert conv.bias is not None
        nn.init.zeros_(conv.bias)
    first, *between, before, last = convolutions
    first.weight[0, :, 1, 1], first.weight[1, :, 1, 1] = 1 / 3, -1 / 3
    for conv in between:
        taps = QUARTERS if conv.stride == (2, 2) else ((1, 1),)
        for y, x in taps:
            _carry(conv.weight, 0, 0, (y, x), 1 / len(taps))
    for quarter, tap in enumerate(QUARTERS):
        _carry(before.weight, 2 * quarter, 0, tap, 1.0)
        last.weight[quarter, 2 * quarter, 1, 1] = SPREAD
        last.weight[quarter, 2 * quarter + 1, 1, 1] = -SPREAD
    assert last.bias is not None
    nn.init.constant_(last.bias, -MIDDLE * SPREAD)
    return block


def _carry(weight: Tensor, to: int, source: int, tap: tuple[int, int], share: float) -> None:
    """Add `share` of the pair of channels at `source` to the pair at `to`."""
    y, x = tap
    for out, sign in ((to, share), (to + 1, -share)):
        weight[out, source, y, x] += sign
        weight[out, source + 1, y, x] -= sign


def features(near: NDArray[np.uint8]) -> Tensor:
    """What the block makes of depth maps (N, 8h, 8w), without its convolutions: (N, 4, h, w)."""
    maps = torch.from_numpy(np.array(near))[:, None].float() / 255
    quarters = torch.nn.functional.avg_pool2d(maps, 4)
    return (torch.nn.functional.pixel_unshuffle(quarters, 2) - MIDDLE) * SPREAD
