"""Checkpoints and pipelines that the parity tests of stages and pipelines share."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    KandinskyV22ControlnetPipeline,
    KandinskyV22InpaintPipeline,
    KandinskyV22Pipeline,
)
from PIL import Image as Pillow

from nodes.wires import Array
from tests.nodes import tiny

FOUR_LEVELS: dict[str, Any] = {  # as many as the real UNet has: sizes are rounded as diffusers rounds them
    "block_out_channels": (32, 32, 32, 64),
    "norm_num_groups": 4,  # at the smallest level a group must still have several values
    "down_block_types": ("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 3,
    "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 3 + ("ResnetUpsampleBlock2D",),
}
PIPELINES = {
    "text2img": KandinskyV22Pipeline,
    "inpaint": KandinskyV22InpaintPipeline,
    "controlnet_depth": KandinskyV22ControlnetPipeline,
}

OTHER_SCHEDULERS = {"ddim": DDIMScheduler, "dpmpp_2m": DPMSolverMultistepScheduler}


def make_checkpoints(root: Path) -> dict[str, Path]:
    """A prior, and a decoder of each variant.

    The scheduler clips, as the real one does: latents of random weights would grow without bounds. The MoVQ's
    last weights are small, so that most pixels lie between black and white, where differences show.
    """
    movq = tiny.tiny_movq()
    with torch.no_grad():
        movq.decoder.conv_out.weight.mul_(0.05)
    made = {"prior": tiny.tiny_prior(root / "prior")}
    for variant, pipeline in PIPELINES.items():
        made[variant] = root / variant
        pipeline(
            unet=tiny.tiny_unet(variant, **FOUR_LEVELS),
            scheduler=tiny.SCHEDULERS["ddpm"](clip_sample=True),
            movq=movq,
        ).save_pretrained(made[variant])
    return made


def open_pipeline(pipeline: Any, folder: Path, scheduler: str = "ddpm", **parts: Any) -> Any:
    """A pipeline of diffusers on a checkpoint, without its progress bar."""
    opened = pipeline.from_pretrained(folder, **parts)
    opened.set_progress_bar_config(disable=True)
    if scheduler in OTHER_SCHEDULERS:
        opened.scheduler = OTHER_SCHEDULERS[scheduler].from_config(opened.scheduler.config)
    return opened


def dice(seed: int, rows: int, times: int = 1) -> list[torch.Generator]:
    """A generator for each row, as our nodes seed them; `times` over, each with dice of its own."""
    return [torch.Generator().manual_seed(seed + row) for _ in range(times) for row in range(rows)]


def as_pillow(picture: Array) -> Pillow.Image:
    """A picture (H, W, 3) as diffusers takes one."""
    return Pillow.fromarray((picture * 255).round().astype(np.uint8))


def differ(ours: Any, theirs: Any) -> float:
    """The largest difference of two arrays or tensors of one shape."""
    one, two = (np.asarray(x.detach() if torch.is_tensor(x) else x) for x in (ours, theirs))
    assert one.shape == two.shape
    return float(np.abs(one - two).max())
