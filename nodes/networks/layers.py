"""The few pieces that several networks share."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoid(t: Tensor, width: int) -> Tensor:
    """Timesteps t (B,) as (B, width) float32: cosines, then sines, of t / 10000^(2i/width), i < width/2.

    Attention Is All You Need, section 3.5, with the cosines first.
    """
    half = width // 2
    frequencies = torch.exp(
        -math.log(10_000) / half * torch.arange(half, dtype=torch.float32, device=t.device)
    )
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def to_tokens(x: Tensor) -> Tensor:
    """View a map (B, C, h, w) as tokens (B, h*w, C): no copy when x is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_map(tokens: Tensor, like: Tensor) -> Tensor:
    """View tokens (B, h*w, C) as a channels-last map (B, C, h, w) of the size of `like`: never a copy."""
    batch, _, height, width = like.shape
    return tokens.view(batch, height, width, -1).permute(0, 3, 1, 2)


def modulate(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """x * gain + bias, in place unless gradients are recorded: x must be nobody else's.

    Fresh memory costs more than the arithmetic: the system has to find and clear it.
    """
    return torch.addcmul(bias, x, gain, out=None if torch.is_grad_enabled() else x)


def silu(x: Tensor) -> Tensor:
    """x * sigmoid(x), in place unless gradients are recorded: x must be nobody else's."""
    return F.silu(x, inplace=not torch.is_grad_enabled())


class TimeEmbedding(nn.Module):
    """Two linear layers that turn a sinusoid into the embedding of a timestep."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(inputs, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, waves: Tensor) -> Tensor:
        """waves (B, inputs) -> (B, width)."""
        return self.linear_2(F.silu(self.linear_1(waves)))
