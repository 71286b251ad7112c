"""The judge's network: it names every attribute of the scene that a 128-pixel picture shows."""

import torch.nn.functional as F
from torch import Tensor, nn

from nodes.miniature.scenes import ATTRIBUTES, COLOURS, SHAPES

GRID = 8  # cells along each side of the last map
CELL_CLASSES = (len(SHAPES) + 1, len(COLOURS) + 1)  # what a cell shows, 0 for no object


class JudgeNet(nn.Module):
    """A small convolutional classifier."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((3, 24, 2), (24, 32, 2), (32, 48, 1), (48, 64, 2), (64, 64, 1), (64, 96, 2), (96, 96, 1))
        self.trunk = nn.Sequential(*(_layer(*sizes) for sizes in widths))
        self.cells = nn.Conv2d(96, sum(CELL_CLASSES), 1)
        self.narrow = nn.Conv2d(96, 24, 1)
        self.mix = nn.Linear(24 * GRID * GRID, 128)
        self.heads = nn.ModuleList(nn.Linear(128, classes) for classes in ATTRIBUTES.values())

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """images (B, 3, 128, 128) in -1..1 -> logits (B, classes) of attributes; (B, 18, 8, 8) of cells."""
        x = self.trunk(images)
        mixed = F.relu(self.mix(F.relu(self.narrow(x)).flatten(1)))
        return [head(mixed) for head in self.heads], self.cells(x)


def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(8, outputs), nn.ReLU(inplace=True)
    )
