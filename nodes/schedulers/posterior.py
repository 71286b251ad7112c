"""The step of ancestral sampling, shared by DDPM and UnCLIP (Ho et al. 2020, formulas 6 and 7)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Variance = Literal["fixed_small", "fixed_small_log", "learned_range"]


def posterior_mean(
    clean: Tensor, sample: Tensor, alpha_bar: Tensor, before: Tensor, alpha: Tensor, beta: Tensor
) -> Tensor:
    """Mean of the previous sample, given the clean one and the present one.

    `alpha_bar` and `before` are the shares of clean variance at the present and the previous step, `alpha`
    their ratio and `beta` its complement (in float32 the one cannot be had from the other where it is small).
    """
    of_clean = before**0.5 * beta / (1 - alpha_bar)
    of_sample = alpha**0.5 * (1 - before) / (1 - alpha_bar)
    return of_clean * clean + of_sample * sample


def deviation(
    kind: Variance, alpha_bar: Tensor, before: Tensor, beta: Tensor, output: Tensor, channels: int
) -> Tensor:
    """Standard deviation of the previous sample: a scalar, or (B, channels, ...) where it is predicted.

    With "learned_range" the second half of `output` says where between the smallest and the largest possible
    variance it lies, -1..1 (Nichol & Dhariwal 2021, section 3.1); ValueError where there is no second half.
    """
    smallest = ((1 - before) / (1 - alpha_bar) * beta).clamp(min=1e-20)
    if kind == "fixed_small":
        return smallest**0.5
    if kind == "fixed_small_log":
        return torch.exp(0.5 * smallest.log())
    if output.shape[1] != 2 * channels:
        raise ValueError(
            f"variance_type is 'learned_range', which needs {2 * channels} output channels; the network has "
            f"{output.shape[1]}"
        )
    share = (output[:, channels:].float() + 1) / 2
    return torch.exp(0.5 * (share * beta.log() + (1 - share) * smallest.log()))


def required(noise: Tensor | None, i: int) -> Tensor:
    """The noise of step `i`; ValueError where it was not given."""
    if noise is None:
        raise ValueError(f"step {i} draws noise, and none was given")
    return noise.float()
