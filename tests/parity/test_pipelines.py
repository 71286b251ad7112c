"""The templates in workflows/ paint what diffusers' ten Kandinsky 2.2 pipelines do, through the engine.

Every template runs as it lies there; only checkpoints, sizes, steps and the like are set. diffusers gets a
list of generators seeded as our nodes seed theirs, so both draw the same noise.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    KandinskyV22CombinedPipeline,
    KandinskyV22ControlnetImg2ImgPipeline,
    KandinskyV22ControlnetPipeline,
    KandinskyV22Img2ImgCombinedPipeline,
    KandinskyV22Img2ImgPipeline,
    KandinskyV22InpaintCombinedPipeline,
    KandinskyV22InpaintPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorEmb2EmbPipeline,
    KandinskyV22PriorPipeline,
)

import graph
from nodes.wires import Array
from tests.nodes.stages import random_array, smooth_picture
from tests.parity.checkpoints import as_pillow, dice, differ, make_checkpoints, open_pipeline

PIPELINE = 1e-4
WORKFLOWS = Path(__file__).parents[2] / "workflows"
PROMPT, NEGATIVE = "a red cube on grass", "a blue sphere, sand"
PRIOR_STEPS = 5


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A prior, and a decoder of each variant."""
    return make_checkpoints(tmp_path_factory.mktemp("parity"))


@pytest.fixture
def paint(checkpoints: dict[str, Path], tmp_path: Path) -> Any:
    """`paint(template, variant, **inputs)` runs a template on the tiny checkpoints; its outputs as arrays."""

    def run(template: str, variant: str = "text2img", **inputs: Any) -> Any:
        program = graph.load(WORKFLOWS / f"{template}.json", output=tmp_path / "out", no_cache=True)
        sources = {"prior_source": str(checkpoints["prior"]), "decoder_source": str(checkpoints[variant])}
        made = program.run(**sources, **inputs)
        return np.asarray(next(iter(made.values())))

    return run


def picture_file(folder: Path, width: int, height: int, name: str = "picture.png") -> tuple[str, Array]:
    """A picture on disk, and the same (height, width, 3) as an array."""
    picture = smooth_picture(height, width)[0]
    as_pillow(picture).save(folder / name)
    return str(folder / name), picture


def embed(
    checkpoints: dict[str, Path],
    seed: int,
    rows: int = 1,
    prompt: Any = PROMPT,
    negative: Any = None,
    **more: Any,
) -> dict[str, torch.Tensor]:
    """What diffusers' prior makes of a prompt: `image_embeds` and `negative_image_embeds`."""
    prior = open_pipeline(KandinskyV22PriorPipeline, checkpoints["prior"])
    generator = dice(seed, rows, 2 if negative else 1)
    made = prior(prompt, negative, num_inference_steps=PRIOR_STEPS, generator=generator, **more)
    return {"image_embeds": made.image_embeds, "negative_image_embeds": made.negative_image_embeds}


def seen(checkpoints: dict[str, Path], picture: Array) -> torch.Tensor:
    """What diffusers' image encoder sees in a picture, (1, D)."""
    prior = open_pipeline(KandinskyV22PriorPipeline, checkpoints["prior"])
    with torch.no_grad():
        return prior.image_encoder(
            prior.image_processor(as_pillow(picture), return_tensors="pt").pixel_values
        )[0]


def led(
    checkpoints: dict[str, Path], prompt: str, image: torch.Tensor, strength: float, seed: int
) -> torch.Tensor:
    """What diffusers' emb2emb makes of an image embed, given in the space that its prior works in."""
    prior = open_pipeline(KandinskyV22PriorEmb2EmbPipeline, checkpoints["prior"])
    normalised = (image - prior.prior.clip_mean.detach()) / prior.prior.clip_std.detach()
    made = prior(
        prompt,
        normalised,
        strength,
        num_inference_steps=PRIOR_STEPS,
        generator=dice(seed, 1),
        guidance_scale=4.0,
    )
    return made.image_embeds


@pytest.mark.parametrize("scheduler", ["ddpm", "ddim"])  # dpmpp_2m does not clip: rounding grows
@pytest.mark.parametrize(
    ("width", "height", "steps", "guidance", "seed"),
    [(64, 64, 2, 4.0, 0), (128, 64, 4, 1.0, 3), (64, 128, 3, 7.5, 2**33)],
)
def test_text_to_image(checkpoints, paint, scheduler, width, height, steps, guidance, seed) -> None:
    size = {"width": width, "height": height}
    ours = paint(
        "text_to_image",
        prompt=PROMPT,
        seed=seed,
        steps=steps,
        guidance=guidance,
        **{"denoise.scheduler": scheduler, "prior.steps": PRIOR_STEPS},
        **size,
    )
    theirs = open_pipeline(KandinskyV22Pipeline, checkpoints["text2img"], scheduler)(
        **embed(checkpoints, seed),
        **size,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=dice(seed, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def test_variations(checkpoints, paint, tmp_path) -> None:
    common = {"prior.steps": PRIOR_STEPS, "denoise.width": 64, "denoise.height": 64}
    ours = paint("variations", prompt=PROMPT, count=4, seed=6, steps=2, **common)
    theirs = open_pipeline(KandinskyV22Pipeline, checkpoints["text2img"])(
        **embed(checkpoints, 6, rows=4, num_images_per_prompt=4),
        height=64,
        width=64,
        num_inference_steps=2,
        generator=dice(6, 4),
        output_type="np",
    ).images
    rows = [np.concatenate(theirs[i : i + 2], axis=1) for i in (0, 2)]
    assert differ(ours, np.concatenate(rows)[None]) < PIPELINE


def test_prompt_list(checkpoints, paint) -> None:
    prompts = ["a red cube", "", "a green sphere on sand", "a"]
    common = {"prior.steps": PRIOR_STEPS, "denoise.width": 64, "denoise.height": 64}
    ours = paint("prompt_list", prompts="\n".join(prompts), seed=2, steps=2, **common)
    prompts.remove("")  # an empty line is no prompt
    theirs = open_pipeline(KandinskyV22Pipeline, checkpoints["text2img"])(
        **embed(checkpoints, 2, rows=3, prompt=prompts),
        height=64,
        width=64,
        num_inference_steps=2,
        generator=dice(2, 3),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def test_negative_prompt(checkpoints, paint) -> None:
    common = {"prior.steps": PRIOR_STEPS, "width": 64, "height": 64}
    ours = paint("negative_prompt", prompt=PROMPT, negative_prompt=NEGATIVE, seed=1, steps=3, **common)
    theirs = open_pipeline(KandinskyV22Pipeline, checkpoints["text2img"])(
        **embed(checkpoints, 1, negative=NEGATIVE),
        height=64,
        width=64,
        num_inference_steps=3,
        generator=dice(1, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


@pytest.mark.parametrize(("strength", "scheduler"), [(0.3, "ddpm"), (0.55, "ddim"), (1.0, "ddpm")])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (128, 64)])
def test_image_to_image(checkpoints, paint, tmp_path, strength, scheduler, width, height) -> None:
    path, picture = picture_file(tmp_path, width, height)
    ours = paint(
        "image_to_image",
        prompt=PROMPT,
        picture=path,
        width=width,
        height=height,
        strength=strength,
        seed=4,
        steps=10,
        **{"denoise.scheduler": scheduler, "prior.steps": PRIOR_STEPS},
    )
    theirs = open_pipeline(KandinskyV22Img2ImgPipeline, checkpoints["text2img"], scheduler)(
        **embed(checkpoints, 4),
        image=as_pillow(picture),
        strength=strength,
        height=width,  # diffusers swaps the two
        width=height,
        num_inference_steps=10,
        generator=dice(4, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def inpainted(theirs: Array, picture: Array, mask: Array) -> Array:
    """diffusers' picture with the kept pixels brought back, as the template does and diffusers does not."""
    return theirs * mask[..., None] + picture * (1 - mask[..., None])


def box_mask(width: int, height: int) -> Array:
    """The mask (height, width) of a rectangle over the middle."""
    mask = np.zeros((height, width), np.float32)
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 1
    return mask


BOX = {"shape": "rectangle", "area.feather": 0, "area.x": 0.25, "area.y": 0.25, "area.w": 0.5, "area.h": 0.5}


@pytest.mark.parametrize(("width", "height", "steps", "guidance"), [(64, 64, 2, 4.0), (128, 64, 4, 1.0)])
def test_inpainting(checkpoints, paint, tmp_path, width, height, steps, guidance) -> None:
    path, picture = picture_file(tmp_path, width, height)
    size, mask = {"width": width, "height": height}, box_mask(width, height)
    ours = paint(
        *("inpainting", "inpaint"),
        **{**BOX, "prior.steps": PRIOR_STEPS},
        prompt=PROMPT,
        picture=path,
        guidance=guidance,
        seed=8,
        steps=steps,
        **size,
    )
    theirs = open_pipeline(KandinskyV22InpaintPipeline, checkpoints["inpaint"])(
        **embed(checkpoints, 8),
        image=as_pillow(picture),
        mask_image=mask,
        **size,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=dice(8, 1),
        output_type="np",
    )
    assert differ(ours, inpainted(theirs.images, picture, mask)) < PIPELINE


@pytest.mark.parametrize(("width", "height"), [(64, 64), (64, 128)])
def test_controlnet_text_to_image(checkpoints, paint, tmp_path, width, height) -> None:
    grey = np.repeat(random_array(height, width, 1), 3, axis=2)
    as_pillow(grey).save(tmp_path / "depth.png")
    grey = np.asarray(as_pillow(grey), np.float32) / np.float32(255)
    size = {"width": width, "height": height}
    ours = paint(
        *("controlnet_text_to_image", "controlnet_depth"),
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        depth=str(tmp_path / "depth.png"),
        seed=5,
        steps=3,
        **{"prior.steps": PRIOR_STEPS},
        **size,
    )
    theirs = open_pipeline(KandinskyV22ControlnetPipeline, checkpoints["controlnet_depth"])(
        **embed(checkpoints, 5, negative=NEGATIVE),
        hint=torch.tensor(grey).permute(2, 0, 1)[None],
        **size,
        num_inference_steps=3,
        generator=dice(5, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def test_controlnet_image_to_image(checkpoints, paint, tmp_path) -> None:
    path, picture = picture_file(tmp_path, 64, 64)
    grey = np.repeat(
        np.asarray(as_pillow(picture).convert("L"), np.float32)[..., None] / np.float32(255), 3, 2
    )
    as_pillow(grey).save(tmp_path / "depth.png")
    ours = paint(
        *("controlnet_image_to_image", "controlnet_depth"),
        prompt=PROMPT,
        negative_prompt=NEGATIVE,
        picture=path,
        depth=str(tmp_path / "depth.png"),
        strength=0.5,
        width=64,
        height=64,
        seed=5,
        steps=6,
        **{"prior.steps": PRIOR_STEPS, "away.steps": PRIOR_STEPS},
    )
    image = seen(checkpoints, picture)
    theirs = open_pipeline(KandinskyV22ControlnetImg2ImgPipeline, checkpoints["controlnet_depth"])(
        image_embeds=led(checkpoints, PROMPT, image, 0.85, 5),
        negative_image_embeds=led(checkpoints, NEGATIVE, image, 1.0, 5),
        image=as_pillow(picture),
        hint=torch.tensor(grey).permute(2, 0, 1)[None],
        strength=0.5,
        height=64,
        width=64,
        num_inference_steps=6,
        generator=dice(5, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_emb2emb(checkpoints, paint, tmp_path, strength) -> None:
    path, picture = picture_file(tmp_path, 50, 40)
    common = {"prior.steps": PRIOR_STEPS, "width": 64, "height": 64}
    ours = paint("emb2emb", prompt=PROMPT, picture=path, strength=strength, seed=3, steps=2, **common)
    theirs = open_pipeline(KandinskyV22Pipeline, checkpoints["text2img"])(
        image_embeds=led(checkpoints, PROMPT, seen(checkpoints, picture), strength, 3),
        negative_image_embeds=embed(checkpoints, 0)["negative_image_embeds"],
        height=64,
        width=64,
        num_inference_steps=2,
        generator=dice(3, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def test_interpolation(checkpoints, paint, tmp_path) -> None:
    first, one = picture_file(tmp_path, 50, 40)
    second, two = picture_file(tmp_path, 33, 64, "second.png")
    weights = [0.3, 0.5, 0.4]
    common = {"prior.steps": PRIOR_STEPS, "width": 64, "height": 64, "seed": 3, "steps": 2}
    ours = paint(
        "interpolation", prompt=PROMPT, first_picture=first, second_picture=second, weights=weights, **common
    )
    prior = open_pipeline(KandinskyV22PriorPipeline, checkpoints["prior"])
    mixed = prior.interpolate(
        [PROMPT, as_pillow(one), as_pillow(two)],
        weights,
        num_inference_steps=PRIOR_STEPS,
        generator=dice(3, 1),
    )
    theirs = open_pipeline(KandinskyV22Pipeline, checkpoints["text2img"])(
        image_embeds=mixed.image_embeds,
        negative_image_embeds=mixed.negative_image_embeds,
        height=64,
        width=64,
        num_inference_steps=2,
        generator=dice(3, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def combined(pipeline: Any, checkpoints: dict[str, Path], variant: str) -> Any:
    """A combined pipeline made of the same parts."""
    prior = open_pipeline(KandinskyV22PriorPipeline, checkpoints["prior"])
    decoder = open_pipeline(KandinskyV22Pipeline, checkpoints[variant])
    parts = {f"prior_{name}": part for name, part in prior.components.items()}
    return pipeline(**decoder.components, **parts)


def run_combined(pipeline: Any, seed: int, **inputs: Any) -> Array:
    """diffusers' decoder goes on with the prior's dice; ours start anew, so these are reseeded."""
    generators = dice(seed, 1)

    def seed_again(_: Any, step: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if step == PRIOR_STEPS - 1:
            for row, generator in enumerate(generators):
                generator.manual_seed(seed + row)
        return tensors

    return pipeline(
        PROMPT,
        generator=generators,
        prior_num_inference_steps=PRIOR_STEPS,
        prior_callback_on_step_end=seed_again,
        output_type="np",
        **inputs,
    ).images


def test_combined(checkpoints, paint) -> None:
    size = {"width": 128, "height": 64}
    ours = paint("text_to_image", prompt=PROMPT, seed=7, steps=3, **size, **{"prior.steps": PRIOR_STEPS})
    theirs = combined(KandinskyV22CombinedPipeline, checkpoints, "text2img")
    assert differ(ours, run_combined(theirs, 7, num_inference_steps=3, **size)) < PIPELINE


def test_image_to_image_combined(checkpoints, paint, tmp_path) -> None:
    path, picture = picture_file(tmp_path, 64, 64)
    size = {"width": 64, "height": 64}
    common = {"strength": 0.5, **size}
    ours = paint(
        "image_to_image",
        prompt=PROMPT,
        picture=path,
        seed=7,
        steps=6,
        **common,
        **{"prior.steps": PRIOR_STEPS},
    )
    theirs = combined(KandinskyV22Img2ImgCombinedPipeline, checkpoints, "text2img")
    inputs = {"image": as_pillow(picture), "num_inference_steps": 6, **common}
    assert differ(ours, run_combined(theirs, 7, **inputs)) < PIPELINE


def test_inpainting_combined(checkpoints, paint, tmp_path) -> None:
    path, picture = picture_file(tmp_path, 64, 64)
    size, mask = {"width": 64, "height": 64}, box_mask(64, 64)
    ours = paint(
        *("inpainting", "inpaint"),
        **{**BOX, "prior.steps": PRIOR_STEPS},
        prompt=PROMPT,
        picture=path,
        seed=7,
        steps=3,
        **size,
    )
    theirs = combined(KandinskyV22InpaintCombinedPipeline, checkpoints, "inpaint")
    made = run_combined(theirs, 7, image=as_pillow(picture), mask_image=mask, num_inference_steps=3, **size)
    assert differ(ours, inpainted(made, picture, mask)) < PIPELINE
