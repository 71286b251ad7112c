"""DDIM without noise (Song et al. 2020, formula 12 with eta 0), the sampler of the Kandinsky 2.1 decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from nodes.schedulers.run import OnePrediction
from nodes.schedulers.tables import Schedule, mean_half
from nodes.schedulers.timesteps import Spacing, spaced


@dataclass(frozen=True)
class DDIM(Schedule):
    """What `DDIMScheduler` configs say."""

    set_alpha_to_one: bool = True
    timestep_spacing: Spacing = "leading"
    steps_offset: int = 0

    only: ClassVar[Mapping[str, Any]] = {"trained_betas": None, "rescale_betas_zero_snr": False}
    ignored: ClassVar[frozenset[str]] = frozenset({"variance_type", "skip_prk_steps"})

    def start(self, steps: int) -> DDIMRun:
        """A run of `steps` steps, 1 to `num_train_timesteps`."""
        times = spaced(self.timestep_spacing, steps, self.num_train_timesteps, self.steps_offset)
        return DDIMRun(self, times)


@dataclass(frozen=True)
class DDIMRun(OnePrediction):
    """The steps of one run, in order; it may be entered at any of them."""

    schedule: DDIM
    timesteps: tuple[int, ...]

    def noisy(self, i: int) -> bool:  # noqa: ARG002 (the same call for every scheduler)
        """Whether step `i` draws noise: none does."""
        return False

    def step(self, i: int, output: Tensor, sample: Tensor, noise: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The sample (B, C, ...) after step `i`, float32, from the network's `output` (B, C or 2C, ...)."""
        t = self.timesteps[i]
        alpha_bar, before = self.schedule.alphas_cumprod[t], self._before(t)
        clean = self.schedule.clean(output, sample, t)
        return before**0.5 * clean + (1 - before) ** 0.5 * self._epsilon(output, sample.float(), alpha_bar)

    def _before(self, t: int) -> Tensor:
        """The variance share that step `t` leads to: by stride, not by the list of steps, and with that of
        training step 0 or none at all at the end, as the checkpoints were tuned."""
        previous = t - self.schedule.num_train_timesteps // len(self.timesteps)
        return self.schedule.alpha_bar(0 if previous < 0 and not self.schedule.set_alpha_to_one else previous)

    def _epsilon(self, output: Tensor, sample: Tensor, alpha_bar: Tensor) -> Tensor:
        """The noise in `sample` by the unclipped prediction."""
        output = mean_half(output, sample)
        if self.schedule.prediction_type == "epsilon":
            return output
        if self.schedule.prediction_type == "sample":
            return (sample - alpha_bar**0.5 * output) / (1 - alpha_bar) ** 0.5
        return alpha_bar**0.5 * output + (1 - alpha_bar) ** 0.5 * sample
