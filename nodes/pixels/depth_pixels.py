"""Pictures as a depth estimator takes them: what transformers' DPTImageProcessor does with Pillow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nodes.pixels.pictures import Array

LONGEST_SIDE = 4096  # configs come from strangers
MULTIPLES = 1024
DEFAULTS: dict[str, Any] = {
    "do_resize": True,
    "size": {"height": 384, "width": 384},
    "keep_aspect_ratio": False,
    "ensure_multiple_of": 1,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
NOTES = {
    "image_processor_type", "feature_extractor_type", "processor_class", "_valid_processor_keys",
    "do_pad", "size_divisor", "do_reduce_labels", "do_convert_rgb", "data_format",
}  # fmt: skip


def depth_pixels(image: Array, config: Mapping[str, Any]) -> Array:
    """The pictures (B, H, W, 3) in 0..1 as pixel values (B, 3, h, w) of a depth estimator.

    `config` is its parsed `preprocessor_config.json`. Raises ValueError for what of it is not supported.
    """
    how = _read(config)
    from PIL import Image

    from nodes.pixels.pictures import to_bytes

    rows = to_bytes(image)
    if how["do_resize"]:
        width, height = _size(image.shape[2], image.shape[1], how)
        resample = Image.Resampling(how["resample"])
        rows = np.stack([np.asarray(Image.fromarray(row).resize((width, height), resample)) for row in rows])
    pixels: Array = rows.astype(np.float32)
    if how["do_rescale"]:
        pixels = pixels * np.float32(how["rescale_factor"])
    if how["do_normalize"]:
        mean, std = (np.array(how[name], np.float32) for name in ("image_mean", "image_std"))
        pixels = (pixels - mean) / std
    return np.ascontiguousarray(np.moveaxis(pixels, 3, 1))


def _size(width: int, height: int, how: Mapping[str, Any]) -> tuple[int, int]:
    """The width and height that the network gets."""
    across, down = how["size"]["width"] / width, how["size"]["height"] / height
    if how["keep_aspect_ratio"]:  # whichever of the two changes the picture less
        across = down = across if abs(1 - across) < abs(1 - down) else down
    multiple = how["ensure_multiple_of"]
    wide, high = (
        max(round(scale * side / multiple), 1) * multiple for scale, side in ((across, width), (down, height))
    )
    if max(wide, high) > LONGEST_SIDE:
        raise ValueError(f"a picture of {width} x {height} is too thin for a depth estimator")
    return wide, high


def _read(config: Mapping[str, Any]) -> dict[str, Any]:
    stated = {name: value for name, value in config.items() if name not in NOTES and value is not None}
    unknown = next((name for name in stated if name not in DEFAULTS), None)
    if unknown:
        raise ValueError(
            f"image processor config: unknown field {unknown!r} with value {stated[unknown]!r:.80}"
        )
    if config.get("do_pad") or config.get("do_reduce_labels"):
        raise ValueError("image processor config: do_pad and do_reduce_labels are not supported")
    how = {**DEFAULTS, **stated}
    if isinstance(how["size"], int):
        how["size"] = {"height": how["size"], "width": how["size"]}
    fits = (
        isinstance(how["size"], Mapping)
        and how["size"].keys() == {"height", "width"}
        and all(type(side) is int and 1 <= side <= LONGEST_SIDE for side in how["size"].values())
        and type(how["ensure_multiple_of"]) is int
        and 1 <= how["ensure_multiple_of"] <= MULTIPLES
        and how["resample"] in range(6)
        and all(len(how[name]) == 3 and 0 not in how["image_std"] for name in ("image_mean", "image_std"))
    )
    if not fits:
        raise ValueError(
            "image processor config: a size, a multiple, a resample, a mean or a std is not supported"
        )
    return how
