"""Pictures into files."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Annotated

from graph.node import Choices, OutputFolder, RunRecord, node
from nodes.wires import Image

if TYPE_CHECKING:
    from nodes.wires import Array

# How Pillow writes each format: PNG and WebP without loss, JPEG with hardly any.
OPTIONS = {
    "png": {"compress_level": 6},
    "webp": {"lossless": True, "quality": 60},
    "jpeg": {"quality": 95, "subsampling": 0},
}


@node(title="Save image", group="Output", effects=True, io=True)
def save_image(
    image: Annotated[Image, "The pictures to save."],
    *,
    name: Annotated[str, "The file's name without its ending; it may hold subfolders."] = "image",
    format: Annotated[
        str, Choices("png", "webp", "jpeg"), "png and webp keep every pixel as it is; jpeg is smaller."
    ] = "png",
    metadata: Annotated[
        bool | str,
        Choices(True, "prompt", False, labels=("the workflow", "prompt, seed and numbers", "nothing")),
        "What the file carries: the workflow, so that it can be opened again from it; prompts, seeds and "
        "numbers alone; or nothing.",
    ] = True,
    outputs: OutputFolder,
    record: RunRecord,
) -> Image:
    """Save pictures to the output folder; nothing that is there already is overwritten.

    One picture becomes name.png, a batch name-1.png, name-2.png and so on.
    """
    from graph.workflow.embedded import PROMPT, embed

    files = [encode(row, format) for row in image.image]
    if metadata == "prompt":
        prompt = record.prompt()
        files = [embed(file, prompt, PROMPT) for file in files]
    elif metadata:
        files = [embed(file, record.workflow) for file in files]
    outputs.write(name, format, files)
    return image


def encode(picture: Array, format: str) -> bytes:
    """A picture (H, W, 3) in 0..1 as the bytes of a file."""
    from PIL import Image as Pillow

    from nodes.pixels.pictures import to_bytes

    buffer = BytesIO()
    Pillow.fromarray(to_bytes(picture)).save(buffer, format, **OPTIONS[format])
    return buffer.getvalue()
