"""Train the judge on real renders, blurred and noised a little; it never sees a sample of the miniature.

python -m nodes.miniature.training.train_judge --minutes 10
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.miniature.scenes.data import Data
from nodes.miniature.scenes.scenes import ATTRIBUTES, BESIDE, POSITIONS
from nodes.miniature.training.judge_net import CELL_CLASSES, GRID, JudgeNet
from nodes.miniature.training.train_clip import attribute_loss
from nodes.miniature.training.training import Stage, channels_last, run_stage, to_unit

BATCH = 64
COLUMNS = list(ATTRIBUTES)


def worn(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures (B, 3, H, W) in -1..1, brighter or darker, and one batch in three blurred, one noisy."""
    images = images * torch.from_numpy(rng.uniform(0.9, 1.1, (len(images), 1, 1, 1))).float()
    kind = rng.integers(3)
    if kind == 1:
        return images + torch.randn_like(images) * float(rng.uniform(0, 0.1))
    if kind == 2:
        size = int(images.shape[-1] / rng.uniform(1.3, 4))
        small = F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return F.interpolate(small, images.shape[-2:], mode="bilinear", align_corners=False)
    return images


def mirrored(images: Tensor, ids: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The pictures (B, 3, H, W), object numbers (B, H, W) and rows (B, 11) of scenes seen in a mirror.

    Of two objects side by side the left one is the first; left and right positions change places.
    """
    flags, places = [COLUMNS.index(name) for name in ("order", "position")]
    beside = rows[:, flags : flags + 1] == BESIDE
    rows = torch.where(beside, rows[:, [0, 4, 5, 6, 1, 2, 3, *range(7, len(COLUMNS))]], rows)
    place = rows[:, places]
    rows[:, places] = torch.where(place >= 0, len(POSITIONS) - 1 - place, place)
    ids = torch.where(beside[:, :, None] & (ids > 0), 3 - ids, ids)
    return images.flip(3), ids.flip(2), rows


def cell_truth(ids: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Number, shape and colour (B, 16, 16), 0 for none, of the object that covers most of each cell."""
    cells = ids.unflatten(1, (GRID, -1)).unflatten(3, (GRID, -1))
    shares = torch.stack([(cells == which).float().mean((2, 4)) for which in (1, 2)])
    which = torch.where(shares.amax(0) < 0.12, 0, shares.argmax(0) + 1)
    none = torch.zeros_like(rows[:, :1])
    shape, colour = (
        torch.cat([none, rows[:, pair] + 1], 1).gather(1, which.flatten(1)).view_as(which)
        for pair in ([1, 4], [2, 5])
    )
    return which, shape, colour


def cell_loss(logits: Tensor, ids: Tensor, rows: Tensor) -> Tensor:
    """Cross entropy of what the cells show; empty cells count little."""
    loss, weight = torch.zeros(()), torch.zeros(())
    for part, truth in zip(logits.split(CELL_CLASSES, 1), cell_truth(ids, rows), strict=True):
        weight = (truth > 0).float() + 0.1
        loss = loss + (F.cross_entropy(part, truth, reduction="none") * weight).sum() / weight.sum()
    return loss


@torch.no_grad()
def correct(model: JudgeNet, images: Tensor, rows: Tensor) -> Tensor:
    """For images (N, 3, 128, 128) in -1..1 and true rows (N, 11): 1 right, 0 wrong, nan does not apply."""
    parts = [torch.stack([head.argmax(1) for head in model(batch)[0]], 1) for batch in images.split(100)]
    return torch.where(rows >= 0, (torch.cat(parts) == rows).float(), torch.nan)


def accuracy(model: JudgeNet, data: Data) -> dict[str, float]:
    """On held-out renders."""
    rows = torch.from_numpy(data.rows[data.training :])
    images = to_unit(data.images[data.training :])
    shares = correct(model, images, rows).nanmean(0)
    return {name: round(float(share), 3) for name, share in zip(ATTRIBUTES, shares, strict=True)}


def train(folder: Path, data: Data, minutes: float, seed: int = 15, max_steps: int | None = None) -> JudgeNet:
    """Train, or go on training; returns the network with averaged weights."""
    torch.manual_seed(seed)
    model = channels_last(JudgeNet())
    rows = torch.from_numpy(data.rows)
    stage = Stage(
        "judge",
        model,
        folder,
        minutes=minutes,
        peak=1.5e-3,
        seed=seed,
        average=0.999,
        decay=0.02,
        matrices=[p for name, p in model.named_parameters() if p.ndim > 2 and not name.startswith("cells")],
        max_steps=max_steps,
    )
    for rng in stage.steps():
        chosen = np.sort(rng.integers(0, data.training, BATCH))
        # Every second pixel is enough to know what a cell shows.
        seen = to_unit(data.images[chosen]), torch.from_numpy(data.ids[chosen, ::2, ::2]), rows[chosen]
        images, ids, truth = mirrored(*seen) if rng.random() < 0.5 else seen
        with torch.autocast("cpu", torch.bfloat16):
            logits, cells = model(worn(images, rng))
        named = attribute_loss([part.float() for part in logits], truth)
        local = cell_loss(cells.float(), ids, truth)
        stage.learn(6 * named + local, BATCH, named=named, cells=local)
        if stage.step % 500 == 0:
            with stage.averaged_weights():
                print(accuracy(model, data), flush=True)
    stage.finish()
    stage.finish(accuracy=accuracy(model, data))
    return model


def main() -> None:
    """Command line: train the judge."""
    run_stage(__doc__, 10, train)


if __name__ == "__main__":
    main()
