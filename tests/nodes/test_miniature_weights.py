"""The checkpoint in nodes/miniature/weights: whole, small, opened by our networks, and as good as it says."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from nodes.miniature.captions import VOCABULARY
from nodes.miniature.judge import open_judge
from nodes.miniature.painting import WEIGHTS, Painter
from nodes.miniature.scenes import ATTRIBUTES, COLOURS, GROUNDS, SKIES


@pytest.fixture(scope="module")
def miniature() -> Miniature:
    return Miniature.open(WEIGHTS)


def test_it_is_at_most_twenty_megabytes_of_float16_safetensors_and_text() -> None:
    files = [file for file in WEIGHTS.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 20_000_000
    assert {file.suffix for file in files} == {".json", ".txt", ".safetensors"}
    for file in files:
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as tensors:
                assert {tensors.get_slice(name).get_dtype() for name in tensors.keys()} == {"F16"}  # noqa: SIM118


def test_the_vocabulary_is_the_one_the_captions_use() -> None:
    assert (WEIGHTS / "prior/vocabulary.txt").read_text().split() == list(VOCABULARY)


def test_what_it_recommends_can_be_done(miniature: Miniature) -> None:
    stated = json.loads((WEIGHTS / "decoder/recommended.json").read_text())
    factor = miniature.movq.config.factor
    assert factor == 8
    for side in ("width", "height"):
        assert stated[side] % (factor * miniature.unet.config.factor) == 0
    assert len(stated["preview"]["matrix"]) == miniature.movq.config.latent_channels
    assert {len(row) for row in (*stated["preview"]["matrix"], stated["preview"]["bias"])} == {3}


def test_it_draws_the_ground_the_sky_and_the_colour(miniature: Miniature) -> None:
    prompts = {
        "a large red sphere in the middle on grass by day": ("red", "grass", "day"),
        "a large blue cube in the middle on snow at night": ("blue", "snow", "night"),
        "a large yellow cone in the middle on sand at sunset": ("yellow", "sand", "sunset"),
        "a large green tree in the middle on stone in a storm": ("green", "stone", "storm"),
    }
    settings = replace(miniature.recommended, prior_steps=10)
    pictures = miniature.paint(miniature.imagine(list(prompts), settings, seed=3), settings, seed=3)
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


def test_the_preview_map_shows_roughly_the_picture(miniature: Miniature) -> None:
    stated = json.loads((WEIGHTS / "decoder/recommended.json").read_text())["preview"]
    settings = replace(miniature.recommended, prior_steps=5, steps=5)
    embeds = miniature.imagine(
        ["a red cube on snow by day", "a blue ring on grass at sunset"], settings, seed=1
    )
    pictures = miniature.paint(embeds, settings, seed=1)
    with torch.no_grad():
        latents = miniature.movq.encode(pictures)
    decoded = torch.nn.functional.avg_pool2d(pictures, 8) / 2 + 0.5
    shown = torch.einsum("bchw,cr->brhw", latents, torch.tensor(stated["matrix"]))
    shown = shown + torch.tensor(stated["bias"])[:, None, None]
    assert torch.corrcoef(torch.stack([decoded.flatten(), shown.flatten()]))[0, 1] > 0.8
