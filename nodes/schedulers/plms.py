"""PLMS (Liu et al. 2022, Pseudo Numerical Methods for Diffusion Models on Manifolds, section 3.3).

DDIM's steps along means of the newest predictions: of fourth order, for one prediction a step. Only the first
step of a run, which has none to look back on, makes a second one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from nodes.schedulers.ddim import DDIM, DDIMRun
from nodes.schedulers.tables import mean_half

WEIGHTS = (  # Adams and Bashforth's, of the newest prediction first, for each length of the history
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


@dataclass(frozen=True)
class PLMS(DDIM):
    """The steps of `DDIMScheduler` configs, in another order of accuracy."""

    def start(self, steps: int) -> PLMSRun:  # type: ignore[override]
        """A run of `steps` steps, 1 to `num_train_timesteps`, with an empty history."""
        return PLMSRun(super().start(steps))


@dataclass
class PLMSRun:
    """The steps of one run, in order; it may be entered at any of them, and then steps on in order."""

    ddim: DDIMRun
    _past: list[Tensor] = field(default_factory=list)  # predictions of the steps before, newest first

    @property
    def timesteps(self) -> tuple[int, ...]:
        """The training step that each step begins at."""
        return self.ddim.timesteps

    def noisy(self, i: int) -> bool:
        """Whether step `i` draws noise: none does."""
        return self.ddim.noisy(i)

    def output(self, i: int, x: Tensor, predict: Callable[[Tensor, int], Tensor]) -> Tensor:
        """What `step` is to go along from `x` (B, C, ...), float32, and a note of it for the steps to come.

        `predict` is the network: a sample and its time -> its output (B, C or 2C, ...).
        """
        newest = mean_half(predict(x, self.timesteps[i]), x)
        predictions = [newest, *self._past]
        self._past = predictions[: len(WEIGHTS)]
        if len(predictions) > 1:
            weights = WEIGHTS[len(predictions) - 2]
            pairs = zip(weights[1:], predictions[1:], strict=True)
            return sum((weight * past for weight, past in pairs), weights[0] * newest)
        end = self.timesteps[min(i + 1, len(self.timesteps) - 1)]
        return (newest + mean_half(predict(self.step(i, newest, x), end), x)) / 2

    def step(self, i: int, output: Tensor, sample: Tensor, noise: Tensor | None = None) -> Tensor:
        """The sample (B, C, ...) after step `i`, float32, from what `output` made of the predictions."""
        return self.ddim.step(i, output, sample, noise)
