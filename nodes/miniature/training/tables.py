"""What the shipped checkpoint makes of the scenes, for stages that go on from it.

    python -m nodes.miniature.training.tables --count 30000 --edits 6000 --aspects 700

For the first scenes of the training set: their latents and image embeddings, and the embeddings of the same
things moved to other places. For the first of these also an edit, the same scene with another thing in the
place of one, or without it: latents, embeddings, and the cells that the old and the new thing cover. Other
scenes are drawn wider, higher, larger or smaller; their embeddings are those of the square picture, as CLIP
sees no more than the square in the middle.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import CLIPVisionModelWithProjection

from nodes.miniature import WEIGHTS
from nodes.miniature.scenes.data import SEED, SIZE, WORK, Data, load, scene
from nodes.miniature.scenes.scenes import moved, place, replaced, without
from nodes.miniature.training.train_clip import VISION_SIZE, shrink
from nodes.miniature.training.train_movq import shipped
from nodes.miniature.training.training import to_unit
from nodes.networks.movq import MoVQ

BATCH = 8  # pictures at once: larger batches leave the processor's cache
CELL = 8  # pixels of a latent, in each direction
PART = 250
ASPECTS = ((160, 128), (192, 128), (128, 160), (128, 192), (160, 160), (192, 192), (96, 96))
FIRST_OF_ASPECTS = 20_000  # number of the first scene that is drawn at another size
NAMES = ("latents", "embeds", "moved_embeds", "edited_latents", "edited_embeds", "edited_cells")


def open_vision() -> CLIPVisionModelWithProjection:
    """The CLIP vision encoder that ships, in float32."""
    folder = WEIGHTS / "prior" / "image_encoder"
    vision: CLIPVisionModelWithProjection = CLIPVisionModelWithProjection.from_pretrained(
        folder, dtype=torch.float32
    )
    return vision.eval()


@torch.no_grad()
def encode(movq: MoVQ, images: NDArray[np.uint8]) -> NDArray[np.float16]:
    """Latents (N, 4, 16, 16) of pictures (N, 128, 128, 3)."""
    parts = []
    for first in range(0, len(images), BATCH):
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(movq.encode(to_unit(images[first : first + BATCH])).float())
    latents: NDArray[np.float16] = torch.cat(parts).numpy().astype(np.float16)
    return latents


@torch.no_grad()
def embed(vision: CLIPVisionModelWithProjection, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Image embeddings (N, 128) of pictures (N, 128, 128, 3)."""
    small = np.stack([shrink(image) for image in images])
    embeds: NDArray[np.float32] = vision(pixel_values=to_unit(small)).image_embeds.numpy()
    return embeds


def cells_of(*ids: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the 16 x 16 cells any of the masks (128, 128) touches."""
    touched = np.logical_or.reduce(ids)
    return touched.reshape(SIZE // CELL, CELL, SIZE // CELL, CELL).any((1, 3))


def edit(number: int, seed: int = SEED) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Scene `number` edited (128, 128, 3), and the cells (16, 16) of the old and the new thing."""
    from nodes.miniature.scenes.render import render

    rng = np.random.default_rng((seed, number, 2))
    attributes, placed = scene(number, seed)
    which = int(rng.integers(len(attributes.things)))
    before = render(placed, SIZE).ids == which + 1
    if len(attributes.things) == 2 and rng.random() < 1 / 3:
        return _bytes(render(without(placed, which), SIZE).image), cells_of(before)
    after = render(replaced(attributes, placed, which, rng)[1], SIZE)
    return _bytes(after.image), cells_of(before, after.ids == which + 1)


def moved_picture(number: int, seed: int = SEED) -> NDArray[np.uint8]:
    """The things of scene `number` in other places (128, 128, 3)."""
    from nodes.miniature.scenes.render import render

    rng = np.random.default_rng((seed, number, 3))
    return _bytes(render(place(moved(scene(number, seed)[0], rng), rng), SIZE).image)


def _bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return (image * 255 + 0.5).astype(np.uint8)


def part(path: Path, images: NDArray[np.uint8], start: int, edits: int) -> None:
    """Write what is made of the scenes from `start` on, of which the first `edits` have one."""
    torch.set_num_threads(1)
    movq, vision = shipped().eval(), open_vision()
    elsewhere = np.stack([moved_picture(number) for number in range(start, start + len(images))])
    made: list[NDArray[Any]] = [encode(movq, images), embed(vision, images), embed(vision, elsewhere)]
    if edits:
        pictures, cells = zip(*(edit(number) for number in range(start, start + edits)), strict=True)
        others = np.stack(pictures)
        made += [encode(movq, others), embed(vision, others), np.stack(cells)]
    beside = path.with_suffix(".partial.npz")
    np.savez(beside, **dict(zip(NAMES, made, strict=False)))  # type: ignore[arg-type]  # numpy's own stub
    beside.rename(path)


def aspect_part(path: Path, images: NDArray[np.uint8], start: int, width: int, height: int) -> None:
    """Write latents of the scenes from `start` on at another size, and embeddings of the square ones."""
    from nodes.miniature.scenes.render import render

    torch.set_num_threads(1)
    square = min(width, height, SIZE)
    pictures = [
        _bytes(render(scene(number)[1], square, width, height).image)
        for number in range(start, start + len(images))
    ]
    latents, embeds = encode(shipped().eval(), np.stack(pictures)), embed(open_vision(), images)
    beside = path.with_suffix(".partial.npz")
    np.savez(beside, latents=latents, embeds=embeds)
    beside.rename(path)


def build(folder: Path, data: Data, count: int, edits: int, aspects: int = 0, processes: int = 2) -> None:
    """Write the tables NAMES of `count` scenes, nothing.npy, the embedding of the all-zero input, and
    `aspects` scenes of every size in ASPECTS.

    Parts that are there already are not made again.
    """
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    starts = range(0, count, PART)
    paths = [folder / "tables" / f"{start}-{max(edits - start, 0) > 0:d}.npz" for start in starts]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        jobs = [
            pool.submit(part, path, np.array(data.images[start : start + PART][: count - start]), start, left)
            for start, path in zip(starts, paths, strict=True)
            if not path.exists()
            for left in [min(max(edits - start, 0), PART, count - start)]
        ]
        for k, (width, height) in enumerate(ASPECTS):
            path, start = folder / "tables" / f"{width}x{height}.npz", FIRST_OF_ASPECTS + k * aspects
            if aspects and not path.exists():
                images = np.array(data.images[start : start + aspects])
                jobs.append(pool.submit(aspect_part, path, images, start, width, height))
        for job in jobs:
            job.result()
    parts = [np.load(path) for path in paths]
    for name in NAMES:
        np.save(folder / f"{name}.npy", np.concatenate([part[name] for part in parts if name in part]))
    with torch.no_grad():
        empty = torch.zeros(1, 3, VISION_SIZE, VISION_SIZE)
        np.save(folder / "nothing.npy", open_vision()(pixel_values=empty).image_embeds.numpy())


def main() -> None:
    """Command line: make the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--edits", type=int, default=6_000)
    parser.add_argument("--aspects", type=int, default=700, help="scenes of each other size")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    build(WORK, load(), arguments.count, arguments.edits, arguments.aspects, arguments.processes)


if __name__ == "__main__":
    main()
