"""A sheet of what image to image makes of the judge's first scenes, stronger from column to column.

    python -m nodes.miniature.judge.strengths nodes/miniature/judge/strengths.webp

Under each render is what it is painted anew as: the caption of another scene.
"""

import argparse
from pathlib import Path

import torch
from PIL.Image import Image

from nodes.miniature.judge.bench import SEED, drawn
from nodes.miniature.judge.painting import Painter
from nodes.miniature.judge.sheet import sheet
from nodes.miniature.scenes.captions import full_caption
from nodes.miniature.scenes.data import scene

STRENGTHS = (0.15, 0.3, 0.45, 0.6, 0.8, 1.0)


def strengths(painter: Painter, count: int) -> Image:
    """A row for each of the first `count` scenes: the render, then what becomes of it at every strength."""
    words, placed = zip(*(scene(number, SEED) for number in range(count)), strict=True)
    texts = [full_caption(said) for said in reversed(words)]
    renders, _, _ = drawn(list(placed))
    embeds = painter.imagine(texts, painter.recommended, 0)
    given = {"latents": painter.encode(renders)}
    columns = [renders] + [
        painter.paint(embeds, painter.recommended, 0, given=given, strength=strength)
        for strength in STRENGTHS
    ]
    labels = [
        label for text in texts for label in (text, *(f"strength {strength}" for strength in STRENGTHS))
    ]
    return sheet(torch.stack(columns, 1).flatten(0, 1), labels, columns=len(columns))


def main() -> None:
    """Command line: write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--count", type=int, default=6)
    arguments = parser.parse_args()
    arguments.path.parent.mkdir(parents=True, exist_ok=True)
    strengths(Painter.open(), arguments.count).save(arguments.path)


if __name__ == "__main__":
    main()
