"""What every schedule shares: the strict reading of its config, the noise table, the clean sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

BetaSchedule = Literal["linear", "scaled_linear", "squaredcos_cap_v2"]
PredictionType = Literal["epsilon", "sample", "v_prediction"]

BOOKKEEPING = frozenset({"_class_name", "_diffusers_version", "_name_or_path"})
LONGEST_TABLE = 100_000  # configs come from strangers; a table of this size is still built in milliseconds


class UnsupportedSchedule(ValueError):
    """A scheduler config with a field or a value that is not supported; the message names it."""


@dataclass(frozen=True)
class Schedule:
    """A diffusion x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) noise, t < num_train_timesteps, and what a network
    predicts of it. Fields are those of `scheduler_config.json`, with the defaults diffusers gives them.
    """

    num_train_timesteps: int = 1000
    beta_start: float = 0.0001
    beta_end: float = 0.02
    beta_schedule: BetaSchedule = "linear"
    prediction_type: PredictionType = "epsilon"
    clip_sample: bool = True
    clip_sample_range: float = 1.0
    thresholding: bool = False
    dynamic_thresholding_ratio: float = 0.995
    sample_max_value: float = 1.0

    only: ClassVar[Mapping[str, Any]] = {}
    """Fields that have one supported value."""
    ignored: ClassVar[frozenset[str]] = frozenset()
    """Fields that such configs carry over from another scheduler; they mean nothing here."""

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """The schedule a parsed `scheduler_config.json` describes.

        Raises UnsupportedSchedule for a field that is not known and for a value that is not supported.
        """
        hints = get_type_hints(cls)
        known = cls.field_names()
        values: dict[str, Any] = {}
        for name, value in config.items():
            if name in BOOKKEEPING or name in cls.ignored:
                continue
            if name in cls.only:
                if value != cls.only[name] or isinstance(value, bool) != isinstance(cls.only[name], bool):
                    raise cls._refused(name, value, f"supported is {cls.only[name]!r}")
            elif name in known:
                values[name] = cls._checked(name, value, hints[name])
            else:
                nearest = get_close_matches(name, [*known, *cls.only], 1)
                hint = f"; nearest is {nearest[0]!r}" if nearest else ""
                raise UnsupportedSchedule(f"scheduler config ({cls.__name__}): unknown field {name!r}{hint}")
        return cls(**values)

    @classmethod
    def field_names(cls) -> frozenset[str]:
        """Names of the config fields that are used."""
        return frozenset(field.name for field in fields(cls) if field.init)

    def __post_init__(self) -> None:
        bounds = {
            "steps_offset": (0, self.num_train_timesteps - 1),
            "num_train_timesteps": (2, LONGEST_TABLE),
            "beta_start": (1e-9, 0.999),
            "beta_end": (self.beta_start, 0.999),
            "clip_sample_range": (1e-6, 1e6),
            "dynamic_thresholding_ratio": (0.0, 1.0),
            "sample_max_value": (1e-6, 1e6),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name, low)  # not every schedule has an offset
            if not low <= value <= high:
                raise self._refused(name, value, f"expected {low} to {high}")

    @classmethod
    def _refused(cls, name: str, value: object, expected: str) -> UnsupportedSchedule:
        return UnsupportedSchedule(f"scheduler config ({cls.__name__}): {name} is {value!r}, {expected}")

    @classmethod
    def _checked(cls, name: str, value: object, hint: object) -> object:
        if get_origin(hint) is Literal:
            choices = get_args(hint)
            if not isinstance(value, str) or value not in choices:
                raise cls._refused(name, value, f"supported are {', '.join(map(repr, choices))}")
            return value
        if hint is float and type(value) is int:
            return float(value)
        if type(value) is not hint:
            raise cls._refused(name, value, f"expected {getattr(hint, '__name__', hint)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise cls._refused(name, value, "expected a finite number")
        return value

    @cached_property
    def betas(self) -> Tensor:
        """(T,) float32: the share of variance replaced by noise at each training step."""
        count = self.num_train_timesteps
        if self.beta_schedule == "linear":
            return torch.linspace(self.beta_start, self.beta_end, count, dtype=torch.float32)
        if self.beta_schedule == "scaled_linear":
            return torch.linspace(self.beta_start**0.5, self.beta_end**0.5, count, dtype=torch.float32) ** 2
        # Nichol & Dhariwal 2021 (improved DDPM), section 3.2.
        levels = [math.cos((i / count + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(count + 1)]
        return torch.tensor([min(1 - levels[i + 1] / levels[i], 0.999) for i in range(count)])

    @cached_property
    def alphas_cumprod(self) -> Tensor:
        """(T,) float32: the share of the clean sample's variance that is left at each training step."""
        return torch.cumprod(1.0 - self.betas, dim=0)

    def alpha_bar(self, t: int) -> Tensor:
        """`alphas_cumprod[t]`, and 1 (nothing but the clean sample) before the first training step, t < 0."""
        return self.alphas_cumprod[t] if t >= 0 else torch.tensor(1.0)

    def add_noise(self, sample: Tensor, noise: Tensor, t: int) -> Tensor:
        """The clean `sample` (B, ...) at the noise level of training step `t`; float32."""
        left = self.alphas_cumprod[t]
        return left**0.5 * sample.float() + (1 - left) ** 0.5 * noise.float()

    def clean(self, output: Tensor, sample: Tensor, t: int) -> Tensor:
        """The clean sample, clipped as configured, that `output` predicts for `sample` (B, C, ...) at `t`.

        Of an output with 2C channels only the first half is used. Salimans & Ho 2022, appendix D, has the
        three predictions; dynamic thresholding is from Saharia et al. 2022 (Imagen), section 2.3.
        """
        output, sample = mean_half(output, sample), sample.float()
        left = self.alphas_cumprod[t]
        if self.prediction_type == "epsilon":
            clean = (sample - (1 - left) ** 0.5 * output) / left**0.5
        elif self.prediction_type == "sample":
            clean = output
        else:
            clean = left**0.5 * sample - (1 - left) ** 0.5 * output
        if self.thresholding:
            return self._thresholded(clean)
        return clean.clamp(-self.clip_sample_range, self.clip_sample_range) if self.clip_sample else clean

    def _thresholded(self, clean: Tensor) -> Tensor:
        largest = torch.quantile(clean.flatten(1).abs(), self.dynamic_thresholding_ratio, dim=1)
        largest = largest.clamp(1, self.sample_max_value).reshape(-1, *[1] * (clean.ndim - 1))
        return clean.clamp(-largest, largest) / largest


def mean_half(output: Tensor, sample: Tensor) -> Tensor:
    """The part of `output` that predicts the mean, float32: all of it, or the first half of its channels.

    Raises ValueError where `output` has neither as many channels as `sample` nor twice as many.
    """
    channels = sample.shape[1]
    if output.shape[1] not in (channels, 2 * channels):
        raise ValueError(
            f"the network's output has {output.shape[1]} channels; {channels} or {2 * channels} fit"
        )
    return output[:, :channels].float()
