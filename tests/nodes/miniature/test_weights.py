"""The checkpoint in nodes/miniature/weights: whole, small, opened by our networks, and as good as it says."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from nodes.miniature import WEIGHTS
from nodes.miniature.judge.bench import open_judge
from nodes.miniature.judge.painting import Painter
from nodes.miniature.scenes.captions import VOCABULARY
from nodes.miniature.scenes.scenes import ATTRIBUTES, COLOURS, GROUNDS, SKIES


@pytest.fixture(scope="module")
def painter() -> Painter:
    return Painter.open(WEIGHTS)


def test_it_is_at_most_forty_megabytes_of_float16_safetensors_and_text() -> None:
    files = [file for file in WEIGHTS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 40_000_000
    assert {file.suffix for file in files} == {".json", ".txt", ".safetensors"}
    for file in files:
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as tensors:
                assert {tensors.get_slice(name).get_dtype() for name in tensors.keys()} == {"F16"}  # noqa: SIM118


def test_the_vocabulary_is_the_one_the_captions_use() -> None:
    assert (WEIGHTS / "prior/vocabulary.txt").read_text().split() == list(VOCABULARY)


def test_what_it_recommends_can_be_done() -> None:
    stated = json.loads((WEIGHTS / "decoder/recommended.json").read_text())
    movq, unet = (
        json.loads((WEIGHTS / f"decoder/{part}/config.json").read_text()) for part in ("movq", "unet")
    )
    factor = 2 ** (len(movq["block_out_channels"]) - 1)
    assert factor == 8
    for side in ("width", "height"):
        assert stated[side] % (factor * 2 ** (len(unet["block_out_channels"]) - 1)) == 0
    assert len(stated["preview"]["matrix"]) == movq["latent_channels"]
    assert {len(row) for row in (*stated["preview"]["matrix"], stated["preview"]["bias"])} == {3}


def test_it_draws_the_ground_the_sky_and_the_colour(painter: Painter) -> None:
    prompts = {
        "a large red sphere in the middle on grass by day": ("red", "grass", "day"),
        "a large blue cube in the middle on snow at night": ("blue", "snow", "night"),
        "a large yellow cone in the middle on sand at sunset": ("yellow", "sand", "sunset"),
        "a large green tree in the middle on stone in a storm": ("green", "stone", "storm"),
    }
    settings = replace(painter.recommended, prior_steps=10)
    pictures = painter.paint(painter.imagine(list(prompts), settings, seed=3), settings, seed=3)
    with torch.no_grad():
        logits = dict(zip(ATTRIBUTES, open_judge(WEIGHTS)(pictures)[0], strict=True))
    seen = [
        (COLOURS[colour], GROUNDS[ground], SKIES[sky])
        for colour, ground, sky in zip(
            *(logits[name].argmax(1).tolist() for name in ("colour_0", "ground", "sky")), strict=True
        )
    ]
    right = sum(
        a == b
        for wanted, got in zip(prompts.values(), seen, strict=True)
        for a, b in zip(wanted, got, strict=True)
    )
    assert right >= 10, seen


def test_the_preview_map_shows_roughly_the_picture(painter: Painter) -> None:
    stated = json.loads((WEIGHTS / "decoder/recommended.json").read_text())["preview"]
    settings = replace(painter.recommended, prior_steps=5, steps=5)
    texts = ["a red cube on snow by day", "a blue ring on grass at sunset"]
    pictures = painter.paint(painter.imagine(texts, settings, seed=1), settings, seed=1)
    latents = torch.tensor(painter.encode(pictures).latents)
    decoded = torch.nn.functional.avg_pool2d(pictures, 8) / 2 + 0.5
    shown = torch.einsum("bchw,cr->brhw", latents, torch.tensor(stated["matrix"]))
    shown = shown + torch.tensor(stated["bias"])[:, None, None]
    assert torch.corrcoef(torch.stack([decoded.flatten(), shown.flatten()]))[0, 1] > 0.8
