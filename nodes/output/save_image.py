"""Pictures into files."""

from typing import Annotated

from graph.node import Choices, OutputFolder, RunRecord, node
from nodes.wires import Image


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
    from nodes.pixels.pictures import encode

    files = [encode(row, format) for row in image.image]
    if metadata == "prompt":
        prompt = record.prompt()
        files = [embed(file, prompt, PROMPT) for file in files]
    elif metadata:
        files = [embed(file, record.workflow) for file in files]
    outputs.write(name, format, files)
    return image
