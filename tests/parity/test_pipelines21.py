"""The templates k21_* paint what diffusers' Kandinsky 2.1 pipelines do, through the engine.

Only checkpoints, sizes, steps and the like are set. Where the two differ on purpose (DIFFERENCES.md),
diffusers is given what we do, and everything else must agree.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers import (
    DDPMScheduler,
    KandinskyCombinedPipeline,
    KandinskyImg2ImgCombinedPipeline,
    KandinskyImg2ImgPipeline,
    KandinskyInpaintCombinedPipeline,
    KandinskyInpaintPipeline,
    KandinskyPipeline,
    KandinskyPriorPipeline,
)
from diffusers.pipelines.kandinsky.pipeline_kandinsky_inpaint import (
    prepare_mask,
    prepare_mask_and_masked_image,
)

import graph
from nodes.wires import Array
from tests.nodes import tiny, tiny21
from tests.nodes.stages import smooth_picture
from tests.parity.checkpoints import FOUR_LEVELS, as_pillow, dice, differ, open_pipeline

PIPELINE = 1e-4
WORKFLOWS = Path(__file__).parents[2] / "workflows"
PROMPT, NEGATIVE = "a red cube on grass", "a blue sphere, sand"
PRIOR_STEPS = 5
BOX = {"shape": "rectangle", "area.feather": 0, "area.x": 0.25, "area.y": 0.25, "area.w": 0.5, "area.h": 0.5}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A prior, and a decoder of each variant.

    The scheduler clips: latents of random weights would grow without bounds, and rounding with them. Most
    pixels lie between black and white, where differences show.
    """
    root = tmp_path_factory.mktemp("parity21")
    movq = tiny.tiny_movq()
    with torch.no_grad():
        movq.decoder.conv_out.weight.mul_(0.05)
    made = {"prior": tiny21.tiny_prior21(root / "prior")}
    for variant in tiny21.PIPELINES:
        made[variant] = tiny21.tiny_decoder21(root / variant, variant, movq=movq, clip=True, **FOUR_LEVELS)
    return made


@pytest.fixture
def paint(checkpoints: dict[str, Path], tmp_path: Path) -> Any:
    """`paint(template, variant, **inputs)` runs a template on tiny checkpoints; its picture as an array."""

    def run(template: str, variant: str = "text2img", **inputs: Any) -> Array:
        program = graph.load(WORKFLOWS / f"k21_{template}.json", output=tmp_path / "out", no_cache=True)
        sources = {"prior_source": str(checkpoints["prior"]), "decoder_source": str(checkpoints[variant])}
        made = np.asarray(next(iter(program.run(**sources, **inputs).values())))
        assert made.std() > 0.01 and ((made > 0) & (made < 1)).mean() > 0.5
        return made

    return run


def embed(checkpoints: dict[str, Path], seed: int, negative: str | None = None) -> dict[str, Any]:
    """What diffusers' prior makes of the prompt."""
    prior = open_pipeline(KandinskyPriorPipeline, checkpoints["prior"])
    generator = dice(seed, 1, 2 if negative else 1)
    made = prior(PROMPT, negative, num_inference_steps=PRIOR_STEPS, generator=generator)
    return {"image_embeds": made.image_embeds, "negative_image_embeds": made.negative_image_embeds}


def picture_file(folder: Path, width: int, height: int) -> tuple[str, Array]:
    """A picture on disk, and the same (height, width, 3) as an array."""
    picture = smooth_picture(height, width)[0]
    as_pillow(picture).save(folder / "picture.png")
    return str(folder / "picture.png"), picture


@pytest.mark.parametrize("scheduler", [None, "ddpm"])
@pytest.mark.parametrize(
    ("width", "height", "steps", "guidance", "seed"),
    [(64, 64, 2, 4.0, 0), (128, 64, 4, 1.0, 3), (64, 128, 3, 7.5, 2**33)],
)
def test_text_to_image(checkpoints, paint, scheduler, width, height, steps, guidance, seed) -> None:
    size = {"width": width, "height": height}
    common = {"denoise.scheduler": scheduler, "prior.steps": PRIOR_STEPS}
    ours = paint("text_to_image", prompt=PROMPT, seed=seed, steps=steps, guidance=guidance, **common, **size)
    pipeline = open_pipeline(KandinskyPipeline, checkpoints["text2img"])
    if scheduler == "ddpm":
        pipeline.scheduler = DDPMScheduler.from_pretrained(checkpoints["text2img"] / "ddpm_scheduler")
    theirs = pipeline(
        PROMPT,
        **embed(checkpoints, seed),
        **size,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=dice(seed, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def test_the_schedulers_differ(paint) -> None:
    common = {"width": 64, "height": 64, "steps": 3, "prior.steps": PRIOR_STEPS}
    shipped, ddim, ddpm = (
        paint("text_to_image", **common, **{"denoise.scheduler": name}) for name in (None, "ddim", "ddpm")
    )
    assert differ(shipped, ddim) == 0
    assert differ(shipped, ddpm) > 0.01


def test_negative_prompt(checkpoints, paint) -> None:
    size = {"width": 64, "height": 64}
    ours = paint(
        "negative_prompt",
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        seed=1,
        steps=3,
        **size,
        **{"prior.steps": PRIOR_STEPS},
    )
    theirs = open_pipeline(KandinskyPipeline, checkpoints["text2img"])(
        PROMPT,
        **embed(checkpoints, 1, NEGATIVE),
        negative_prompt=NEGATIVE,
        **size,
        num_inference_steps=3,
        generator=dice(1, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def test_several_images_per_prompt(checkpoints, paint) -> None:
    size = {"width": 64, "height": 64}
    ours = paint(
        "text_to_image",
        prompt=PROMPT,
        seed=5,
        steps=2,
        **size,
        **{"prior.steps": PRIOR_STEPS, "denoise.images_per_prompt": 3},
    )
    theirs = open_pipeline(KandinskyPipeline, checkpoints["text2img"])(
        PROMPT,
        **embed(checkpoints, 5),
        **size,
        num_inference_steps=2,
        num_images_per_prompt=3,
        generator=dice(5, 3),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def consistent_noise(pipeline: Any, steps: int, strength: float) -> None:
    """Let a pipeline noise the start picture to the level that its first step begins with, as we do."""
    first = steps - int(steps * strength)

    def add_noise(picture: torch.Tensor, noise: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return pipeline.scheduler.add_noise(picture, noise, pipeline.scheduler.timesteps[first])

    pipeline.add_noise = add_noise


@pytest.mark.parametrize("strength", [0.3, 0.55, 1.0])
@pytest.mark.parametrize("size", [64, 128])
def test_image_to_image(checkpoints, paint, tmp_path, strength, size) -> None:
    path, picture = picture_file(tmp_path, size, size)
    shape = {"width": size, "height": size}  # diffusers mixes up the sides of any other shape
    common = {"prompt": PROMPT, "seed": 4, "steps": 10, "prior.steps": PRIOR_STEPS}
    ours = paint("image_to_image", picture=path, strength=strength, **shape, **common)
    pipeline = open_pipeline(KandinskyImg2ImgPipeline, checkpoints["text2img"])
    consistent_noise(pipeline, 10, strength)
    theirs = pipeline(
        PROMPT,
        as_pillow(picture),
        **embed(checkpoints, 4),
        strength=strength,
        **shape,
        num_inference_steps=10,
        generator=dice(4, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def box_mask(width: int, height: int) -> Array:
    """The mask (height, width) of a rectangle over the middle."""
    mask = np.zeros((height, width), np.float32)
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 1
    return mask


def blend(pipeline: Any, picture: Array, mask: Array, seed: int) -> Any:
    """A callback that brings the kept latents back after each step, at its noise, as we do."""
    height, width = mask.shape
    outside, pixels = prepare_mask_and_masked_image(as_pillow(picture), mask.copy(), height, width)
    with torch.no_grad():
        clean = pipeline.movq.encode(pixels).latents
    keep = prepare_mask(F.interpolate(outside, clean.shape[-2:], mode="nearest"))
    noise = torch.randn(clean.shape, generator=dice(seed, 1)[0])

    def after_step(step: int, _: Any, latents: torch.Tensor) -> None:
        later = pipeline.scheduler.timesteps[step + 1 :]
        kept = pipeline.scheduler.add_noise(clean, noise, later[:1]) if len(later) else clean
        latents.copy_(keep * kept + (1 - keep) * latents)

    return after_step


@pytest.mark.parametrize(("width", "height", "steps", "guidance"), [(64, 64, 2, 4.0), (128, 64, 4, 1.0)])
def test_inpainting(checkpoints, paint, tmp_path, width, height, steps, guidance) -> None:
    path, picture = picture_file(tmp_path, width, height)
    size, mask = {"width": width, "height": height}, box_mask(width, height)
    common = {"prompt": PROMPT, "seed": 8, "steps": steps, "guidance": guidance, "prior.steps": PRIOR_STEPS}
    ours = paint("inpainting", "inpaint", picture=path, **BOX, **common, **size)
    pipeline = open_pipeline(KandinskyInpaintPipeline, checkpoints["inpaint"])
    theirs = pipeline(
        PROMPT,
        as_pillow(picture),
        mask.copy(),
        **embed(checkpoints, 8),
        **size,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=dice(8, 1),
        output_type="np",
        callback=blend(pipeline, picture, mask, 8),
    ).images
    assert differ(ours, laid_over(theirs, picture, mask)) < PIPELINE


def laid_over(theirs: Array, picture: Array, mask: Array) -> Array:
    """diffusers' picture with the kept pixels brought back, as the template does."""
    return theirs * mask[..., None] + picture * (1 - mask[..., None])


def test_interpolation(checkpoints, paint, tmp_path) -> None:
    first, one = picture_file(tmp_path, 50, 40)
    two = smooth_picture(64, 33, seed=1)[0]
    as_pillow(two).save(tmp_path / "second.png")
    weights = [0.3, 0.5, 0.4]
    size = {"width": 64, "height": 64}
    ours = paint(
        "interpolation",
        prompt=PROMPT,
        first_picture=first,
        second_picture=str(tmp_path / "second.png"),
        weights=weights,
        seed=3,
        steps=2,
        **size,
        **{"prior.steps": PRIOR_STEPS},
    )
    prior = open_pipeline(KandinskyPriorPipeline, checkpoints["prior"])
    mixed = prior.interpolate(
        [PROMPT, as_pillow(one), as_pillow(two)],
        weights,
        num_inference_steps=PRIOR_STEPS,
        generator=dice(3, 1),
    )
    theirs = open_pipeline(KandinskyPipeline, checkpoints["text2img"])(
        PROMPT,
        mixed.image_embeds,
        mixed.negative_image_embeds,
        **size,
        num_inference_steps=2,
        generator=dice(3, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


class SeededAgain:
    """diffusers' decoder goes on with the prior's dice; ours start anew, so these are reseeded."""

    def __init__(self, prior: Any, generators: list[torch.Generator], seed: int) -> None:
        self.prior, self.generators, self.seed = prior, generators, seed

    def __call__(self, **inputs: Any) -> Any:
        made = self.prior(**inputs)
        for row, generator in enumerate(self.generators):
            generator.manual_seed(self.seed + row)
        return made


def run_combined(pipeline: Any, checkpoints: Any, variant: str, seed: int, **inputs: Any) -> Array:
    """A combined pipeline made of the same parts, whose decoder the input `prepare` may change."""
    prior = open_pipeline(KandinskyPriorPipeline, checkpoints["prior"])
    decoder = open_pipeline(KandinskyPipeline, checkpoints[variant])
    parts = {f"prior_{name}": part for name, part in prior.components.items()}
    whole, generators = pipeline(**decoder.components, **parts), dice(seed, 1)
    whole.set_progress_bar_config(disable=True)
    whole.prior_pipe = SeededAgain(whole.prior_pipe, generators, seed)
    if "prepare" in inputs:
        inputs |= inputs.pop("prepare")(whole.decoder_pipe)
    common = {"prior_num_inference_steps": PRIOR_STEPS, "generator": generators, "output_type": "np"}
    return whole(PROMPT, **common, **inputs).images


def test_combined(checkpoints, paint) -> None:
    size = {"width": 128, "height": 64}
    ours = paint("text_to_image", prompt=PROMPT, seed=7, steps=3, **size, **{"prior.steps": PRIOR_STEPS})
    theirs = run_combined(
        KandinskyCombinedPipeline, checkpoints, "text2img", 7, num_inference_steps=3, **size
    )
    assert differ(ours, theirs) < PIPELINE


def test_image_to_image_combined(checkpoints, paint, tmp_path) -> None:
    path, picture = picture_file(tmp_path, 64, 64)
    size = {"width": 64, "height": 64}
    common = {"seed": 7, "steps": 6, "guidance": 4.0, "prior.steps": PRIOR_STEPS}
    ours = paint("image_to_image", prompt=PROMPT, picture=path, strength=0.5, **common, **size)

    def prepare(decoder: Any) -> dict[str, Any]:
        consistent_noise(decoder, 6, 0.5)
        return {}

    inputs = {"image": as_pillow(picture), "strength": 0.5, "num_inference_steps": 6, "prepare": prepare}
    theirs = run_combined(KandinskyImg2ImgCombinedPipeline, checkpoints, "text2img", 7, **inputs, **size)
    assert differ(ours, theirs) < PIPELINE


def test_inpainting_combined(checkpoints, paint, tmp_path) -> None:
    path, picture = picture_file(tmp_path, 64, 64)
    size, mask = {"width": 64, "height": 64}, box_mask(64, 64)
    common = {"seed": 7, "steps": 3, "prior.steps": PRIOR_STEPS}
    ours = paint("inpainting", "inpaint", prompt=PROMPT, picture=path, **BOX, **common, **size)

    def prepare(decoder: Any) -> dict[str, Any]:
        return {"callback": blend(decoder, picture, mask, 7)}

    inputs = {"image": as_pillow(picture), "num_inference_steps": 3, "prepare": prepare}
    inputs["mask_image"] = as_pillow(np.repeat(mask[..., None], 3, axis=2))
    theirs = run_combined(KandinskyInpaintCombinedPipeline, checkpoints, "inpaint", 7, **inputs, **size)
    assert differ(ours, laid_over(theirs, picture, mask)) < PIPELINE
