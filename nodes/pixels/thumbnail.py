"""Small JPEG pictures for looking at while something runs."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nodes.pixels.pictures import Array

LONGEST_SIDE = 256


def jpeg(picture: Array, longest: int = LONGEST_SIDE) -> bytes:
    """A picture (H, W, 3) in 0..1 as JPEG; its longer side is made `longest` pixels at most."""
    from PIL import Image

    from nodes.pixels.pictures import to_bytes

    small = Image.fromarray(to_bytes(picture))
    small.thumbnail((longest, longest))
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
