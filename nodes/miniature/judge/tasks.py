"""What the judge says of every other task: other sizes, inpainting, depth, image to image, mixing, leading,
samplers, speed.

Each task has figures over as many samples as are asked for, with 95 % confidence. Depth is seen by the depth
estimator, which was trained on real renders only, as the judge was.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nodes.miniature.judge.bench import COLUMNS, SEED, Bench, Figure, drawn, mean, open_judge, rows_of, share
from nodes.miniature.judge.mixing import leading, mixing
from nodes.miniature.judge.painting import Painter, from_image, to_image
from nodes.miniature.scenes.captions import full_caption
from nodes.miniature.scenes.data import SIZE
from nodes.miniature.scenes.scenes import replaced
from nodes.miniature.training.train_depth import correlation
from nodes.miniature.training.train_judge import correct
from nodes.picture.composite import composite
from nodes.pixels.masks import feather
from nodes.wires import DepthHint, Mask

MARGIN = 6  # pixels of the hole around the things
FEATHER = 4
VISIBLE = 2 / 255  # mean difference outside the mask from which on it counts as a change
FEW_STEPS, MANY_STEPS = 15, 100
SIZES = ((96, 96), (160, 160), (192, 128), (128, 192))  # width, height


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
    return {
        "depth against the hint, correlation": mean(
            correlation(made_near, near), correlation(real_near, near)
        ),
        "the same, less the mean depth map": mean(
            unusual_correlation(made_near, near), unusual_correlation(real_near, near)
        ),
        "for comparison: against another scene's hint": mean(correlation(made_near, near.roll(1, 0))),
        "everything right": share(torch.cat(right), torch.cat(real_right)),
    }


def unusual_correlation(seen: Tensor, true: Tensor) -> Tensor:
    """How well depth maps (N, H, W) agree (N,) in what is not the same in all of them."""
    usual = true.mean(0)
    return correlation(seen - usual, true - usual)


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
        result |= {
            f"strength {strength}: depth against the picture, correlation": mean(correlation(here, there)),
            f"strength {strength}: the same, less the mean depth map": mean(unusual_correlation(here, there)),
            f"strength {strength}: ground and sky of the prompt": share(torch.cat(ground)),
            f"strength {strength}: everything of the prompt": share(torch.cat(right)),
        }
    return result


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
