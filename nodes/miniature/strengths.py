"""A sheet of what image to image makes of the judge's first scenes, stronger from column to column.

python -m nodes.miniature.strengths nodes/miniature/strengths.webp
"""

import argparse
from pathlib import Path

import torch

from nodes.miniature.captions import full_caption
from nodes.miniature.data import scene
from nodes.miniature.judge import SEED
from nodes.miniature.judge_tasks import drawn
from nodes.miniature.painting import Painter
from nodes.miniature.sheet import sheet

STRENGTHS = (0.15, 0.3, 0.45, 0.6, 0.8, 1.0)


def main() -> None:
    """Command line: write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--count", type=int, default=6)
    arguments = parser.parse_args()
    painter = Painter.open()
    scenes = [scene(number, SEED) for number in range(arguments.count)]
    prompts = [full_caption(words) for words, _ in scenes][::-1]
    images, _, _ = drawn([placed for _, placed in scenes])
    embeds = painter.imagine(prompts, painter.recommended, 0)
    given = {"latents": painter.encode(images)}
    painted = [
        painter.paint(embeds, painter.recommended, 0, given=given, strength=strength)
        for strength in STRENGTHS
    ]
    columns = [images, *painted]
    texts = [["a render, painted anew as: " + text for text in prompts]]
    texts += [[f"strength {strength}"] * len(prompts) for strength in STRENGTHS]
    rows = torch.stack(columns, 1).flatten(0, 1)
    arguments.path.parent.mkdir(parents=True, exist_ok=True)
    labels = [text for row in zip(*texts, strict=True) for text in row]
    sheet(rows, labels, columns=len(columns)).save(arguments.path)


if __name__ == "__main__":
    main()
