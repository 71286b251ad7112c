"""How often a picture shows what its prompt says, by a judge that was trained on real renders only.

    python -m nodes.miniature.judge.judge --count 1000
    python -m nodes.miniature.judge.judge --count 96 --only text inpainting

The prompts are full captions of held-out scenes. Three rows of pictures are judged: the renders themselves
(the ceiling: the judge errs too), the MoVQ's reconstructions of them, and samples from the text alone. The
share is the samples' score divided by the ceiling. The other tasks are in `tasks` and `mixing`.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nodes.miniature import WEIGHTS
from nodes.miniature.judge import tasks
from nodes.miniature.judge.bench import ALL_RIGHT, BATCH, COLUMNS, SEED, margin, open_judge
from nodes.miniature.judge.painting import Painter, Settings
from nodes.miniature.scenes.captions import full_caption
from nodes.miniature.scenes.data import scene
from nodes.miniature.training.train_judge import correct
from nodes.miniature.training.training import to_unit


def figures(marks: Tensor) -> dict[str, tuple[float, int]]:
    """Share right and number judged, for marks (N, 11) of 1, 0 and nan, by the names of the table."""
    single = marks[:, COLUMNS.index("shape_1")].isnan()
    columns = {name: marks[:, k] for k, name in enumerate(COLUMNS)}
    everything = marks[:, [COLUMNS.index(name) for name in ALL_RIGHT]].nan_to_num(1.0).amin(1)
    chosen = {
        "count": columns["count"],
        "ground": columns["ground"],
        "sky": columns["sky"],
        "colour": torch.cat([columns["colour_0"], columns["colour_1"]]),
        "colour, single": columns["colour_0"][single],
        "shape": torch.cat([columns["shape_0"], columns["shape_1"]]),
        "shape, single": columns["shape_0"][single],
        "shape, pairs": torch.cat([columns["shape_0"][~single], columns["shape_1"][~single]]),
        "size": torch.cat([columns["size_0"], columns["size_1"]]),
        "order": columns["order"],
        "position": columns["position"],
        "all right, single": everything[single],
        "all right, pairs": everything[~single],
    }
    valid = {name: marks[~marks.isnan()] for name, marks in chosen.items()}
    return {name: (float(marks.mean()), len(marks)) for name, marks in valid.items() if len(marks)}


def table(rows: dict[str, dict[str, tuple[float, int]]]) -> str:
    """The figures of renders, reconstructions and samples, as text."""
    lines = [f"{'':20}{'n':>6}{'renders':>10}{'MoVQ':>8}{'samples':>18}{'share':>8}"]
    for name, (share, count) in rows["samples"].items():
        ceiling, rebuilt = rows["renders"][name][0], rows["reconstructions"][name][0]
        sampled = f"{share:.3f} ± {margin(share, count):.3f}"
        lines.append(
            f"{name:20}{count:6}{ceiling:10.3f}{rebuilt:8.3f}{sampled:>18}{share / max(ceiling, 1e-9):8.3f}"
        )
    return "\n".join(lines)


def real_scenes(count: int, first: int) -> tuple[Tensor, Tensor, list[str]]:
    """Renders (N, 3, 128, 128) in -1..1, rows (N, 11) and full captions of the judge's scenes."""
    from nodes.miniature.scenes.render import render

    scenes = [scene(number, SEED) for number in range(first, first + count)]
    images = np.stack([(render(placed).image * 255 + 0.5).astype(np.uint8) for _, placed in scenes])
    rows = torch.tensor([attributes.row() for attributes, _ in scenes])
    return to_unit(images), rows, [full_caption(attributes) for attributes, _ in scenes]


def samples(painter: Painter, texts: list[str], settings: Settings, seed: int) -> Tensor:
    """One picture (N, 3, 128, 128) for each text; text number i has the seed `seed` + i."""
    parts = []
    for start in range(0, len(texts), BATCH):
        embeds = painter.imagine(texts[start : start + BATCH], settings, seed + start)
        parts.append(painter.paint(embeds, settings, seed + start))
    return torch.cat(parts)


def text_to_image(
    root: Path, count: int, first: int, seed: int, changes: dict[str, Any]
) -> tuple[dict[str, Any], Tensor, list[str]]:
    """Judge a checkpoint; `changes` replace what it recommends. Returns the report, samples and texts."""
    judge, painter = open_judge(root), Painter.open(root)
    settings = replace(painter.recommended, **changes)
    images, rows, texts = real_scenes(count, first)
    rebuilt = torch.cat([painter.decode(painter.encode(batch)) for batch in images.split(BATCH)])
    made = samples(painter, texts, settings, seed)
    kinds = {"renders": images, "reconstructions": rebuilt, "samples": made}
    scores = {kind: figures(correct(judge, pictures, rows)) for kind, pictures in kinds.items()}
    return {"settings": vars(settings), "count": count, "seed": seed, "scores": scores}, made, texts


def main() -> None:
    """Command line: print the judge's tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--count", type=int, default=1000, help="samples for each figure")
    parser.add_argument("--only", nargs="*", choices=("text", *tasks.TASKS), help="some tasks only")
    parser.add_argument("--first", type=int, default=0, help="number of the first of the judge's scenes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="also write the figures here, beside those of other tasks")
    for name, kind in Settings.__annotations__.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="instead of what is recommended")
    arguments = parser.parse_args()
    changes = {
        name: value for name in Settings.__annotations__ if (value := getattr(arguments, name)) is not None
    }
    wanted = arguments.only or ("text", *tasks.TASKS)
    for task in wanted:
        if task == "text":
            report, _, _ = text_to_image(
                arguments.weights, arguments.count, arguments.first, arguments.seed, changes
            )
            print(report["settings"], table(report["scores"]), sep="\n", flush=True)
        else:
            report = tasks.run(
                task, arguments.weights, arguments.count, arguments.first, arguments.seed, changes
            )
            print(tasks.table(task, report), flush=True)
        if arguments.json:
            known = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
            arguments.json.write_text(json.dumps({**known, task: report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
