"""Masks: painted, drawn as a shape, or taken from a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

from graph.files.allowed import LocalFile
from graph.node import Choices, Complaint, File, Progress, Range, Wanted, Wiring, node
from nodes.params import LONGEST_SIDE
from nodes.wires import Image, Mask

if TYPE_CHECKING:
    from nodes.wires import Array

WIDEST_FEATHER = 512
TINT = (0.9, 0.1, 0.2)  # what is to be repainted, in the preview


class MaskOutput(NamedTuple):
    """A mask and a look at it."""

    mask: Mask
    preview: Annotated[Image, "The picture with the mask in red over it; without a picture, the mask itself."]


def _check(wiring: Wiring) -> Iterator[Complaint]:
    params, linked = wiring.params, wiring.linked
    shape, painted = params.get("shape"), params.get("painted", "linked")
    if "image" not in linked:
        for side in ("width", "height"):
            if side in params and params[side] is None:
                yield Complaint(
                    side, "there is no picture whose size the mask could have", "a number of pixels"
                )
    if shape == "alpha" and painted is None:
        yield Complaint(
            "painted", "the shape is 'alpha', and there is no file to take it from", "a picture file"
        )
    if shape == "luminance" and painted is None and "image" not in linked:
        yield Complaint(
            "image", "the shape is 'luminance', and there is no picture to take it from", "an image"
        )


@node(title="Mask", group="Picture", io=True, check=_check)
def mask(
    image: Annotated[Image | None, "The picture that the mask is for."] = None,
    *,
    shape: Annotated[
        str,
        Choices("painted", "rectangle", "ellipse", "alpha", "luminance"),
        "painted: what you paint, white is repainted; rectangle and ellipse: in the box x, y, w, h; alpha: "
        "what is transparent in the painted file; luminance: how bright the picture is.",
    ] = "painted",
    x: Annotated[float, Range(0.0, 1.0, 0.01), "Left side of the box, as a share of the width."] = 0.25,
    y: Annotated[float, Range(0.0, 1.0, 0.01), "Top of the box, as a share of the height."] = 0.25,
    w: Annotated[float, Range(0.0, 1.0, 0.01), "Width of the box, as a share of the width."] = 0.5,
    h: Annotated[float, Range(0.0, 1.0, 0.01), "Height of the box, as a share of the height."] = 0.5,
    painted: Annotated[str, File("mask"), "A picture file to take the mask from."] = "",
    feather: Annotated[int, Range(0, WIDEST_FEATHER), "How many pixels the edge is softened by."] = 0,
    invert: Annotated[bool, "Repaint what would be kept, and keep what would be repainted."] = False,
    width: Annotated[int | None, Range(1, LONGEST_SIDE), "Width in pixels; null: the picture's."] = None,
    height: Annotated[int | None, Range(1, LONGEST_SIDE), "Height in pixels; null: the picture's."] = None,
    wanted: Wanted,
    progress: Progress,
) -> MaskOutput:
    """Say which part of a picture is to be repainted: 1 (white) is repainted, 0 (black) is kept."""
    from nodes.pixels.masks import ellipse, luminance, rectangle, resize_mask
    from nodes.pixels.masks import feather as soften

    if image is not None:
        height, width = height or image.shape[1], width or image.shape[2]
    if not width or not height:
        raise ValueError("a mask without a picture needs width and height")
    file = painted if isinstance(painted, LocalFile) else None
    if shape in ("rectangle", "ellipse"):
        drawn = (rectangle if shape == "rectangle" else ellipse)(width, height, x, y, w, h)
    elif shape == "luminance" and image is not None:
        drawn = luminance(image.image)
    else:
        drawn = _from_file(file, shape, width, height)
        if file is None:
            progress.warn("nothing is painted yet: the mask is empty")
    drawn = soften(resize_mask(drawn, width, height), feather)
    drawn = 1 - drawn if invert else drawn
    preview = Image(_preview(drawn, image)) if "preview" in wanted else None
    return MaskOutput(Mask(drawn), preview)  # type: ignore[arg-type]


def _from_file(file: LocalFile | None, shape: str, width: int, height: int) -> Array:
    import numpy as np

    from nodes.pixels.masks import luminance, painted
    from nodes.pixels.pictures import PictureError, read_image

    if file is None:
        return np.zeros((1, height, width), np.float32)
    try:
        rgb, alpha = read_image(file.read())
    except PictureError as error:
        raise ValueError(f"{file.name}: {error}") from None
    if shape == "alpha":
        return 1 - alpha
    return painted(rgb, alpha) if shape == "painted" else luminance(rgb)


def _preview(drawn: Array, image: Image | None) -> Array:
    """The mask (B, H, W) in red over the picture, or in grey."""
    import numpy as np

    from nodes.batches import expand, rows
    from nodes.pixels.pictures import resize

    share = drawn[..., None]
    if image is None:
        return np.repeat(share, 3, axis=3)
    below = resize(image.image, drawn.shape[2], drawn.shape[1], "stretch")
    below = expand(below, rows(mask=drawn, image=image))
    share = 0.6 * share
    return below * (1 - share) + np.array(TINT, np.float32) * share
