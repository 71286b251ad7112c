"""Masks (B, H, W) in 0..1, 1 = repaint: drawn, softened, resized, and as the inpainting UNet takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nodes.batches import check_room
from nodes.pixels.pictures import Array, from_bytes, to_bytes

# Neighbours that a repainted latent takes along. Two corners are left out: the networks were trained with
# masks grown exactly so.
HEXAGON = ((-1, -1), (-1, 0), (0, -1), (0, 0), (0, 1), (1, 0), (1, 1))


def keep_mask(mask: Array, width: int, height: int, shrink: bool = True) -> Array:
    """What the inpainting UNet is told to keep: (B, height, width) of 0 and 1 from a mask (B, H, W).

    The mask is cut at 0.5, taken to the latents' size by nearest neighbours, and the kept part shrinks by
    one latent, so that none shows what a repainted pixel was. Kandinsky 3's does not `shrink`: there the
    latents never saw these pixels.
    """
    keep = mask < 0.5
    rows, columns = _nearest(mask.shape[1], height), _nearest(mask.shape[2], width)
    kept = keep[:, rows][:, :, columns]
    return (eroded(kept) if shrink else kept).astype(np.float32)


def _nearest(there: int, wanted: int) -> NDArray[np.intp]:
    """Which of `there` samples stands for each of `wanted`, in float32 as torch's interpolate counts."""
    index = np.floor(np.arange(wanted, dtype=np.float32) * np.float32(there / wanted))
    chosen: NDArray[np.intp] = np.minimum(index, there - 1).astype(np.intp)
    return chosen


def eroded(keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True where `keep` (B, h, w) is and all of its HEXAGON neighbours are; beyond the border all is kept."""
    height, width = keep.shape[1:]
    around = np.pad(keep, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    out = np.ones_like(keep)
    for down, right in HEXAGON:
        out &= around[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
    return out


def resize_mask(mask: Array, width: int, height: int) -> Array:
    """The masks (B, H, W) at another size, (B, height, width); Lanczos in 8 bits as diffusers does."""
    if mask.shape[1:] == (height, width):
        return mask
    check_room("the mask in colours", (len(mask), height, width, 3))
    rows = (Image.fromarray(row) for row in to_bytes(mask))
    resized = [np.asarray(row.resize((width, height), Image.Resampling.LANCZOS)) for row in rows]
    return from_bytes(np.stack(resized))


def rectangle(width: int, height: int, x: float, y: float, w: float, h: float) -> Array:
    """(1, height, width): 1 in the box with corner (x, y) and size (w, h), all fractions of the picture."""
    across, down = _centres(width), _centres(height)
    columns = (across >= x) & (across < x + w)
    rows = (down >= y) & (down < y + h)
    return (rows[:, None] & columns[None, :])[None].astype(np.float32)


def ellipse(width: int, height: int, x: float, y: float, w: float, h: float) -> Array:
    """(1, height, width): 1 in the ellipse that touches the sides of `rectangle`'s box."""
    if w <= 0 or h <= 0:
        return np.zeros((1, height, width), np.float32)
    across = (_centres(width) - (x + w / 2)) / (w / 2)
    down = (_centres(height) - (y + h / 2)) / (h / 2)
    return (down[:, None] ** 2 + across[None, :] ** 2 <= 1)[None].astype(np.float32)


def _centres(count: int) -> NDArray[np.float64]:
    """Where the middles of `count` pixels lie, as fractions."""
    return (np.arange(count) + 0.5) / count


def luminance(image: Array) -> Array:
    """(B, H, W) from pictures (B, H, W, 3): how bright they are, 0..1 (ITU-R BT.601, as Pillow's "L")."""
    return (image @ np.array([0.299, 0.587, 0.114], np.float32)).clip(0, 1).astype(np.float32)


def painted(rgb: Array, alpha: Array) -> Array:
    """(B, H, W) from a picture as `read_image` gives it: white paint is 1; black, or no paint, is 0."""
    return (luminance(rgb) - (1 - alpha)).clip(0, 1).astype(np.float32)  # rgb lies over white


def feather(mask: Array, pixels: int) -> Array:
    """The masks (B, H, W) with soft edges: the change from 0 to 1 reaches `pixels` to either side of an edge.

    Straight edges keep their place, at 0.5; the picture's border is no edge. Three box blurs, which together
    are close to a Gaussian.
    """
    for radius in ((pixels + 2) // 3, (pixels + 1) // 3, pixels // 3):
        for axis in (1, 2):
            mask = _box_blur(mask, radius, axis)
    return mask


def _box_blur(mask: Array, radius: int, axis: int) -> Array:
    if radius == 0:
        return mask
    margin = [(0, 0)] * mask.ndim
    margin[axis] = (radius + 1, radius)
    sums = np.cumsum(np.pad(mask, margin, mode="edge"), axis=axis, dtype=np.float64)
    window, length = 2 * radius + 1, mask.shape[axis]
    upper = np.take(sums, np.arange(window, window + length), axis=axis)
    lower = np.take(sums, np.arange(length), axis=axis)
    return ((upper - lower) / window).clip(0, 1).astype(np.float32)
