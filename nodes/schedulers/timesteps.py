"""Which training steps a run of N steps visits, and where in it a strength begins."""

from __future__ import annotations

from typing import Literal

import numpy as np

Spacing = Literal["leading", "linspace", "trailing"]


def spaced(spacing: Spacing, steps: int, train: int, offset: int) -> tuple[int, ...]:
    """`steps` of the training steps 0..train-1, descending (Lin et al. 2023, table 2).

    `offset` counts with "leading" only, and only as far as the first step stays below `train`.
    Raises ValueError unless 1 <= steps <= train.
    """
    check_steps(steps, train)
    if spacing == "leading":
        return shifted(np.arange(steps) * (train // steps), train, offset)
    if spacing == "linspace":
        return descending(np.linspace(0, train - 1, steps))
    # Rounding may give arange one entry too many, which would be step -1.
    return tuple(int(t) - 1 for t in np.arange(train, 0, -train / steps)[:steps].round())


def shifted(ascending: np.ndarray, train: int, offset: int) -> tuple[int, ...]:
    """The steps moved up by `offset`, or by what leaves the last of them at `train - 1`, descending."""
    return descending(ascending + min(offset, train - 1 - int(ascending[-1])))


def descending(ascending: np.ndarray) -> tuple[int, ...]:
    """Rounded to whole steps (halves to even), last first."""
    return tuple(int(t) for t in ascending.round()[::-1])


def check_steps(steps: int, train: int) -> None:
    """Raises ValueError unless a run of `steps` fits a schedule of `train` training steps."""
    if not 1 <= steps <= train:
        raise ValueError(f"steps is {steps}; this checkpoint's schedule takes 1 to {train}")


def first_step(steps: int, strength: float) -> int:
    """Index of the step at which a start picture enters: the last int(steps * strength) steps run.

    `strength` is in 0..1; 0 (or less than one step) gives `steps`: nothing runs. The product is cut, not
    rounded, so 100 steps at 0.29 run 28, as everywhere else in the field.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength}; expected 0 to 1")
    return steps - min(int(steps * strength), steps)
