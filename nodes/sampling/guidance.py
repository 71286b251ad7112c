"""Classifier-free guidance (Ho & Salimans 2022), and outputs that predict their variance as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph.node import Wiring

if TYPE_CHECKING:
    from torch import Tensor


def is_guided(wiring: Wiring) -> bool:
    """Whether guidance is on, as far as planning knows: it is above 1."""
    guidance = wiring.params.get("guidance")
    return guidance is None or guidance > 1


def guided(output: Tensor, guidance: float, channels: int) -> Tensor:
    """The output (R, C or 2C, h, w) for each row, from one for [negative rows, positive rows] (2R, ...).

    Guidance is for the first `channels`; a predicted variance is taken from the positive half as it is.
    """
    import torch

    negative, positive = output.chunk(2)
    mean = negative[:, :channels] + guidance * (positive[:, :channels] - negative[:, :channels])
    return torch.cat([mean, positive[:, channels:]], dim=1)
