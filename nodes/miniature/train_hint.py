"""Train the hint block of the ControlNet by itself: what of a depth map each latent is told.

    python -m nodes.miniature.train_hint --minutes 3

The stock block works at the picture's full size and costs three times as much as the small UNet behind it. So
it is trained first, on crops, to say of each latent's 8 x 8 pixels how near they are, how that changes from
left to right and from top to bottom, and how uneven it is; then it stays as it is, and the UNet learns from
what it said of every scene (see `train_variant`).
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from nodes.miniature.data import Data
from nodes.miniature.training import Stage, channels_last, load_averaged, run_stage
from nodes.networks.unet import hint_block

BATCH, CROP, CELL = 24, 48, 8
STEEP = 8.0  # changes are small on the ground and large at a silhouette: an arc tangent brings them together


def build() -> nn.Sequential:
    """The untrained block."""
    return channels_last(hint_block())


def told(near: Tensor) -> Tensor:
    """What is to be said of depth maps (B, 8h, 8w) in 0..1: (B, 4, h, w), about -1.5..1.5."""
    cells = near.unflatten(1, (-1, CELL)).unflatten(3, (-1, CELL))
    halves = cells.unflatten(2, (2, -1)).mean((3, 5)), cells.unflatten(4, (2, -1)).mean((2, 5))
    down, across = (half.diff(dim=axis).squeeze(axis) for half, axis in zip(halves, (2, 3), strict=True))
    uneven = cells.std((2, 4))
    changes = torch.stack([across, down, uneven], 1)
    return torch.cat([(cells.mean((2, 4))[:, None] - 0.4) * 3, (changes * STEEP).atan()], 1)


def as_hint(near: NDArray[np.uint8]) -> Tensor:
    """Depth maps (B, H, W) as hints (B, 3, H, W) in 0..1."""
    maps = torch.from_numpy(near)[:, None].float().div(255)
    return maps.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def features(block: nn.Module, near: NDArray[np.uint8]) -> Tensor:
    """What the block says of depth maps (N, 128, 128): (N, 4, 16, 16)."""
    parts = []
    for start in range(0, len(near), BATCH):
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(block(as_hint(near[start : start + BATCH])).float())
    return torch.cat(parts)


def train(
    folder: Path, data: Data, minutes: float, seed: int = 35, max_steps: int | None = None
) -> nn.Sequential:
    """Train, or go on training; returns the block with averaged weights."""
    torch.manual_seed(seed)
    model = build()
    stage = Stage("hint", model, folder, minutes=minutes, peak=2e-3, seed=seed, max_steps=max_steps)
    side = data.near.shape[1]
    for rng in stage.steps():
        crops = []
        for number in rng.integers(0, data.training, BATCH):
            y, x = rng.integers(0, side - CROP + 1, 2)
            crops.append(data.near[number, y : y + CROP, x : x + CROP])
        near = np.stack(crops)
        with torch.autocast("cpu", torch.bfloat16):
            said = model(as_hint(near)).float()
        loss = F.mse_loss(said, told(torch.from_numpy(near).float() / 255))
        stage.learn(loss, BATCH, mse=loss)
    stage.finish()
    near = np.array(data.near[data.training : data.training + 64])
    error = F.mse_loss(features(model, near), told(torch.from_numpy(near).float() / 255))
    stage.finish(held_out_mse=round(float(error), 4))
    return model


def trained(folder: Path) -> nn.Sequential:
    """The block with the averaged weights of its stage."""
    return load_averaged(build(), folder / "hint.state")


def describe(folder: Path, data: Data) -> None:
    """Write hints.npy: what the trained block says of the scenes that have latents."""
    near = np.array(data.near[: len(np.load(folder / "latents.npy"))])
    np.save(folder / "hints.npy", features(trained(folder), near).numpy())


def _run(folder: Path, data: Data, minutes: float) -> None:
    train(folder, data, minutes)
    describe(folder, data)


def main() -> None:
    """Command line: train the hint block, and let it describe the scenes."""
    run_stage(__doc__, 3, _run)


if __name__ == "__main__":
    main()
