"""Pictures from files."""

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from graph.files.allowed import LocalFile
from graph.node import Complaint, File, Wiring, node
from nodes.wires import Image, Mask


class LoadedImage(NamedTuple):
    """A picture and what of it was transparent."""

    image: Image
    mask: Annotated[
        Mask, "What is transparent: 1 where nothing is. Zeros for a picture without transparency."
    ]


def _check(wiring: Wiring) -> Iterator[Complaint]:
    if "path" in wiring.params and wiring.params["path"] is None:
        yield Complaint("path", "no picture is chosen", "the path of a picture file")


@node(title="Load image", group="Picture", io=True, check=_check)
def load_image(
    *, path: Annotated[str, File("image"), "A PNG, JPEG, WebP, BMP or GIF file."] = ""
) -> LoadedImage:
    """Open a picture from a file.

    It is turned the right way up if the camera says so, and what is transparent becomes white.
    """
    from nodes.pixels.pictures import PictureError, read_image

    assert isinstance(path, LocalFile)  # what the engine makes of a path
    try:
        rgb, alpha = read_image(path.read())
    except PictureError as error:
        raise ValueError(f"{path.name}: {error}") from None
    return LoadedImage(Image(rgb), Mask(1 - alpha))
