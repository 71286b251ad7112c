"""Pictures as arrays: read from files, resized, in a grid, made into files. NumPy and Pillow only."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from nodes.batches import MOST_PIXELS

Array = NDArray[np.float32]
Fit = Literal["cover", "contain", "stretch"]

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")

# How Pillow writes each format: PNG and WebP without loss, JPEG with hardly any.
OPTIONS = {
    "png": {"compress_level": 6},
    "webp": {"lossless": True, "quality": 60},
    "jpeg": {"quality": 95, "subsampling": 0},
}


decoding = threading.BoundedSemaphore(2)
"""Held while a picture of somebody else is decoded: each may take a quarter of a gigabyte."""


class PictureError(ValueError):
    """A picture that cannot be read or used; the message says which and why."""


def read_image(source: Path | str | bytes) -> tuple[Array, Array]:
    """The picture in a file or in the bytes of one: rgb (1, H, W, 3) and alpha (1, H, W), both 0..1.

    The rotation in its EXIF data is applied and transparency lies over white (alpha tells where it was, 1 is
    opaque). Grey, palette, CMYK and 16-bit pictures are converted; of an animation it is the first frame.
    Raises PictureError for what is no picture in one of FORMATS, is damaged, or has over MOST_PIXELS pixels.
    """
    name = "the picture" if isinstance(source, bytes) else f"{str(source)!r}"
    if not isinstance(source, bytes) and not Path(source).is_file():
        raise PictureError(f"there is no picture file {name}")
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as opened:
            _check_size(name, 1, *opened.size)
            return _arrays(ImageOps.exif_transpose(opened))
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"{name} is too large: the limit is {MOST_PIXELS:,} pixels") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} is not a picture in one of the formats {', '.join(FORMATS)}") from error
    except Exception as error:  # damaged files make the decoders raise nearly anything
        raise PictureError(f"{name} is damaged and cannot be read: {error}") from error


def _check_size(name: str, count: int, width: int, height: int) -> None:
    if count * width * height > MOST_PIXELS:
        size = f"{width} x {height}" if count == 1 else f"{count} of {width} x {height}"
        raise PictureError(f"{name} is too large: {size}; the limit is {MOST_PIXELS:,} pixels in all")


def _arrays(picture: Image.Image) -> tuple[Array, Array]:
    if picture.mode.startswith("I"):  # 16-bit grey, which Pillow would cut to 8 bits by clipping
        grey = (np.asarray(picture, dtype=np.float32) / 65535).clip(0, 1)
        return np.repeat(grey[None, ..., None], 3, axis=3), np.ones((1, *grey.shape), np.float32)
    if not picture.has_transparency_data:
        rgb = from_bytes(np.asarray(picture.convert("RGB")))
        return rgb[None], np.ones((1, *rgb.shape[:2]), np.float32)
    rgba = from_bytes(np.asarray(picture.convert("RGBA")))
    alpha = rgba[..., 3]
    return (rgba[..., :3] * alpha[..., None] + (1 - alpha[..., None]))[None], alpha[None]


def from_bytes(pixels: NDArray[np.uint8]) -> Array:
    """0..255 to float32 in 0..1."""
    return pixels.astype(np.float32) / np.float32(255)


def to_bytes(pixels: Array) -> NDArray[np.uint8]:
    """0..1 to 0..255, rounded; what lies outside is clipped."""
    return (pixels.clip(0, 1) * 255).round().astype(np.uint8)


def resize(image: Array, width: int, height: int, fit: Fit = "cover") -> Array:
    """The pictures (B, H, W, 3) at another size, (B, height, width, 3), bicubic.

    "cover" fills the size and cuts what sticks out, evenly on both sides; "contain" shows all of the picture,
    with white beside it; "stretch" changes its proportions. Computed in 8 bits, shrinking in whole factors
    first, as diffusers does before img2img. A picture of that size is returned as it is.
    """
    _check_size("the result", len(image), width, height)
    high, wide = image.shape[1:3]
    if (high, wide) == (height, width):
        return image
    if fit == "contain":
        scale = min(width / wide, height / high)
        inner_width, inner_height = max(round(wide * scale), 1), max(round(high * scale), 1)
        out = np.ones((len(image), height, width, 3), np.float32)
        top, left = (height - inner_height) // 2, (width - inner_width) // 2
        inner = resize(image, inner_width, inner_height, "stretch")
        out[:, top : top + inner_height, left : left + inner_width] = inner
        return out
    box = (0.0, 0.0, float(wide), float(high))
    if fit == "cover":
        scale = min(wide / width, high / height)
        left, top = (wide - width * scale) / 2, (high - height * scale) / 2
        box = (max(left, 0.0), max(top, 0.0), min(wide - left, wide), min(high - top, high))
    pictures = (Image.fromarray(row) for row in to_bytes(image))
    resized = [p.resize((width, height), Image.Resampling.BICUBIC, box, reducing_gap=1) for p in pictures]
    return from_bytes(np.stack([np.asarray(picture) for picture in resized]))


def tile(pictures: Sequence[Array], columns: int = 0) -> Array:
    """Pictures (H, W, 3), of any sizes, as one (1, rows*H, columns*W, 3), white between them.

    Raises ValueError where that has more pixels than a picture may have.
    """
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    lines = math.ceil(len(pictures) / columns)
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    if lines * height * columns * width > MOST_PIXELS:
        raise ValueError(
            f"the grid would have {columns * width} x {lines * height} pixels; the limit is {MOST_PIXELS}"
        )
    canvas = np.ones((1, lines * height, columns * width, 3), np.float32)
    for i, picture in enumerate(pictures):
        top = i // columns * height + (height - picture.shape[0]) // 2
        left = i % columns * width + (width - picture.shape[1]) // 2
        canvas[0, top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def encode(picture: Array, format: str) -> bytes:
    """A picture (H, W, 3) in 0..1 as the bytes of a file."""
    buffer = BytesIO()
    Image.fromarray(to_bytes(picture)).save(buffer, format, **OPTIONS[format])
    return buffer.getvalue()
