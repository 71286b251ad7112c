"""Which inputs of `unet_denoise` a checkpoint needs, and which mean nothing to it: told while planning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graph.node import Complaint, Wiring
from nodes.facts import misfits
from nodes.parts import UNet
from nodes.sampling.guidance import is_guided
from nodes.systems import NAMES, system_of

NEGATIVES = {"negative_image_embeds", "negative_text_embeds"}
VARIANTS: dict[str, tuple[str, ...]] = {  # variant -> what it needs as well
    "text2img": (),
    "inpaint": ("latents", "mask"),
    "controlnet_depth": ("depth_hint",),
    "flash": (),
}
EVERYWHERE = ("latents", "mask", "noise")  # means something to every checkpoint
INPUTS = (
    *("image_embeds", "negative_image_embeds", "text_embeds", "negative_text_embeds"),
    *("latents", "mask", "depth_hint", "noise"),
)


def complaints(wiring: Wiring) -> Iterator[Complaint]:
    """Everything that can be said before the run."""
    unet = wiring.values.get("unet")
    if isinstance(unet, UNet):
        if unet.system not in NAMES:
            expected = f"a UNet of {', '.join(NAMES)}"
            yield Complaint("unet", f"Kandinsky {unet.system} cannot be denoised yet", expected)
            return
        yield from _inputs(unet, wiring)
        widths = system_of(unet.system).widths(unet.config)
        yield from misfits(wiring, unet.system, widths, "UNet", *INPUTS)
        chosen, known = wiring.params.get("scheduler"), system_of(unet.system).schedulers
        if chosen is not None and chosen not in known:
            expected = "one of " + ", ".join(known)
            yield Complaint("scheduler", f"{chosen!r} is not for Kandinsky {unet.system}", expected)
    if "mask" in wiring.linked and "latents" not in wiring.linked:
        yield Complaint(
            "latents", "a mask needs a picture of which the rest is kept", "the latents of a picture"
        )
    yield from _span(wiring)


def _inputs(unet: UNet, wiring: Wiring) -> Iterator[Complaint]:
    """Inputs that are missing, and inputs that mean nothing here."""
    system = system_of(unet.system)
    needed = (*system.needs, *VARIANTS[unet.variant])
    article = "an" if unet.variant == "inpaint" else "a"
    kind = f"{article} {unet.variant} checkpoint of Kandinsky {unet.system}"
    for name in needed:
        if name not in wiring.linked and (name not in NEGATIVES or is_guided(wiring)):
            why = "; guidance of 1 or less needs none" if name in NEGATIVES else ""
            yield Complaint(name, f"{kind} needs {name}{why}", f"a wire of type {_type(name)}")
    for name in INPUTS:
        if name in wiring.linked and name not in (*needed, *system.may_have, *EVERYWHERE):
            yield Complaint(name, f"{name} means nothing to {kind}", "no wire")


def _span(wiring: Wiring) -> Iterator[Complaint]:
    """Steps that do not follow each other."""
    params: dict[str, Any] = dict(wiring.params)
    start, end, steps = params.get("start_step", 0), params.get("end_step"), params.get("steps")
    strength = params.get("strength", 1.0)
    if strength < 1 and "latents" not in wiring.linked:
        yield Complaint("strength", "a strength below 1 needs a picture to start from", "1.0, or latents")
    if steps is not None and max(start, end or 0) > steps:
        where = "start_step" if start > steps else "end_step"
        yield Complaint(where, f"there are only {steps} steps", f"at most {steps}")
    if end is not None and end < start:
        yield Complaint("end_step", f"it comes before start_step, which is {start}", f"at least {start}")
    if start > 0:
        yield from _continuing(start, strength, wiring)


def _continuing(start: int, strength: float, wiring: Wiring) -> Iterator[Complaint]:
    if "latents" not in wiring.linked:
        yield Complaint(
            "start_step",
            f"there is nothing to go on with from step {start}",
            "0, or the latents of a run that ended there",
        )
    if strength < 1:
        yield Complaint("strength", "a run that goes on is not noised again", "1.0, or a start_step of 0")
    if "mask" in wiring.linked:
        yield Complaint(
            "mask", "a run that goes on has no clean picture to keep", "no wire, or a start_step of 0"
        )


def _type(name: str) -> str:
    return name.removeprefix("negative_")
