"""The templates k3_* paint what diffusers' Kandinsky 3 pipelines do, through the engine.

Only checkpoints, sizes, steps and the like are set. Where the two differ on purpose (DIFFERENCES.md),
diffusers is given what we do, and everything else must agree.
"""

from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import Kandinsky3Img2ImgPipeline, Kandinsky3Pipeline

import graph
from nodes.wires import Array
from tests.nodes import tiny, tiny3
from tests.nodes.stages import smooth_picture
from tests.parity.checkpoints import as_pillow, dice, differ, open_pipeline

PIPELINE = 1e-4
WORKFLOWS = Path(__file__).parents[2] / "workflows"
PROMPT, LONGER, SHORTER = "a red cube on grass", "a blue sphere on sand, green grass", "a sphere"
FOUR_LEVELS: dict[str, Any] = {  # as many as the real UNet has: sizes are rounded as diffusers rounds them
    "block_out_channels": (32, 32, 64, 64),
    "groups": 4,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint. Most pixels lie between black and white, where differences show."""
    movq = tiny.tiny_movq()
    with torch.no_grad():
        movq.decoder.conv_out.weight.mul_(0.05)
    folder = tmp_path_factory.mktemp("parity3") / "kandinsky3"
    pipeline = Kandinsky3Pipeline.from_pretrained(tiny3.tiny_kandinsky3(folder, **FOUR_LEVELS), movq=movq)
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def paint(folder: Path, tmp_path: Path) -> Any:
    """`paint(template, **inputs)` runs a template on the tiny checkpoint; its picture as an array."""

    def run(template: str, **inputs: Any) -> Array:
        program = graph.load(WORKFLOWS / f"k3_{template}.json", output=tmp_path / "out", no_cache=True)
        made = np.asarray(next(iter(program.run(source=str(folder), **inputs).values())))
        assert made.std() > 0.01 and ((made > 0) & (made < 1)).mean() > 0.5
        return made

    return run


@pytest.mark.parametrize(
    ("width", "height", "steps", "guidance", "seed"),
    [(64, 64, 2, 3.0, 0), (128, 64, 4, 1.0, 3), (64, 128, 3, 7.5, 2**33), (64, 64, 10, 1.1, 1)],
)
def test_text_to_image(folder, paint, width, height, steps, guidance, seed) -> None:
    size = {"width": width, "height": height}
    ours = paint("text_to_image", prompt=PROMPT, seed=seed, steps=steps, guidance=guidance, **size)
    theirs = open_pipeline(Kandinsky3Pipeline, folder)(
        PROMPT,
        **size,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=dice(seed, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def test_the_defaults_are_those_of_diffusers(folder) -> None:
    parts = tiny3.kandinsky3_parts(folder)
    defaults = {name: p.default for name, p in signature(Kandinsky3Pipeline.__call__).parameters.items()}
    names = {"width": "width", "height": "height", "steps": "num_inference_steps"}
    wanted = {ours: defaults[theirs] for ours, theirs in {**names, "guidance": "guidance_scale"}.items()}
    assert {name: parts.unet.recommended[name] for name in wanted} == wanted


@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp_2m"])
def test_other_schedulers(folder, paint, scheduler) -> None:
    size = {"width": 64, "height": 64}
    chosen = {"denoise.scheduler": scheduler}
    ours = paint("text_to_image", prompt=PROMPT, seed=1, steps=4, guidance=1.1, **size, **chosen)
    theirs = open_pipeline(Kandinsky3Pipeline, folder, scheduler)(
        PROMPT,
        **size,
        num_inference_steps=4,
        guidance_scale=1.1,
        generator=dice(1, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


@pytest.mark.parametrize("negative", [PROMPT, SHORTER, ""])
def test_negative_prompt(folder, paint, negative) -> None:
    size = {"width": 64, "height": 64}
    ours = paint("negative_prompt", prompt=PROMPT, negative_prompt=negative, seed=1, steps=3, **size)
    theirs = open_pipeline(Kandinsky3Pipeline, folder)(
        PROMPT,
        negative_prompt=negative,
        **size,
        num_inference_steps=3,
        generator=dice(1, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE


def test_a_negative_prompt_is_not_cut_to_the_length_of_the_prompt(folder, paint) -> None:
    """diffusers cuts it. The prompt's half of guidance is the same; only the negative's half differs."""
    common = {"prompt": SHORTER, "seed": 1, "steps": 1, "width": 64, "height": 64}
    whole = paint("negative_prompt", negative_prompt=LONGER, **common)
    pipeline = open_pipeline(Kandinsky3Pipeline, folder)
    tokens = pipeline.tokenizer([SHORTER, LONGER], padding="max_length", max_length=20, return_tensors="pt")
    masks = tokens.attention_mask
    counts = masks.sum(dim=1) + 1
    assert counts[0] < counts[1]
    with torch.no_grad():
        states = pipeline.text_encoder(tokens.input_ids, attention_mask=masks)[0] * masks[:, :, None]
        noise = torch.randn(1, 4, 8, 8, generator=dice(1, 1)[0])
        away, towards = (
            pipeline.unet(
                noise,
                pipeline.scheduler.config.steps_offset,
                encoder_hidden_states=states[i : i + 1, : counts[i]],
                encoder_attention_mask=masks[i : i + 1, : counts[i]],
            ).sample
            for i in (1, 0)
        )
        pipeline.scheduler.set_timesteps(1)
        led = 4.0 * towards - 3.0 * away
        latents = pipeline.scheduler.step(led, 1, noise, generator=torch.Generator()).prev_sample
        pixels = pipeline.movq.decode(latents, force_not_quantize=True).sample * 0.5 + 0.5
    assert differ(whole, pixels.clamp(0, 1).permute(0, 2, 3, 1)) < PIPELINE


def test_a_batch_of_prompts(folder, tmp_path) -> None:
    """Of different lengths, and two pictures each: diffusers mixes their masks up, so it paints singly."""
    program = graph.load(WORKFLOWS / "k3_text_to_image.json", output=tmp_path, no_cache=True)
    prompts, small = [SHORTER, LONGER], {"width": 64, "height": 64, "steps": 3}
    many = {"prompt": "\n".join(prompts), "prompt.lines": True, "denoise.images_per_prompt": 2}
    ours = program.run(source=str(folder), seed=5, **small, **many)["image"].image
    pipeline = open_pipeline(Kandinsky3Pipeline, folder)
    for row, prompt in enumerate(prompt for prompt in prompts for _ in range(2)):
        theirs = pipeline(
            prompt,
            width=64,
            height=64,
            num_inference_steps=3,
            generator=dice(5 + row, 1),
            output_type="np",
        )
        assert differ(ours[row : row + 1], theirs.images) < PIPELINE


@pytest.mark.parametrize(("strength", "steps", "guidance"), [(0.75, 4, 3.0), (0.29, 10, 1.0), (1.0, 3, 3.0)])
def test_image_to_image(folder, paint, tmp_path, strength, steps, guidance) -> None:
    picture = smooth_picture(64, 128)[0]
    as_pillow(picture).save(tmp_path / "picture.png")
    ours = paint(
        "image_to_image",
        prompt=PROMPT,
        picture=str(tmp_path / "picture.png"),
        width=128,
        height=64,
        strength=strength,
        seed=1,
        steps=steps,
        guidance=guidance,
    )
    pipeline = open_pipeline(Kandinsky3Img2ImgPipeline, folder)
    theirs = pipeline(
        PROMPT,
        image=as_pillow(picture),
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=dice(1, 1),
        output_type="np",
    )
    assert differ(ours, theirs.images) < PIPELINE
