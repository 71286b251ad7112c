"""The shipped checkpoint is an ordinary diffusers checkpoint: its pipelines load it and draw with it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, KandinskyV22Pipeline, KandinskyV22PriorPipeline
from transformers import CLIPTokenizer

import graph
from nodes.miniature import WEIGHTS
from nodes.miniature.judge.bench import open_judge
from nodes.miniature.scenes.captions import VOCABULARY
from nodes.miniature.scenes.scenes import ATTRIBUTES, COLOURS, GROUNDS, SKIES
from nodes.miniature.training.judge_net import JudgeNet
from tests.parity.checkpoints import dice

TEMPLATE = Path(graph.__file__).parents[1] / "workflows" / "text_to_image.json"
PROMPTS = [
    "a large red sphere in the middle on grass by day",
    "a large blue cube in the middle on snow at night",
    "a large yellow cone on sand at sunset",
    "a large green tree on stone in a storm",
]


Draw = Callable[[list[str], int], np.ndarray]


@pytest.fixture(scope="module")
def draw() -> Draw:
    """What diffusers draws for texts and a seed, (B, 128, 128, 3) in 0..1; each row has dice of its own."""
    prior = KandinskyV22PriorPipeline.from_pretrained(WEIGHTS / "prior", torch_dtype=torch.float32)
    decoder = KandinskyV22Pipeline.from_pretrained(WEIGHTS / "decoder", torch_dtype=torch.float32)
    decoder.scheduler = DDIMScheduler.from_config(decoder.scheduler.config)
    for pipeline in (prior, decoder):
        pipeline.set_progress_bar_config(disable=True)
    first = json.loads((WEIGHTS / "prior/recommended.json").read_text())
    second = json.loads((WEIGHTS / "decoder/recommended.json").read_text())

    def drawn(texts: list[str], seed: int) -> np.ndarray:
        embeds = prior(
            texts,
            num_inference_steps=first["steps"],
            guidance_scale=first["guidance"],
            generator=dice(seed, len(texts)),
        )
        images = decoder(
            image_embeds=embeds.image_embeds,
            negative_image_embeds=prior.get_zero_embed(batch_size=len(texts)),
            num_inference_steps=second["steps"],
            guidance_scale=second["guidance"],
            width=second["width"],
            height=second["height"],
            generator=dice(seed, len(texts)),
            output_type="np",
        ).images
        return np.asarray(images)

    return drawn


@pytest.mark.parametrize("seed", [1, 20])
def test_we_draw_the_same_pictures(draw: Draw, seed: int, tmp_path: Path) -> None:
    program = graph.load(TEMPLATE, output=tmp_path, no_cache=True)
    for text in PROMPTS[:2]:
        ours = program.run(prompt=text, seed=seed)["image"].image
        assert np.abs(ours - draw([text], seed)).max() < 0.5 / 255


def named(judge: JudgeNet, pictures: torch.Tensor, attribute: str) -> list[int]:
    with torch.no_grad():
        return judge(pictures)[0][list(ATTRIBUTES).index(attribute)].argmax(1).tolist()


def test_diffusers_draws_what_the_prompts_say(draw: Draw) -> None:
    judge = open_judge(WEIGHTS)
    pictures = torch.from_numpy(draw(PROMPTS, 0)).permute(0, 3, 1, 2).float() * 2 - 1
    assert pictures.shape == (4, 3, 128, 128)
    grounds = [GROUNDS[k] for k in named(judge, pictures, "ground")]
    skies = [SKIES[k] for k in named(judge, pictures, "sky")]
    colours = [COLOURS[k] for k in named(judge, pictures, "colour_0")]
    assert sum(a == b for a, b in zip(grounds, ("grass", "snow", "sand", "stone"), strict=True)) >= 3
    assert sum(a == b for a, b in zip(skies, ("day", "night", "sunset", "storm"), strict=True)) >= 3
    assert sum(a == b for a, b in zip(colours, ("red", "blue", "yellow", "green"), strict=True)) >= 3


def test_the_shipped_tokenizer_knows_the_shipped_vocabulary() -> None:
    tokenizer = CLIPTokenizer.from_pretrained(WEIGHTS / "prior/tokenizer")
    words = (WEIGHTS / "prior/vocabulary.txt").read_text().split()
    assert words == list(VOCABULARY)
    for word in words:
        assert len(tokenizer(word).input_ids) == 3
