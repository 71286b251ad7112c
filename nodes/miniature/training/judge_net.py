"""The judge's network: it names every attribute of the scene that a 128-pixel picture shows.

It says of each cell of a 16 x 16 grid which object is there, gathers what it sees of each object over the
cells, and names both with the same heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.miniature.scenes.scenes import ATTRIBUTES, COLOURS, SHAPES, SIZES

GRID = 16  # cells along each side
WIDTH = 96
CELL_CLASSES = (3, len(SHAPES) + 1, len(COLOURS) + 1)  # which object, its shape, its colour; 0 for none
THING = {"shape": len(SHAPES), "colour": len(COLOURS), "size": len(SIZES)}
WHOLE = ("count", "order", "position", "ground", "sky")


class JudgeNet(nn.Module):
    """A small convolutional classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Sequential(
            _layer(3, 32, 2), _layer(32, 48, 2), Residual(48), _layer(48, WIDTH, 2), Residual(WIDTH)
        )
        self.far = nn.Sequential(_layer(WIDTH, WIDTH, 2), Residual(WIDTH), Residual(WIDTH))
        self.join = Residual(WIDTH)
        self.cells = nn.Conv2d(WIDTH, sum(CELL_CLASSES), 1)
        self.thing = nn.Linear(WIDTH, 128)
        self.thing_heads = nn.ModuleDict({name: nn.Linear(128, count) for name, count in THING.items()})
        self.whole = nn.Linear(2 * WIDTH + 6, 128)
        self.whole_heads = nn.ModuleDict({name: nn.Linear(128, ATTRIBUTES[name]) for name in WHOLE})

    def forward(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """images (B, 3, 128, 128) in -1..1 -> logits (B, classes) of attributes; (B, 20, 16, 16) of cells."""
        near = self.near(images)
        far = self.far(near)
        x = self.join(near + F.interpolate(far, scale_factor=2.0, mode="nearest"))
        cells = self.cells(x)
        share = cells[:, : CELL_CLASSES[0]].float().softmax(1)[:, 1:].flatten(2)  # (B, 2, cells)
        mass = share.sum(2, keepdim=True)
        things = torch.einsum("bkn,bcn->bkc", share / (mass + 1e-3), x.float().flatten(2))
        middle = (share / (mass + 1e-3)) @ _grid(share)  # (B, 2, 2)
        whole = torch.cat([x.float().mean((2, 3)), far.float().mean((2, 3))], 1)
        whole = torch.cat([whole, middle.flatten(1), mass.flatten(1) / 64], 1)
        thing, scene = F.relu(self.thing(things)), F.relu(self.whole(whole))
        named = {name: head(scene) for name, head in self.whole_heads.items()}
        for name, head in self.thing_heads.items():
            named[f"{name}_0"], named[f"{name}_1"] = head(thing).unbind(1)
        return [named[name] for name in ATTRIBUTES], cells


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _layer(width, width, 1)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1), nn.GroupNorm(8, width))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, width, h, w) -> the same shape."""
        return F.relu(x + self.second(self.first(x)))


def _grid(share: Tensor) -> Tensor:
    """The places (cells, 2) of the cells, x and y in -1..1."""
    line = torch.linspace(-1, 1, GRID, device=share.device)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(8, outputs), nn.ReLU(inplace=True)
    )
