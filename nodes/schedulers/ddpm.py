"""DDPM: ancestral sampling (Ho et al. 2020), the sampler of the Kandinsky 2.2 and 3 decoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from nodes.schedulers.posterior import Variance, deviation, posterior_mean, required
from nodes.schedulers.run import OnePrediction
from nodes.schedulers.tables import Schedule
from nodes.schedulers.timesteps import Spacing, spaced


@dataclass(frozen=True)
class DDPM(Schedule):
    """What `DDPMScheduler` configs say."""

    variance_type: Variance = "fixed_small"
    timestep_spacing: Spacing = "leading"
    steps_offset: int = 0

    only: ClassVar[Mapping[str, Any]] = {"trained_betas": None, "rescale_betas_zero_snr": False}
    ignored: ClassVar[frozenset[str]] = frozenset({"set_alpha_to_one", "skip_prk_steps"})

    def start(self, steps: int) -> DDPMRun:
        """A run of `steps` steps, 1 to `num_train_timesteps`."""
        times = spaced(self.timestep_spacing, steps, self.num_train_timesteps, self.steps_offset)
        return DDPMRun(self, times)


@dataclass(frozen=True)
class DDPMRun(OnePrediction):
    """The steps of one run, in order; it may be entered at any of them."""

    schedule: DDPM
    timesteps: tuple[int, ...]

    def noisy(self, i: int) -> bool:
        """Whether step `i` draws noise. With a steps_offset the last step does too (adding 1e-10 of it):
        random states stay those of other programs that way."""
        return self.timesteps[i] > 0

    def step(self, i: int, output: Tensor, sample: Tensor, noise: Tensor | None = None) -> Tensor:
        """The sample (B, C, ...) after step `i`, float32, from the network's `output` (B, C or 2C, ...)."""
        t = self.timesteps[i]
        alpha_bar = self.schedule.alpha_bar(t)
        before = self.schedule.alpha_bar(self.timesteps[i + 1] if i + 1 < len(self.timesteps) else -1)
        alpha = alpha_bar / before
        beta = 1 - alpha
        clean = self.schedule.clean(output, sample, t)
        mean = posterior_mean(clean, sample.float(), alpha_bar, before, alpha, beta)
        if not self.noisy(i):
            return mean
        spread = deviation(self.schedule.variance_type, alpha_bar, before, beta, output, sample.shape[1])
        return mean + spread * required(noise, i)
