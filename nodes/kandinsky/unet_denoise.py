"""Noise into latents, guided by embeds: the painting itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from graph.node import Choices, Progress, Range, Wiring, node
from nodes.facts import of_latents
from nodes.params import LONGEST_SIDE, MOST_STEPS, Copies, Dice, Guidance, Steps
from nodes.parts import UNet
from nodes.sampling.denoise_checks import NEGATIVES, complaints
from nodes.sampling.guidance import is_guided
from nodes.wires import DepthHint, ImageEmbeds, Latents, Mask, TextEmbeds


def _recommended(wiring: Wiring) -> Mapping[str, Any]:
    """What the checkpoint recommends for the params that are null; the size of latents stands already."""
    unet = wiring.values.get("unet")
    if unet is None:
        return {}
    sizes = () if "latents" in wiring.linked else ("width", "height")
    return {name: unet.recommended.get(name) for name in (*sizes, "steps", "guidance", "scheduler")}


def _unused(port: str, wiring: Wiring) -> Iterable[str]:  # noqa: ARG001 (there is one port)
    """Without guidance the negatives take no part."""
    return () if is_guided(wiring) else NEGATIVES


@node(
    title="UNet denoise",
    group="Kandinsky",
    resolve=_recommended,
    check=complaints,
    unused=_unused,
    facts=of_latents,
)
def unet_denoise(
    unet: Annotated[UNet, "The network that paints."],
    image_embeds: Annotated[ImageEmbeds | None, "What the picture should mean."] = None,
    negative_image_embeds: Annotated[
        ImageEmbeds | None, "What to lead away from; for guidance above 1."
    ] = None,
    text_embeds: Annotated[TextEmbeds | None, "The prompt, for checkpoints whose UNet reads it."] = None,
    negative_text_embeds: Annotated[
        TextEmbeds | None, "The negative prompt, for checkpoints whose UNet reads it."
    ] = None,
    latents: Annotated[Latents | None, "A picture to start from; the result has its size."] = None,
    mask: Annotated[Mask | None, "Where to repaint the start picture: 1 is repainted, 0 is kept."] = None,
    depth_hint: Annotated[DepthHint | None, "The layout to follow, for ControlNet checkpoints."] = None,
    noise: Annotated[Latents | None, "Start from this noise instead of the seed's."] = None,
    *,
    width: Annotated[
        int | None,
        Range(1, LONGEST_SIDE),
        "Width in pixels; null: the start picture's, or what the checkpoint recommends.",
    ] = None,
    height: Annotated[
        int | None,
        Range(1, LONGEST_SIDE),
        "Height in pixels; null: the start picture's, or what the checkpoint recommends.",
    ] = None,
    steps: Steps = None,
    guidance: Guidance = None,
    scheduler: Annotated[
        str | None,
        Choices("ddpm", "ddim", "dpmpp_2m", "flash", "plms"),
        "How the noise is taken away; dpmpp_2m needs the fewest steps; null: what the checkpoint recommends.",
    ] = None,
    strength: Annotated[
        float,
        Range(0.0, 1.0, 0.01),
        "How much of the start picture to repaint: 0 gives it back, 1 leaves hardly anything of it.",
    ] = 1.0,
    start_step: Annotated[
        int, Range(0, MOST_STEPS), "Go on from here with latents of a run that ended at this step."
    ] = 0,
    end_step: Annotated[
        int | None,
        Range(0, MOST_STEPS),
        "Stop before this step, with noise left in the latents; null: the last step.",
    ] = None,
    seed: Dice = 0,
    images_per_prompt: Copies = 1,
    progress: Progress,
) -> Latents:
    """Paint: take the noise away, step by step, so that a picture of the embeds is left.

    With latents it starts from a picture (see strength), with a mask it repaints only a part of it, and with
    a depth hint it keeps the layout. Where a checkpoint does not take one of these, the error says so.

    Guidance g leads away from the prediction n for the negative embeds, through p for the others: Kandinsky 2
    goes to n + g (p - n), Kandinsky 3, as its paper counts, to n + (g + 1) (p - n). Both do so for g above 1.
    """
    from nodes.sampling.denoise import denoise
    from nodes.sampling.denoise_task import Span, picture_size, prepare

    assert steps is not None and guidance is not None  # resolved while planning
    width, height = picture_size(latents, width, height)
    span = Span.of(steps, strength, start_step, end_step, starts=latents is not None)
    given = {
        "image_embeds": image_embeds,
        "negative_image_embeds": negative_image_embeds,
        "text_embeds": text_embeds,
        "negative_text_embeds": negative_text_embeds,
        "latents": latents,
        "mask": mask,
        "depth_hint": depth_hint,
    }
    if latents is not None and latents.masked and span.first > 0:
        raise ValueError(
            "a strength below 1 starts from the whole picture, but these latents were encoded with a mask; "
            "set strength to 1, or link no mask to MoVQ encode"
        )
    task = prepare(unet, given, noise, width, height, guidance > 1, images_per_prompt)
    if span.first >= span.end and task.start is not None:
        return Latents(task.start, width, height, unet.system)
    painted = denoise(unet, task, span, guidance, scheduler, seed, progress)
    return Latents(painted, width, height, unet.system)
