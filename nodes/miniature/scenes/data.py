"""The training set: scenes 0..n-1 of one seed, rendered once into memory-mapped arrays.

    python -m nodes.miniature.scenes.data --count 30000

Every scene has its own generator, made of the seed and its number, so the set does not depend on how many
processes drew it.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nodes.miniature.scenes.scenes import (
    ATTRIBUTES,
    HORIZON_DEPTH,
    Attributes,
    Scene,
    place,
    sample_attributes,
)

SEED = 2026
SIZE = 128
HELD_OUT = 1000  # the last scenes of the set (of a small set a quarter): nothing is trained on them
WORK = Path(".work/miniature")
MAPS = {"images": (3,), "ids": (), "near": ()}  # the files of a set, and their channels


@dataclass(frozen=True)
class Data:
    """images (N, 128, 128, 3) uint8, ids and near (N, 128, 128) uint8 (see `nearness`), rows (N, 11) int64
    (see Attributes.row)."""

    images: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    near: NDArray[np.uint8]
    rows: NDArray[np.int64]

    @property
    def training(self) -> int:
        """How many scenes, from the first, may be trained on."""
        return training_count(len(self.rows))

    def first(self, count: int) -> "Data":
        """The first `count` scenes."""
        return Data(self.images[:count], self.ids[:count], self.near[:count], self.rows[:count])


def training_count(total: int) -> int:
    """How many of `total` scenes, from the first, may be trained on."""
    return total - min(HELD_OUT, total // 4)


def scene(number: int, seed: int = SEED) -> tuple[Attributes, Scene]:
    """Scene `number` of the set of `seed`."""
    rng = np.random.default_rng((seed, number))
    attributes = sample_attributes(rng)
    return attributes, place(attributes, rng)


def load(folder: Path = WORK / "data") -> Data:
    """Open a rendered set; the pictures stay on disk until they are read."""
    if not (folder / "rows.npy").exists():
        raise FileNotFoundError(
            f"there is no training set in {folder}: run python -m nodes.miniature.scenes.data first"
        )
    images, ids, near = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in MAPS)
    return Data(images, ids, near, np.load(folder / "rows.npy"))


def nearness(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Depth (..., H, W) as a depth map: 255 at the nearest point of each picture, 0 at the horizon.

    It is linear in the inverse of the depth, as what a depth estimator for single pictures sees.
    """
    inverse = 1 / depth - 1 / HORIZON_DEPTH
    scaled = inverse / inverse.max((-2, -1), keepdims=True)
    return (scaled * 255 + 0.5).astype(np.uint8)


def build(folder: Path, count: int, processes: int = 2, seed: int = SEED) -> None:
    """Render `count` scenes into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, channels in MAPS.items():
        shape = (count, SIZE, SIZE, *channels)
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, shape).flush()
    starts = range(0, count, 500)
    rows = np.zeros((count, len(ATTRIBUTES)), np.int64)
    with ProcessPoolExecutor(processes) as pool:
        jobs = [pool.submit(_render_range, folder, start, min(start + 500, count), seed) for start in starts]
        for start, job in zip(starts, jobs, strict=True):
            part = job.result()
            rows[start : start + len(part)] = part
    np.save(folder / "rows.npy", rows)


def _render_range(folder: Path, start: int, stop: int, seed: int) -> NDArray[np.int64]:
    from nodes.miniature.scenes.render import render

    images, ids, near = (np.load(folder / f"{name}.npy", mmap_mode="r+") for name in MAPS)
    rows = []
    for number in range(start, stop):
        attributes, placed = scene(number, seed)
        picture = render(placed, SIZE)
        images[number] = (picture.image * 255 + 0.5).astype(np.uint8)
        ids[number] = picture.ids
        near[number] = nearness(picture.depth)
        rows.append(attributes.row())
    return np.array(rows)


def main() -> None:
    """Command line: render the training set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--folder", type=Path, default=WORK / "data")
    arguments = parser.parse_args()
    began = time.monotonic()
    build(arguments.folder, arguments.count)
    print(f"{arguments.count} scenes in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
