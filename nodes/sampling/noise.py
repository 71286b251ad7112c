"""The noise of a run: every row has dice of its own, so that a picture does not depend on its batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


def dice(seed: int, rows: int) -> list[Generator]:
    """A generator on the CPU for each row, seeded with `seed` + row: the same noise for every device."""
    import torch

    return [torch.Generator().manual_seed(seed + row) for row in range(rows)]


def roll(generators: list[Generator], shape: tuple[int, ...], device: str = "cpu") -> Tensor:
    """Normal noise (rows, *shape), float32: the next that each row's generator draws."""
    import torch

    return torch.stack([torch.randn(shape, generator=generator) for generator in generators]).to(device)
