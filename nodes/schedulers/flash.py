"""The four steps of Kandinsky 3.1 Flash: each predicts the clean sample whole, and the next noises it again.

The network was distilled with an adversary (arXiv 2410.21061, section 5), so that a step's prediction is a
picture; guidance is in it already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from nodes.schedulers.posterior import required
from nodes.schedulers.run import OnePrediction
from nodes.schedulers.tables import Schedule
from nodes.schedulers.timesteps import check_steps

ABOVE = 21  # training steps above the first one that a run visits: of 1000 it is number 979


@dataclass(frozen=True)
class Flash(Schedule):
    """The diffusion is that of a DDPM config; nothing is clipped."""

    clip_sample: bool = field(default=False, init=False)
    thresholding: bool = field(default=False, init=False)

    only: ClassVar[Mapping[str, Any]] = {}

    def start(self, steps: int) -> FlashRun:
        """A run of `steps` steps: 979, 729, 479, 229 for the four that the network was made for."""
        first = self.num_train_timesteps - ABOVE
        check_steps(steps, first + 1)
        stride = min(self.num_train_timesteps // steps, first // max(steps - 1, 1))
        return FlashRun(self, tuple(first - i * stride for i in range(steps)))


@dataclass(frozen=True)
class FlashRun(OnePrediction):
    """The steps of one run, in order; it may be entered at any of them."""

    schedule: Flash
    timesteps: tuple[int, ...]

    def noisy(self, i: int) -> bool:
        """Whether step `i` draws noise: all but the last do."""
        return i + 1 < len(self.timesteps)

    def step(self, i: int, output: Tensor, sample: Tensor, noise: Tensor | None = None) -> Tensor:
        """The sample (B, C, ...) after step `i`, float32, from the network's `output` (B, C, ...)."""
        clean = self.schedule.clean(output, sample, self.timesteps[i])
        if not self.noisy(i):
            return clean
        return self.schedule.add_noise(clean, required(noise, i), self.timesteps[i + 1])
