"""Which scheduler a config asks for, and the same diffusion under another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from nodes.schedulers.ddim import DDIM
from nodes.schedulers.ddpm import DDPM
from nodes.schedulers.dpmpp import DPMpp
from nodes.schedulers.flash import Flash
from nodes.schedulers.plms import PLMS
from nodes.schedulers.tables import Schedule, UnsupportedSchedule
from nodes.schedulers.unclip import Unclip

Scheduler = Unclip | DDPM | DDIM | DPMpp | PLMS | Flash

BY_CLASS: dict[str, type[Scheduler]] = {
    "UnCLIPScheduler": Unclip,
    "DDPMScheduler": DDPM,
    "DDIMScheduler": DDIM,
    "DPMSolverMultistepScheduler": DPMpp,
}
BY_NAME: dict[str, type[Scheduler]] = {
    "ddpm": DDPM,
    "ddim": DDIM,
    "dpmpp_2m": DPMpp,
    "plms": PLMS,
    "flash": Flash,
}


def scheduler(config: Mapping[str, Any], name: str | None = None) -> Scheduler:
    """The scheduler a parsed `scheduler_config.json` was saved with, or another on the same diffusion.

    `name` is None (what `_class_name` says) or one of BY_NAME. Another scheduler takes over the noise table,
    the prediction and its clipping; spacing, offset and variance it takes from the config only where they are
    written there. Raises UnsupportedSchedule.
    """
    if name is not None and name not in BY_NAME:
        raise UnsupportedSchedule(f"unknown scheduler {name!r}; known are {', '.join(BY_NAME)}")
    own = _own_class(config)
    if own is None:
        if name is None:
            raise UnsupportedSchedule("the scheduler config has no _class_name, and no scheduler was chosen")
        return BY_NAME[name].read(config)
    schedule = own.read(config)
    if name is None or BY_NAME[name] is own:
        return schedule
    chosen = BY_NAME[name]
    diffusion = {field.name: getattr(schedule, field.name) for field in fields(Schedule)}
    shared = {**diffusion, **config}
    return chosen.read({field: shared[field] for field in chosen.field_names() & shared.keys()})


def _own_class(config: Mapping[str, Any]) -> type[Scheduler] | None:
    class_name = config.get("_class_name")
    if class_name is None:
        return None
    if not isinstance(class_name, str) or class_name not in BY_CLASS:
        nearest = get_close_matches(str(class_name), BY_CLASS, 1)
        raise UnsupportedSchedule(
            f"scheduler config: _class_name {class_name!r} is not supported; known are {', '.join(BY_CLASS)}"
            + (f" (nearest: {nearest[0]})" if nearest else "")
        )
    return BY_CLASS[class_name]
