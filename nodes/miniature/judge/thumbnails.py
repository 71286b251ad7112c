"""What every template really makes, small: workflows/thumbnails/<template>.webp.

python -m nodes.miniature.judge.thumbnails
python -m nodes.miniature.judge.thumbnails inpainting repaint
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

import graph
from graph.workflow.file import load
from nodes.pixels.pictures import tile, to_bytes

WORKFLOWS = Path(__file__).parents[3] / "workflows"
LONGEST_SIDE = 192


def templates() -> list[Path]:
    """The workflows that use the miniature, whose checkpoints are all here."""
    return [
        path
        for path in sorted(WORKFLOWS.glob("*.json"))
        if all(
            node.params.get("source", "miniature") == "miniature"
            for node in load(path).nodes.values()
            if node.type.startswith("load_") and node.type not in ("load_image", "load_tensors")
        )
    ]


def thumbnail(template: Path) -> Image.Image:
    """The first output of a template as it is, all of its pictures; at most LONGEST_SIDE pixels wide or high.

    Raises graph.RunFailed where the template fails.
    """
    with TemporaryDirectory() as folder:
        made = graph.load(template, output=Path(folder), no_cache=True).run()
    pictures = next(iter(made.values())).image
    small = Image.fromarray(to_bytes(tile(list(pictures)))[0])
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return small


def main() -> None:
    """Command line: make the thumbnails of the named templates, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="templates; without any, all that use the miniature")
    parser.add_argument("--folder", type=Path, default=WORKFLOWS / "thumbnails")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    for name in arguments.names or [path.stem for path in templates()]:
        path = arguments.folder / f"{name}.webp"
        thumbnail(WORKFLOWS / f"{name}.json").save(path, quality=90, method=6)
        print(path)


if __name__ == "__main__":
    main()
