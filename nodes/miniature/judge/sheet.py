"""A contact sheet of unpicked samples, each above its prompt.

python -m nodes.miniature.judge.sheet nodes/miniature/judge/samples.webp --count 64
python -m nodes.miniature.judge.sheet outputs/mine.png "a red house on snow at night" "a blue ring on sand"
"""

import argparse
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from nodes.miniature import WEIGHTS
from nodes.miniature.judge.bench import SEED
from nodes.miniature.judge.judge import samples
from nodes.miniature.judge.painting import Painter
from nodes.miniature.scenes.captions import full_caption
from nodes.miniature.scenes.data import scene

COLUMNS, LABEL = 8, 48  # pictures in a row, pixels for the words under each


def sheet(pictures: Tensor, texts: list[str], columns: int = COLUMNS) -> Image.Image:
    """Pictures (N, 3, H, W) in -1..1 in rows, with their texts."""
    size = pictures.shape[-1]
    rows = -(-len(texts) // columns)
    page = Image.new("RGB", (columns * size, rows * (size + LABEL)), "white")
    draw = ImageDraw.Draw(page)
    pixels = ((pictures + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    for number, (picture, text) in enumerate(zip(pixels, texts, strict=True)):
        x, y = number % columns * size, number // columns * (size + LABEL)
        page.paste(Image.fromarray(np.ascontiguousarray(picture)), (x, y))
        draw.multiline_text((x + 3, y + size + 2), "\n".join(textwrap.wrap(text, 21)), "black", spacing=0)
    return page


def main() -> None:
    """Command line: write a contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("texts", nargs="*", help="prompts; without any, captions of the judge's scenes")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    texts = arguments.texts or [full_caption(scene(number, SEED)[0]) for number in range(arguments.count)]
    painter = Painter.open(arguments.weights)
    pictures = samples(painter, texts, painter.recommended, arguments.seed)
    arguments.path.parent.mkdir(parents=True, exist_ok=True)
    sheet(pictures, texts).save(arguments.path)


if __name__ == "__main__":
    main()
