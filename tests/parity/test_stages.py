"""Each stage of Kandinsky 2.2 computes what diffusers' does, on random tiny checkpoints in fp32."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    KandinskyV22ControlnetPipeline,
    KandinskyV22InpaintPipeline,
    KandinskyV22Pipeline,
    KandinskyV22PriorEmb2EmbPipeline,
    KandinskyV22PriorPipeline,
)

from nodes.kandinsky.image_encode import image_encode
from nodes.kandinsky.interpolate import interpolate
from nodes.kandinsky.movq_decode import movq_decode
from nodes.kandinsky.movq_encode import movq_encode
from nodes.kandinsky.prior import prior
from nodes.kandinsky.prior_emb2emb import prior_emb2emb
from nodes.kandinsky.text_encode import text_encode
from nodes.kandinsky.unet_denoise import unet_denoise
from nodes.kandinsky.zero_embeds import zero_embeds
from nodes.wires import DepthHint, Image, ImageEmbeds, Latents, Mask
from tests.nodes import tiny
from tests.nodes.stages import (
    Recorder,
    decoder_parts,
    prior_parts,
    random_array,
    random_embeds,
    smooth_picture,
)
from tests.parity.checkpoints import as_pillow, dice, differ, make_checkpoints, open_pipeline

STAGE = 1e-5
PROMPTS = ["a red cube on grass", "a blue sphere"]
NEGATIVES = ["sand", "a green cube"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A prior, and a decoder of each variant."""
    return make_checkpoints(tmp_path_factory.mktemp("parity"))


@pytest.fixture(scope="module")
def theirs(checkpoints: dict[str, Path]) -> KandinskyV22PriorPipeline:
    """diffusers' prior pipeline on the same files."""
    return open_pipeline(KandinskyV22PriorPipeline, checkpoints["prior"])


def encode(folder: Path, prompts: list[str]) -> Any:
    lines = "\n".join(prompts)
    return text_encode(prior_parts(folder).text_encoder, text=lines, lines=True, progress=Recorder())


@pytest.mark.parametrize("prompts", [PROMPTS, ["", "x y z, 0.9!"], ["a red cube " * 60]])
def test_text_encode(checkpoints, theirs, prompts) -> None:
    if prompts[0]:
        ours = encode(checkpoints["prior"], prompts)
    else:  # an empty line is no prompt, so the empty prompt goes alone
        parts = prior_parts(checkpoints["prior"])
        ours = text_encode(parts.text_encoder, text="", progress=Recorder())
        prompts = [""]
    ids = theirs.tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    with torch.no_grad():
        encoded = theirs.text_encoder(ids.input_ids)
    assert differ(ours.text_embeds, encoded.text_embeds) < STAGE
    assert differ(ours.hidden_states, encoded.last_hidden_state) < STAGE
    assert differ(ours.attention_mask, ids.attention_mask.float()) == 0


@pytest.mark.parametrize("size", [(28, 28), (40, 61), (97, 33)])
def test_image_encode(checkpoints, theirs, size) -> None:
    image = smooth_picture(*size, rows=2)
    ours = image_encode(prior_parts(checkpoints["prior"]).image_encoder, Image(image), progress=Recorder())
    pixels = theirs.image_processor([as_pillow(row) for row in image], return_tensors="pt").pixel_values
    with torch.no_grad():
        assert differ(ours, theirs.image_encoder(pixels).image_embeds) < STAGE


def test_zero_embeds(checkpoints, theirs) -> None:
    ours = zero_embeds(prior_parts(checkpoints["prior"]).image_encoder, progress=Recorder())
    assert differ(ours, theirs.get_zero_embed(1, "cpu").detach()) < STAGE


@pytest.mark.parametrize("guidance", [1.0, 4.0])
@pytest.mark.parametrize("negatives", [None, NEGATIVES])
@pytest.mark.parametrize(("steps", "seed", "copies"), [(2, 0, 1), (5, 7, 2), (25, 2**40, 1)])
def test_prior(checkpoints, theirs, guidance, negatives, steps, seed, copies) -> None:
    parts, rows = prior_parts(checkpoints["prior"]), len(PROMPTS) * copies
    ours = prior(
        parts.prior,
        encode(checkpoints["prior"], PROMPTS),
        encode(checkpoints["prior"], negatives) if negatives else None,
        parts.image_encoder,
        steps=steps,
        guidance=guidance,
        seed=seed,
        images_per_prompt=copies,
        progress=Recorder(),
    )
    expected = theirs(
        PROMPTS,
        negative_prompt=negatives,
        num_inference_steps=steps,
        guidance_scale=guidance,
        num_images_per_prompt=copies,
        # diffusers samples the negatives as further rows; a negative has the seed of its row.
        generator=dice(seed, rows, 2 if negatives else 1),
    )
    assert differ(ours.image_embeds, expected.image_embeds) < STAGE
    if negatives:
        assert differ(ours.negative_image_embeds, expected.negative_image_embeds) < STAGE
    else:
        assert differ(ours.negative_image_embeds, expected.negative_image_embeds[:1]) < STAGE


def test_prior_from_given_noise(checkpoints, theirs) -> None:
    parts, noise = prior_parts(checkpoints["prior"]), random_embeds(2, tiny.EMBED)
    text = encode(checkpoints["prior"], PROMPTS)
    ours = prior(
        *(parts.prior, text, None, None, noise),
        steps=4,
        guidance=3.0,
        seed=5,
        wanted=frozenset({"image_embeds"}),
        progress=Recorder(),
    )
    expected = theirs(
        PROMPTS,
        num_inference_steps=4,
        guidance_scale=3.0,
        latents=torch.tensor(noise.image_embeds),
        generator=dice(5, 2),
    )
    assert differ(ours.image_embeds, expected.image_embeds) < STAGE


@pytest.mark.parametrize("negatives", [None, NEGATIVES])
@pytest.mark.parametrize(("strength", "guidance"), [(0.3, 4.0), (0.85, 1.0), (1.0, 2.0)])
def test_prior_emb2emb(checkpoints, negatives, strength, guidance) -> None:
    parts = prior_parts(checkpoints["prior"])
    theirs = open_pipeline(KandinskyV22PriorEmb2EmbPipeline, checkpoints["prior"])
    image = random_embeds(2, tiny.EMBED)
    ours = prior_emb2emb(
        parts.prior,
        encode(checkpoints["prior"], PROMPTS),
        image,
        encode(checkpoints["prior"], negatives) if negatives else None,
        parts.image_encoder,
        steps=10,
        guidance=guidance,
        seed=3,
        strength=strength,
        progress=Recorder(),
    )
    # diffusers noises the embeds as they are, though the prior works with normalised ones: it gets those.
    mean, std = theirs.prior.clip_mean.detach(), theirs.prior.clip_std.detach()
    normalised = (torch.tensor(image.image_embeds) - mean) / std
    expected = theirs(
        PROMPTS,
        image=normalised.repeat(2, 1) if negatives else normalised,
        negative_prompt=negatives,
        strength=strength,
        num_inference_steps=10,
        guidance_scale=guidance,
        generator=dice(3, 2, 2 if negatives else 1),
    )
    assert differ(ours.image_embeds, expected.image_embeds) < STAGE
    rows = slice(None) if negatives else slice(1)
    assert differ(ours.negative_image_embeds, expected.negative_image_embeds[rows]) < STAGE


def test_interpolate(checkpoints, theirs) -> None:
    parts, weights = prior_parts(checkpoints["prior"]), [0.5, 0.2, -0.1]
    picture = smooth_picture(40, 40)
    text = encode(checkpoints["prior"], PROMPTS[:1])
    made = prior(
        parts.prior, text, steps=4, guidance=4.0, seed=11, wanted={"image_embeds"}, progress=Recorder()
    )
    seen = image_encode(parts.image_encoder, Image(picture), progress=Recorder())
    ours = interpolate([made.image_embeds, seen, seen], weights=weights)
    pillow = as_pillow(picture[0])
    expected = theirs.interpolate(
        [PROMPTS[0], pillow, pillow], weights, num_inference_steps=4, generator=dice(11, 1)
    )
    assert differ(ours, expected.image_embeds) < STAGE


@pytest.mark.parametrize(("height", "width", "rows"), [(64, 64, 1), (64, 128, 2), (40, 24, 1)])
def test_movq(checkpoints, height, width, rows) -> None:
    theirs = KandinskyV22Pipeline.from_pretrained(checkpoints["text2img"]).movq
    movq = decoder_parts(checkpoints["text2img"]).movq
    image = smooth_picture(height, width, rows=rows)
    latents = movq_encode(movq, Image(image), progress=Recorder())
    with torch.no_grad():
        expected = theirs.encode(torch.tensor(image).permute(0, 3, 1, 2) * 2 - 1).latents
        assert differ(latents.latents, expected) < STAGE
        pixels = theirs.decode(expected, force_not_quantize=True).sample
    expected = (pixels * 0.5 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    assert differ(movq_decode(movq, latents, progress=Recorder()), expected) < STAGE


@pytest.mark.parametrize("scheduler", ["ddpm", "ddim", "dpmpp_2m"])
@pytest.mark.parametrize(
    ("width", "height", "steps", "guidance", "rows", "copies"),
    [(64, 64, 2, 4.0, 1, 1), (128, 64, 3, 1.5, 2, 1), (64, 64, 5, 1.0, 2, 1), (64, 128, 2, 4.0, 2, 2)],
)
def test_unet_denoise(checkpoints, scheduler, width, height, steps, guidance, rows, copies) -> None:
    unet = decoder_parts(checkpoints["text2img"]).unet
    embeds, negative = random_embeds(rows, tiny.EMBED), random_embeds(rows, tiny.EMBED, seed=1)
    ours = unet_denoise(
        unet,
        embeds,
        negative,
        width=width,
        height=height,
        steps=steps,
        guidance=guidance,
        scheduler=scheduler,
        seed=9,
        images_per_prompt=copies,
        progress=Recorder(),
    )
    theirs = open_pipeline(KandinskyV22Pipeline, checkpoints["text2img"], scheduler)
    expected = theirs(
        torch.tensor(embeds.image_embeds),
        torch.tensor(negative.image_embeds),
        height=height,
        width=width,
        num_inference_steps=steps,
        guidance_scale=guidance,
        num_images_per_prompt=copies,
        generator=dice(9, rows * copies),
        output_type="latent",
    ).images
    assert differ(ours.latents, expected) < 10 * STAGE  # several forward passes, one after the other


def test_unet_denoise_with_a_mask(checkpoints) -> None:
    parts = decoder_parts(checkpoints["inpaint"])
    image, mask = smooth_picture(64, 128), np.zeros((1, 64, 128), np.float32)
    mask[:, 10:50, 30:90] = 1
    embeds, negative = random_embeds(1, tiny.EMBED), random_embeds(1, tiny.EMBED, seed=1)
    start = movq_encode(parts.movq, Image(image), progress=Recorder())
    ours = unet_denoise(
        *(parts.unet, embeds, negative),
        latents=start,
        mask=Mask(mask),
        steps=4,
        guidance=3.0,
        seed=2,
        progress=Recorder(),
    )
    theirs = open_pipeline(KandinskyV22InpaintPipeline, checkpoints["inpaint"], "ddpm")
    expected = theirs(
        torch.tensor(embeds.image_embeds),
        as_pillow(image[0]),
        mask[0],
        torch.tensor(negative.image_embeds),
        height=64,
        width=128,
        num_inference_steps=4,
        guidance_scale=3.0,
        generator=dice(2, 1),
        output_type="latent",
    ).images
    assert differ(ours.latents, expected) < 10 * STAGE


def test_unet_denoise_with_a_hint(checkpoints) -> None:
    parts = decoder_parts(checkpoints["controlnet_depth"])
    hint = random_array(1, 3, 64, 64)
    embeds, negative = random_embeds(2, tiny.EMBED), random_embeds(2, tiny.EMBED, seed=1)
    ours = unet_denoise(
        *(parts.unet, embeds, negative),
        depth_hint=DepthHint(hint),
        width=64,
        height=64,
        steps=3,
        guidance=3.0,
        seed=2,
        progress=Recorder(),
    )
    theirs = open_pipeline(KandinskyV22ControlnetPipeline, checkpoints["controlnet_depth"], "ddpm")
    expected = theirs(
        torch.tensor(embeds.image_embeds),
        torch.tensor(negative.image_embeds),
        hint=torch.tensor(hint).repeat(2, 1, 1, 1),
        height=64,
        width=64,
        num_inference_steps=3,
        guidance_scale=3.0,
        generator=dice(2, 2),
        output_type="np",
    ).images
    pixels = movq_decode(parts.movq, ours, progress=Recorder())
    assert differ(pixels, expected) < 10 * STAGE


def test_latents_go_on_where_a_run_stopped(checkpoints) -> None:
    """Not in diffusers: a run in two parts is the run in one."""
    unet = decoder_parts(checkpoints["text2img"]).unet
    embeds, negative = random_embeds(2, tiny.EMBED), random_embeds(2, tiny.EMBED, seed=1)
    common: dict[str, Any] = {"steps": 6, "guidance": 2.0, "seed": 4, "progress": Recorder()}
    whole = unet_denoise(unet, embeds, negative, width=64, height=64, **common)
    latents: Latents | None = None
    size = {"width": 64, "height": 64}
    for start, end in pairwise((0, 1, 4, 6)):
        latents = unet_denoise(
            unet, embeds, negative, latents=latents, start_step=start, end_step=end, **size, **common
        )
    assert latents is not None
    assert differ(latents.latents, whole.latents) == 0


def test_embeds_of_another_system_are_refused(checkpoints) -> None:
    unet = decoder_parts(checkpoints["text2img"]).unet
    other = ImageEmbeds(np.zeros((1, tiny.EMBED)), "2.1")
    with pytest.raises(ValueError, match=r"of Kandinsky 2\.1, the UNet is of 2\.2"):
        unet_denoise(unet, other, width=64, height=64, steps=1, guidance=1.0, progress=Recorder())
