"""Whether two prompts, or a picture and a prompt, can be mixed: the judge looks at every step of the way."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nodes.kandinsky.interpolate import interpolate
from nodes.miniature.judge.bench import COLUMNS, SEED, Bench, Figure, drawn, mean, rows_of, share
from nodes.miniature.scenes.captions import full_caption
from nodes.miniature.scenes.scenes import ATTRIBUTES, Attributes, Scene, place
from nodes.miniature.training.judge_net import JudgeNet
from nodes.wires import ImageEmbeds

STEADY = 0.03  # a probability may fall by this much, as noise, on its way up
WEIGHTS_OF_SECOND = (0.0, 0.25, 0.5, 0.75, 1.0)
STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.9)


def mixing(bench: Bench, count: int) -> dict[str, Figure]:
    """Two prompts of one thing each, mixed: what the judge sees of the second grows with its weight."""
    paths = []
    for seed, first, second in opposites(bench, count):
        one, two = (
            bench.painter.imagine([full_caption(words) for words in side], bench.settings, seed)
            for side in ([words for words, _ in first], second)
        )
        paths.append(path(bench, mixtures(one, two), seed, [words for words, _ in first], second))
    along = torch.cat(paths, 1)
    return {
        "the second grows with its weight": share(steady(along)),
        "from the first to the second": all_the_way(along),
    }


def leading(bench: Bench, count: int) -> dict[str, Figure]:
    """A picture of one thing mixed with another prompt, and led towards it, more and more."""
    mixed, led = [], []
    for seed, first, second in opposites(bench, count):
        words, texts = [words for words, _ in first], [full_caption(words) for words in second]
        picture = bench.painter.look(drawn([placed for _, placed in first])[0])
        prompt = bench.painter.imagine(texts, bench.settings, seed)
        mixed.append(path(bench, mixtures(picture, prompt), seed, words, second))
        towards = [
            bench.painter.lead(picture, texts, bench.settings, seed, strength) for strength in STRENGTHS
        ]
        led.append(path(bench, towards, seed, words, second))
    mixes, leads = torch.cat(mixed, 1), torch.cat(led, 1)
    return {
        "interpolation: the prompt grows with its weight": share(steady(mixes)),
        "interpolation: from the picture to the prompt": all_the_way(mixes),
        "emb2emb: the prompt grows with the strength": share(steady(leads)),
        **{
            f"emb2emb, {s}: how far to the prompt": mean(far) for s, far in zip(STRENGTHS, leads, strict=True)
        },
    }


def mixtures(one: ImageEmbeds, two: ImageEmbeds) -> list[ImageEmbeds]:
    """Both mixed, with more and more of the second."""
    return [interpolate([one, two], weights=[1 - weight, weight]) for weight in WEIGHTS_OF_SECOND]


def all_the_way(along: Tensor) -> Figure:
    """How many of the paths (steps, N) begin at the first scene and end at the second."""
    return share((along[0] < 0.5) & (along[-1] > 0.5))


def opposites(
    bench: Bench, count: int
) -> Iterator[tuple[int, list[tuple[Attributes, Scene]], list[Attributes]]]:
    """Seeds, scenes of one thing each, and for each the words of one that differs in all but its place."""
    for seed, scenes in bench.scenes(count):
        rngs = [np.random.default_rng((SEED, seed, i)) for i in range(len(scenes))]
        first = [replace(words, things=words.things[:1]) for words, _ in scenes]
        second = [other_words(words, rng) for words, rng in zip(first, rngs, strict=True)]
        yield seed, [(words, place(words, rng)) for words, rng in zip(first, rngs, strict=True)], second


def path(
    bench: Bench, embeds: list[ImageEmbeds], seed: int, first: list[Attributes], second: list[Attributes]
) -> Tensor:
    """How far pictures of each of `embeds` are from the first words to the second (len(embeds), N)."""
    return torch.stack(
        [
            likelihood(
                bench.judge, bench.painter.paint(each, bench.settings, seed), rows_of(first), rows_of(second)
            )
            for each in embeds
        ]
    )


def steady(along: Tensor) -> Tensor:
    """Which of the paths (steps, N) never fall by more than noise."""
    return (along.diff(dim=0) > -STEADY).all(0)


def other_words(words: Attributes, rng: np.random.Generator) -> Attributes:
    """A scene of one thing that differs in shape, colour, ground and sky, at the same place and size."""
    thing = words.things[0]

    def other(name: str, value: int) -> int:
        return (value + int(rng.integers(1, ATTRIBUTES[name]))) % ATTRIBUTES[name]

    changed = replace(thing, shape=other("shape_0", thing.shape), colour=other("colour_0", thing.colour))
    return replace(
        words, things=(changed,), ground=other("ground", words.ground), sky=other("sky", words.sky)
    )


@torch.no_grad()
def likelihood(judge: JudgeNet, pictures: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """How far pictures (N,) are from the first rows to the second, 0..1: the mean over four attributes."""
    logits, parts = judge(pictures)[0], []
    for name in ("shape_0", "colour_0", "ground", "sky"):
        column = COLUMNS.index(name)
        odds = logits[column].softmax(1) + 1e-6
        a, b = (odds.gather(1, rows[:, column : column + 1])[:, 0] for rows in (first, second))
        parts.append(b / (a + b))
    return torch.stack(parts).mean(0)
