"""What the runs of most schedulers share."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


class OnePrediction:
    """A run that asks the network once a step, at the step's own time."""

    timesteps: tuple[int, ...]

    def output(self, i: int, x: Tensor, predict: Callable[[Tensor, int], Tensor]) -> Tensor:
        """What `step` is to go along from `x` (B, C, ...): the network's output (B, C or 2C, ...)."""
        return predict(x, self.timesteps[i])
