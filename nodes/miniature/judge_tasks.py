"""What the judge says of every other task: other sizes, inpainting, depth, image to image, mixing, leading,
samplers, speed.

Each task has figures over as many samples as are asked for, with 95 % confidence. Depth is seen by the depth
estimator, which was trained on real renders only, as the judge was.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nodes.composite import composite
from nodes.depth_hint import depth_hint
from nodes.interpolate import interpolate
from nodes.masking import feather
from nodes.miniature.captions import full_caption
from nodes.miniature.data import SIZE, nearness, scene
from nodes.miniature.judge import ALL_RIGHT, BATCH, COLUMNS, SEED, margin, open_judge
from nodes.miniature.judge_net import JudgeNet
from nodes.miniature.painting import Painter, Settings, depth_estimator, from_image, silent, to_image
from nodes.miniature.scenes import ATTRIBUTES, Attributes, Scene, place, replaced
from nodes.miniature.train_depth import correlation
from nodes.miniature.train_judge import correct
from nodes.wires import DepthHint, ImageEmbeds, Mask

MARGIN = 6  # pixels of the hole around the things
FEATHER = 4
VISIBLE = 2 / 255  # mean difference outside the mask from which on it counts as a change
STEADY = 0.03  # a probability may fall by this much, as noise, on its way up
FEW_STEPS, MANY_STEPS = 15, 100
WEIGHTS_OF_SECOND = (0.0, 0.25, 0.5, 0.75, 1.0)
STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.9)
SIZES = ((96, 96), (160, 160), (192, 128), (128, 192))  # width, height


@dataclass(frozen=True)
class Figure:
    """A mean over `count` samples, half of its 95 % interval, and the same for real renders."""

    value: float
    margin: float
    count: int
    ceiling: float | None = None


@dataclass(frozen=True)
class Bench:
    """What every task needs: the judge, the painter, how to sample, the first scene and seed."""

    judge: JudgeNet
    painter: Painter
    settings: Settings
    root: Path
    first: int
    seed: int

    def scenes(self, count: int) -> Iterator[tuple[int, list[tuple[Attributes, Scene]]]]:
        """The judge's scenes in batches, each with the seed of its first sample."""
        for start in range(0, count, BATCH):
            numbers = range(self.first + start, self.first + min(start + BATCH, count))
            yield self.seed + start, [scene(number, SEED) for number in numbers]

    def right(self, pictures: Tensor, rows: Tensor) -> Tensor:
        """Which pictures show everything right (N,), as in the judge's table."""
        marks = correct(self.judge, pictures, rows)
        return marks[:, [COLUMNS.index(name) for name in ALL_RIGHT]].nan_to_num(1.0).amin(1)

    def near(self, pictures: Tensor) -> Tensor:
        """How near each pixel seems to be (N, H, W), 0..1."""
        seen = depth_hint(to_image(pictures), depth_estimator(self.root), progress=silent())
        return torch.tensor(seen.depth_hint.depth_hint[:, 0])


def share(marks: Tensor, ceiling: Tensor | None = None) -> Figure:
    """The figure of marks of 0 and 1."""
    value = float(marks.float().mean())
    return Figure(
        value,
        margin(value, len(marks)),
        len(marks),
        None if ceiling is None else float(ceiling.float().mean()),
    )


def mean(values: Tensor, ceiling: Tensor | None = None) -> Figure:
    """The figure of numbers."""
    spread = 1.96 * float(values.std()) / math.sqrt(len(values))
    return Figure(
        float(values.mean()), spread, len(values), None if ceiling is None else float(ceiling.mean())
    )


def drawn(
    scenes: list[Scene], size: tuple[int, int] = (SIZE, SIZE)
) -> tuple[Tensor, NDArray[np.uint8], Tensor]:
    """Renders (N, 3, H, W) in -1..1, object numbers and nearness 0..1 (N, H, W); `size` is width, height."""
    from nodes.miniature.render import render

    pictures = [render(placed, min(*size, SIZE), *size) for placed in scenes]
    images = torch.from_numpy(np.stack([picture.image for picture in pictures])).permute(0, 3, 1, 2) * 2 - 1
    near = torch.from_numpy(nearness(np.stack([picture.depth for picture in pictures]))).float() / 255
    return images, np.stack([picture.ids for picture in pictures]), near


def rows_of(words: list[Attributes]) -> Tensor:
    """Their rows (N, 11)."""
    return torch.tensor([attributes.row() for attributes in words])


def sizes(bench: Bench, count: int) -> dict[str, Figure]:
    """Pictures of other sizes; the judge sees the square in the middle, as CLIP does."""
    result: dict[str, Figure] = {}
    for width, height in SIZES:
        right, real = [], []
        for seed, scenes in bench.scenes(count):
            words = [words for words, _ in scenes]
            embeds = bench.painter.imagine([full_caption(said) for said in words], bench.settings, seed)
            made = bench.painter.paint(embeds, bench.settings, seed, size=(width, height))
            right.append(bench.right(square(made), rows_of(words)))
            real.append(
                bench.right(square(drawn([s for _, s in scenes], (width, height))[0]), rows_of(words))
            )
        result[f"{width} x {height}: everything right"] = share(torch.cat(right), torch.cat(real))
    return result


def square(pictures: Tensor) -> Tensor:
    """The square in the middle of pictures (N, 3, H, W), at most SIZE pixels wide, then made SIZE wide."""
    height, width = pictures.shape[-2:]
    side = min(height, width, SIZE)
    top, left = (height - side) // 2, (width - side) // 2
    cut = pictures[..., top : top + side, left : left + side]
    return F.interpolate(cut, (SIZE, SIZE), mode="bilinear", align_corners=False)


def inpainting(bench: Bench, count: int) -> dict[str, Figure]:
    """A thing of a real render is painted over with another; the prompt says what the whole shows then."""
    marks: dict[str, list[Tensor]] = {"thing": [], "all": [], "outside": [], "real": [], "real all": []}
    for seed, scenes in bench.scenes(count):
        rng = np.random.default_rng((SEED, seed))
        words, which = [words for words, _ in scenes], []
        sources = []
        for attributes, placed in scenes:
            which.append(int(rng.integers(len(attributes.things))))
            sources.append(replaced(attributes, placed, which[-1], rng)[1])
        (before, ids, _), (wanted, wanted_ids, _) = drawn(sources), drawn([placed for _, placed in scenes])
        number = np.array(which)[:, None, None] + 1
        hole = boxes((ids == number) | (wanted_ids == number))
        soft = Mask(feather(hole, FEATHER))
        embeds = bench.painter.imagine(
            [full_caption(attributes) for attributes in words], bench.settings, seed
        )
        given = {"latents": bench.painter.encode(before), "mask": soft}
        painted = bench.painter.paint(embeds, bench.settings, seed, "inpaint", given)
        after = from_image(composite(to_image(before), to_image(painted), soft))
        rows = rows_of(words)
        columns = torch.tensor(
            [[COLUMNS.index(f"{name}_{thing}") for name in ("shape", "colour")] for thing in which]
        )
        for kind, pictures in (("thing", after), ("real", wanted)):
            marks[kind].append(correct(bench.judge, pictures, rows).gather(1, columns).amin(1))
        marks["all"].append(bench.right(after, rows))
        marks["real all"].append(bench.right(wanted, rows))
        outside = torch.from_numpy(1 - hole)[:, None]
        change = ((after - before).abs() / 2 * outside).sum((1, 2, 3)) / (3 * outside.sum((1, 2, 3)))
        marks["outside"].append(change)
    made = {name: torch.cat(parts) for name, parts in marks.items()}
    untouched = made["outside"] < VISIBLE
    return {
        "new thing right, nothing else touched": share(made["thing"] * untouched, made["real"]),
        "everything right": share(made["all"], made["real all"]),
        "change outside the mask, of 255": mean(made["outside"] * 255),
    }


def boxes(touched: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Masks (N, H, W), 1 in the box around what is touched and MARGIN more."""
    masks = np.zeros(touched.shape, np.float32)
    for mask, cells in zip(masks, touched, strict=True):
        rows, columns = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
        mask[
            max(rows[0] - MARGIN, 0) : rows[-1] + 1 + MARGIN,
            max(columns[0] - MARGIN, 0) : columns[-1] + 1 + MARGIN,
        ] = 1
    return masks


def depth(bench: Bench, count: int) -> dict[str, Figure]:
    """The exact depth of a scene as the hint, its caption as the prompt."""
    seen, hints, real, right, real_right = [], [], [], [], []
    for seed, scenes in bench.scenes(count):
        images, _, near = drawn([placed for _, placed in scenes])
        embeds = bench.painter.imagine([full_caption(words) for words, _ in scenes], bench.settings, seed)
        given = {"depth_hint": DepthHint(near[:, None].repeat(1, 3, 1, 1).numpy())}
        made = bench.painter.paint(embeds, bench.settings, seed, "controlnet_depth", given)
        rows = rows_of([words for words, _ in scenes])
        seen.append(bench.near(made))
        real.append(bench.near(images))
        hints.append(near)
        right.append(bench.right(made, rows))
        real_right.append(bench.right(images, rows))
    made_near, real_near, near = torch.cat(seen), torch.cat(real), torch.cat(hints)
    usual = near.mean(0)
    return {
        "depth against the hint, correlation": mean(
            correlation(made_near, near), correlation(real_near, near)
        ),
        "the same, less the mean depth map": mean(
            correlation(made_near - usual, near - usual), correlation(real_near - usual, near - usual)
        ),
        "for comparison: against another scene's hint": mean(correlation(made_near, near.roll(1, 0))),
        "everything right": share(torch.cat(right), torch.cat(real_right)),
    }


def image(bench: Bench, count: int) -> dict[str, Figure]:
    """A real render is painted anew by the caption of another scene, at two strengths."""
    result: dict[str, Figure] = {}
    for strength in (0.3, 0.8):
        seen, true, ground, right = [], [], [], []
        for seed, scenes in bench.scenes(count):
            images, _, near = drawn([placed for _, placed in scenes])
            words = [words for words, _ in scenes][::-1]
            embeds = bench.painter.imagine([full_caption(other) for other in words], bench.settings, seed)
            given = {"latents": bench.painter.encode(images)}
            made = bench.painter.paint(embeds, bench.settings, seed, given=given, strength=strength)
            marks = correct(bench.judge, made, rows_of(words))
            ground.append(marks[:, [COLUMNS.index("ground"), COLUMNS.index("sky")]].amin(1))
            right.append(bench.right(made, rows_of(words)))
            seen.append(bench.near(made))
            true.append(near)
        here, there = torch.cat(seen), torch.cat(true)
        usual = there.mean(0)
        result |= {
            f"strength {strength}: depth against the picture, correlation": mean(correlation(here, there)),
            f"strength {strength}: the same, less the mean depth map": mean(
                correlation(here - usual, there - usual)
            ),
            f"strength {strength}: ground and sky of the prompt": share(torch.cat(ground)),
            f"strength {strength}: everything of the prompt": share(torch.cat(right)),
        }
    return result


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


def samplers(bench: Bench, count: int) -> dict[str, Figure]:
    """Few steps of DPM-Solver++ against many of DDPM, on the same prompts."""
    result: dict[str, Figure] = {}
    right = []
    for scheduler, steps in (("dpmpp_2m", FEW_STEPS), ("ddpm", MANY_STEPS)):
        settings, marks, real = replace(bench.settings, scheduler=scheduler, steps=steps), [], []
        for seed, scenes in bench.scenes(count):
            embeds = bench.painter.imagine([full_caption(words) for words, _ in scenes], settings, seed)
            rows = rows_of([words for words, _ in scenes])
            marks.append(bench.right(bench.painter.paint(embeds, settings, seed), rows))
            real.append(bench.right(drawn([placed for _, placed in scenes])[0], rows))
        right.append(torch.cat(marks))
        result[f"{scheduler}, {steps} steps: everything right"] = share(right[-1], torch.cat(real))
    return {**result, "the first less the second, on the same prompts": mean(right[0] - right[1])}


def speed(bench: Bench, count: int) -> dict[str, Figure]:
    """Seconds from a prompt to pixels, one picture, with the weights open already."""
    seconds = []
    for turn in range(min(count, 10) + 1):
        began = time.monotonic()
        embeds = bench.painter.imagine(["a red house on snow at night"], bench.settings, bench.seed + turn)
        bench.painter.paint(embeds, bench.settings, bench.seed + turn)
        seconds.append(time.monotonic() - began)
    return {f"seconds, {torch.get_num_threads()} threads": mean(torch.tensor(seconds[1:]))}


TASKS: dict[str, Callable[[Bench, int], dict[str, Figure]]] = {
    "sizes": sizes,
    "inpainting": inpainting,
    "depth": depth,
    "image": image,
    "mixing": mixing,
    "leading": leading,
    "samplers": samplers,
    "speed": speed,
}


def run(
    task: str, root: Path, count: int, first: int, seed: int, changes: dict[str, Any]
) -> dict[str, dict[str, float | None]]:
    """The figures of a task by their names."""
    painter = Painter.open(root)
    bench = Bench(open_judge(root), painter, replace(painter.recommended, **changes), root, first, seed)
    return {name: asdict(figure) for name, figure in TASKS[task](bench, count).items()}


def table(task: str, report: dict[str, dict[str, Any]]) -> str:
    """The figures of a task, as text."""
    lines = [f"{task:56}{'n':>6}{'renders':>10}{'samples':>18}{'share':>8}"]
    for name, figure in report.items():
        ceiling = figure["ceiling"]
        value = f"{figure['value']:.3f} ± {figure['margin']:.3f}"
        rest = "" if ceiling is None else f"{figure['value'] / max(ceiling, 1e-9):8.3f}"
        shown = "" if ceiling is None else f"{ceiling:.3f}"
        lines.append(f"{name:56}{figure['count']:6}{shown:>10}{value:>18}{rest}")
    return "\n".join(lines)
