"""DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2): a decoder's picture in 10 to 25 steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nodes.schedulers.run import OnePrediction
from nodes.schedulers.tables import Schedule
from nodes.schedulers.timesteps import Spacing, check_steps, descending, shifted, spaced


@dataclass(frozen=True)
class DPMpp(Schedule):
    """What `DPMSolverMultistepScheduler` configs say, as far as they mean the 2M solver that ends at 0.

    It does not clip: what a shared config says of clip_sample is for the ancestral samplers.
    """

    clip_sample: bool = field(default=False, init=False)
    clip_sample_range: float = field(default=1.0, init=False)
    timestep_spacing: Spacing = "linspace"
    steps_offset: int = 0

    only: ClassVar[Mapping[str, Any]] = {
        "trained_betas": None,
        "rescale_betas_zero_snr": False,
        "solver_order": 2,
        "algorithm_type": "dpmsolver++",
        "solver_type": "midpoint",
        "lower_order_final": True,
        "euler_at_final": False,
        "final_sigmas_type": "zero",
        "lambda_min_clipped": -math.inf,
        "use_karras_sigmas": False,
        "use_exponential_sigmas": False,
        "use_beta_sigmas": False,
        "use_lu_lambdas": False,
        "use_flow_sigmas": False,
        "flow_shift": 1.0,
        "use_dynamic_shifting": False,
        "time_shift_type": "exponential",
    }
    ignored: ClassVar[frozenset[str]] = frozenset(
        {"clip_sample", "clip_sample_range", "set_alpha_to_one", "skip_prk_steps", "variance_type"}
    )

    def start(self, steps: int) -> DPMppRun:
        """A run of `steps` steps, 1 to `num_train_timesteps`, with an empty history."""
        return DPMppRun(self, self._times(steps))

    def _times(self, steps: int) -> tuple[int, ...]:
        """Spaced as if one step more led to zero: the solver's own last step does that."""
        train = self.num_train_timesteps
        check_steps(steps, train)
        points = min(steps + 1, train)
        if self.timestep_spacing == "linspace":
            return descending(np.linspace(0, train - 1, points))[:steps]
        if self.timestep_spacing == "leading":
            return shifted(np.arange(1, steps + 1) * (train // points), train, self.steps_offset)
        return spaced("trailing", steps, train, self.steps_offset)

    def sigma(self, t: int) -> Tensor:
        """Noise to signal at training step `t`."""
        alpha_bar = self.alphas_cumprod[t]
        return ((1 - alpha_bar) / alpha_bar) ** 0.5


@dataclass
class DPMppRun(OnePrediction):
    """The steps of one run, in order; it may be entered at any of them, and then steps on in order."""

    schedule: DPMpp
    timesteps: tuple[int, ...]
    _last: tuple[int, Tensor] | None = None  # the step before and what it took for the clean sample

    def noisy(self, i: int) -> bool:  # noqa: ARG002 (the same call for every scheduler)
        """Whether step `i` draws noise: none does."""
        return False

    def step(self, i: int, output: Tensor, sample: Tensor, noise: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The sample (B, C, ...) after step `i`, float32, from the network's `output` (B, C or 2C, ...).

        Of second order where the step before was `i - 1`; the first of a run and the last are of first order.
        """
        clean = self.schedule.clean(output, sample, self.timesteps[i])
        past, self._last = self._last, (i, clean)
        if i + 1 == len(self.timesteps):
            return clean  # sigma is 0: nothing of the sample is left
        now, after = self._level(i), self._level(i + 1)
        stride = after.rate - now.rate
        direction = clean
        if past is not None and past[0] == i - 1:
            ratio = (now.rate - self._level(i - 1).rate) / stride
            direction = clean + 0.5 * (1.0 / ratio) * (clean - past[1])
        return (after.noise / now.noise) * sample.float() - after.signal * (
            torch.exp(-stride) - 1.0
        ) * direction

    def _level(self, i: int) -> _Level:
        sigma = self.schedule.sigma(self.timesteps[i])
        signal = 1 / (sigma**2 + 1) ** 0.5
        return _Level(signal, sigma * signal, torch.log(signal) - torch.log(sigma * signal))


@dataclass(frozen=True)
class _Level:
    signal: Tensor
    noise: Tensor
    rate: Tensor  # lambda of the paper: half the log of signal to noise
