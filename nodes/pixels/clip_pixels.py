"""Pictures as a CLIP image encoder takes them: what transformers' CLIPImageProcessor does with Pillow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nodes.pixels.pictures import MOST_PIXELS, Array, PictureError, to_bytes

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
LONGEST_SIDE = 4096  # configs come from strangers
BOOKKEEPING = frozenset(
    {"image_processor_type", "feature_extractor_type", "processor_class", "_valid_processor_keys"}
)
FIXED = {"do_convert_rgb": True, "data_format": "channels_first", "do_pad": False, "default_to_square": False}


class UnsupportedPreprocessing(ValueError):
    """An image processor config with a field or a value that is not supported; the message names it."""


@dataclass(frozen=True)
class Preprocessing:
    """What `preprocessor_config.json` says; the defaults are CLIP's."""

    do_resize: bool = True
    size: tuple[int, int] | int = 224  # (height, width), or the shorter side
    resample: Image.Resampling = Image.Resampling.BICUBIC
    do_center_crop: bool = True
    crop_size: tuple[int, int] = (224, 224)  # (height, width)
    do_rescale: bool = True
    rescale_factor: float = 1 / 255
    do_normalize: bool = True
    image_mean: tuple[float, ...] = OPENAI_MEAN
    image_std: tuple[float, ...] = OPENAI_STD

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """Raises UnsupportedPreprocessing for a field that is not known and a value that is not supported."""
        values: dict[str, Any] = {}
        for name, value in config.items():
            if name in BOOKKEEPING or value is None:  # transformers writes null for what it leaves open
                continue
            if name in FIXED:
                if value != FIXED[name]:
                    raise _refused(name, value, f"supported is {FIXED[name]!r}")
            elif name in READERS:
                values[name] = READERS[name](name, value)
            else:
                nearest = get_close_matches(name, READERS, 1)
                hint = f"; nearest is {nearest[0]!r}" if nearest else ""
                raise UnsupportedPreprocessing(f"image processor config: unknown field {name!r}{hint}")
        return cls(**values)


def clip_pixels(image: Array, config: Mapping[str, Any]) -> Array:
    """The pictures (B, H, W, 3) in 0..1 as pixel values (B, 3, S, S) of a CLIP image encoder.

    `config` is its parsed `preprocessor_config.json`. Pictures are taken at 8 bits, as a file holds them.
    Raises UnsupportedPreprocessing, and PictureError for one too long and thin to be resized.
    """
    how = Preprocessing.read(config)
    return np.stack([_prepared(row, how) for row in to_bytes(image)])


def _prepared(picture: NDArray[np.uint8], how: Preprocessing) -> Array:
    if how.do_resize:
        height, width = _resized_size(how.size, *picture.shape[:2])
        if height * width > MOST_PIXELS:
            raise PictureError(f"a picture of {picture.shape[1]} x {picture.shape[0]} is too thin for CLIP")
        picture = np.asarray(Image.fromarray(picture).resize((width, height), how.resample))
    if how.do_center_crop:
        picture = _centre_crop(picture, *how.crop_size)
    pixels = picture.transpose(2, 0, 1).astype(np.float32)
    if how.do_rescale:
        pixels = (picture.transpose(2, 0, 1) * how.rescale_factor).astype(np.float32)
    if how.do_normalize:
        mean, std = (np.array(v, np.float32).reshape(3, 1, 1) for v in (how.image_mean, how.image_std))
        pixels = (pixels - mean) / std
    return np.ascontiguousarray(pixels)


def _resized_size(size: tuple[int, int] | int, height: int, width: int) -> tuple[int, int]:
    if isinstance(size, tuple):
        return size
    if width <= height:
        return int(size * height / width), size
    return size, int(size * width / height)


def _centre_crop(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle (height, width) of the picture; where it is smaller, black beside it."""
    short = [max(wanted - there, 0) for wanted, there in zip((height, width), picture.shape[:2], strict=True)]
    picture = np.pad(picture, [*((math.ceil(n / 2), n // 2) for n in short), (0, 0)])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _refused(name: str, value: object, expected: str) -> UnsupportedPreprocessing:
    return UnsupportedPreprocessing(f"image processor config: {name} is {value!r}, {expected}")


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _refused(name, value, "expected true or false")
    return value


def _number(name: str, value: Any) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or value == 0
    ):
        raise _refused(name, value, "expected a number other than 0")
    return float(value)


def _side(name: str, value: Any) -> int:
    if type(value) is not int or not 1 <= value <= LONGEST_SIDE:
        raise _refused(name, value, f"expected 1 to {LONGEST_SIDE} pixels")
    return value


def _size(name: str, value: Any) -> tuple[int, int] | int:
    if isinstance(value, Mapping):
        if value.keys() == {"height", "width"}:
            return _side(name, value["height"]), _side(name, value["width"])
        if value.keys() == {"shortest_edge"}:
            return _side(name, value["shortest_edge"])
        raise _refused(name, dict(value), "expected height and width, or shortest_edge")
    return _side(name, value)


def _crop_size(name: str, value: Any) -> tuple[int, int]:
    if isinstance(value, Mapping) and "shortest_edge" in value:
        raise _refused(name, dict(value), "expected height and width")
    size = _size(name, value)
    return size if isinstance(size, tuple) else (size, size)


def _resample(name: str, value: Any) -> Image.Resampling:
    if type(value) is not int or value not in {r.value for r in Image.Resampling}:
        raise _refused(
            name, value, f"supported are {', '.join(f'{r.value} ({r.name})' for r in Image.Resampling)}"
        )
    return Image.Resampling(value)


def _channels(name: str, value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list | tuple) else [value] * 3
    if len(values) != 3:
        raise _refused(name, value, "expected 3 numbers")
    for number in values:
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise _refused(name, value, "expected 3 numbers")
    if name == "image_std" and 0 in values:
        raise _refused(name, value, "expected numbers other than 0")
    return tuple(float(number) for number in values)


READERS = {
    "do_resize": _flag,
    "size": _size,
    "resample": _resample,
    "do_center_crop": _flag,
    "crop_size": _crop_size,
    "do_rescale": _flag,
    "rescale_factor": _number,
    "do_normalize": _flag,
    "image_mean": _channels,
    "image_std": _channels,
}
