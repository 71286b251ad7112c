"""What all tasks of the judge share: its scenes, the painter, and figures with their confidence."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from nodes.kandinsky.depth_hint import depth_hint
from nodes.miniature.judge.painting import Painter, Settings, depth_estimator, silent, to_image
from nodes.miniature.scenes.data import SIZE, nearness, scene
from nodes.miniature.scenes.scenes import ATTRIBUTES, Attributes, Scene
from nodes.miniature.training.judge_net import JudgeNet
from nodes.miniature.training.train_judge import correct

SEED = 777  # of the judge's scenes, which no stage has seen
BATCH = 32
COLUMNS = list(ATTRIBUTES)
ALL_RIGHT = ("count", "shape_0", "colour_0", "shape_1", "colour_1", "order", "ground", "sky")


@dataclass(frozen=True)
class Figure:
    """A mean over `count` samples, half of its 95 % interval, and the same for real renders."""

    value: float
    margin: float
    count: int
    ceiling: float | None = None


@dataclass(frozen=True)
class Bench:
    """What every task needs: the judge, the painter, how to sample, the first scene and seed."""

    judge: JudgeNet
    painter: Painter
    settings: Settings
    root: Path
    first: int
    seed: int

    def scenes(self, count: int) -> Iterator[tuple[int, list[tuple[Attributes, Scene]]]]:
        """The judge's scenes in batches, each with the seed of its first sample."""
        for start in range(0, count, BATCH):
            numbers = range(self.first + start, self.first + min(start + BATCH, count))
            yield self.seed + start, [scene(number, SEED) for number in numbers]

    def right(self, pictures: Tensor, rows: Tensor) -> Tensor:
        """Which pictures show everything right (N,), as in the judge's table."""
        marks = correct(self.judge, pictures, rows)
        return marks[:, [COLUMNS.index(name) for name in ALL_RIGHT]].nan_to_num(1.0).amin(1)

    def near(self, pictures: Tensor) -> Tensor:
        """How near each pixel seems to be (N, H, W), 0..1."""
        seen = depth_hint(to_image(pictures), depth_estimator(self.root), progress=silent())
        return torch.tensor(seen.depth_hint.depth_hint[:, 0])


def share(marks: Tensor, ceiling: Tensor | None = None) -> Figure:
    """The figure of marks of 0 and 1."""
    value = float(marks.float().mean())
    return Figure(
        value,
        margin(value, len(marks)),
        len(marks),
        None if ceiling is None else float(ceiling.float().mean()),
    )


def mean(values: Tensor, ceiling: Tensor | None = None) -> Figure:
    """The figure of numbers."""
    spread = 1.96 * float(values.std()) / math.sqrt(len(values))
    return Figure(
        float(values.mean()), spread, len(values), None if ceiling is None else float(ceiling.mean())
    )


def drawn(
    scenes: list[Scene], size: tuple[int, int] = (SIZE, SIZE)
) -> tuple[Tensor, NDArray[np.uint8], Tensor]:
    """Renders (N, 3, H, W) in -1..1, object numbers and nearness 0..1 (N, H, W); `size` is width, height."""
    from nodes.miniature.scenes.render import render

    pictures = [render(placed, min(*size, SIZE), *size) for placed in scenes]
    images = torch.from_numpy(np.stack([picture.image for picture in pictures])).permute(0, 3, 1, 2) * 2 - 1
    near = torch.from_numpy(nearness(np.stack([picture.depth for picture in pictures]))).float() / 255
    return images, np.stack([picture.ids for picture in pictures]), near


def rows_of(words: list[Attributes]) -> Tensor:
    """Their rows (N, 11)."""
    return torch.tensor([attributes.row() for attributes in words])


def margin(share: float, count: int) -> float:
    """Half of the 95 % confidence interval of a share (Wilson's formula)."""
    z = 1.96
    spread = math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    return z * spread / (1 + z * z / count)


def open_judge(root: Path) -> JudgeNet:
    """The shipped judge."""
    judge = JudgeNet()
    judge.load_state_dict(load_file(root / "judge" / "model.safetensors"))
    return judge.float().eval()
