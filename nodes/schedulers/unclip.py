"""UnCLIP: ancestral sampling with steps from the very last to the very first, the sampler of the priors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from nodes.schedulers.posterior import Variance, deviation, posterior_mean, required
from nodes.schedulers.run import OnePrediction
from nodes.schedulers.tables import BetaSchedule, Schedule
from nodes.schedulers.timesteps import check_steps, descending


@dataclass(frozen=True)
class Unclip(Schedule):
    """What `UnCLIPScheduler` configs say."""

    variance_type: Variance = "fixed_small_log"
    beta_start: float = field(default=0.0001, init=False)
    beta_end: float = field(default=0.02, init=False)
    beta_schedule: BetaSchedule = field(default="squaredcos_cap_v2", init=False)
    thresholding: bool = field(default=False, init=False)
    dynamic_thresholding_ratio: float = field(default=0.995, init=False)
    sample_max_value: float = field(default=1.0, init=False)

    only: ClassVar[Mapping[str, Any]] = {"beta_schedule": "squaredcos_cap_v2"}

    def start(self, steps: int) -> UnclipRun:
        """A run of `steps` steps, 1 to `num_train_timesteps`; a single one goes straight to the end."""
        check_steps(steps, self.num_train_timesteps)
        last = self.num_train_timesteps - 1
        times = descending(np.arange(steps) * (last / (steps - 1))) if steps > 1 else (last,)
        return UnclipRun(self, times)


@dataclass(frozen=True)
class UnclipRun(OnePrediction):
    """The steps of one run, in order; it may be entered at any of them."""

    schedule: Unclip
    timesteps: tuple[int, ...]

    def noisy(self, i: int) -> bool:
        """Whether step `i` draws noise: all but the last do."""
        return i + 1 < len(self.timesteps)

    def step(self, i: int, output: Tensor, sample: Tensor, noise: Tensor | None = None) -> Tensor:
        """The sample (B, C, ...) after step `i`, float32, from the network's `output` (B, C or 2C, ...)."""
        t = self.timesteps[i]
        previous = self.timesteps[i + 1] if i + 1 < len(self.timesteps) else -1
        alpha_bar, before = self.schedule.alpha_bar(t), self.schedule.alpha_bar(previous)
        beta = self.schedule.betas[t] if previous == t - 1 else 1 - alpha_bar / before
        clean = self.schedule.clean(output, sample, t)
        mean = posterior_mean(clean, sample.float(), alpha_bar, before, 1 - beta, beta)
        if not self.noisy(i):
            return mean
        spread = deviation(self.schedule.variance_type, alpha_bar, before, beta, output, sample.shape[1])
        return mean + spread * required(noise, i)
