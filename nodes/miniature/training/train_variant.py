"""Train a UNet from the text-to-image one that ships: for inpainting, for depth hints, or further.

    python -m nodes.miniature.training.tables
    python -m nodes.miniature.training.train_variant inpaint --minutes 25
    python -m nodes.miniature.training.train_variant controlnet_depth --minutes 25
    python -m nodes.miniature.training.train_variant text2img --minutes 40

All begin as that UNet: what is new in the first convolution begins at zero for inpainting, and small for
hints, where zeros would take most of so short a training to grow.

Inpainting: half of the examples are pictures with a hole anywhere. The others are edits: the hole is where a
thing is, what is kept is from a picture with another thing there, or none. So what a latent beside the hole
still knows of the old thing is no help, and the embedding alone says what belongs there.

Depth: half of the embeddings are of a picture with the same things in other places, so that it is the hint
that says where things are. The hint block needs no training (see `hints`); the UNet sees what it says.

Text to image: two steps in five are on wider, higher, larger or smaller pictures. And where there is little
noise, some embeddings are of the same things in other places. A UNet that only knows embeddings that fit
believes them against all that it sees, and image to image at a low strength moves everything to where the
embedding has it. So it learns to leave things where they are, and to take from the embedding what they are.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from nodes.miniature import WEIGHTS
from nodes.miniature.scenes.data import WORK, Data, load, training_count
from nodes.miniature.training import hints, train_unet
from nodes.miniature.training.parallel import together
from nodes.miniature.training.tables import ASPECTS, FIRST_OF_ASPECTS
from nodes.miniature.training.train_unet import (
    VARIANCE_WEIGHT,
    Batch,
    Diffusion,
    guidance_embeds,
    losses,
    stratified,
)
from nodes.miniature.training.training import Stage, channels_last, load_averaged
from nodes.networks.unet import UNet, UNetConfig
from nodes.pixels.masks import eroded

CONFIGS: dict[str, dict[str, Any]] = {
    "text2img": train_unet.CONFIG,
    "inpaint": {**train_unet.CONFIG, "in_channels": 9},
    "controlnet_depth": {**train_unet.CONFIG, "in_channels": 8, "addition_embed_type": "image_hint"},
}
SEEDS = {"text2img": 34, "inpaint": 31, "controlnet_depth": 32}
BATCH = 64
HINT_START = 0.03  # spread of the first weights of the hint's channels; the others' is about 0.1
DOUBT = 0.5  # share of embeddings that do not fit where there is no noise, see `doubted`
KEPT_WEIGHT = 0.25  # of a latent that is kept, against one to repaint


def build(variant: str) -> UNet:
    """The untrained network."""
    return channels_last(UNet(UNetConfig.read(CONFIGS[variant])))


def begin(variant: str) -> UNet:
    """The network of a variant with the weights of the text-to-image one that ships."""
    model = build(variant)
    weights = load_file(WEIGHTS / "decoder" / "unet" / "diffusion_pytorch_model.safetensors")
    first = torch.zeros_like(model.conv_in.weight)
    first[:, : weights["conv_in.weight"].shape[1]] = weights["conv_in.weight"]
    if model.config.addition_embed_type == "image_hint":
        first[:, weights["conv_in.weight"].shape[1] :].normal_(std=HINT_START)
        model.add_embedding.input_hint_block = nn.Identity()
    model.load_state_dict({**weights, "conv_in.weight": first})
    return model


def finished(folder: Path, variant: str) -> UNet:
    """The network of a variant with the averaged weights of its stages."""
    model = load_averaged(begin(variant), folder / f"unet_{variant}.state")
    if variant == "controlnet_depth":
        model.add_embedding.input_hint_block = hints.build()
    return model


@dataclass(frozen=True)
class Pictures:
    """Scenes of one size: latents (N, 4, h, w), embeddings (N, D), and those of the same things elsewhere."""

    latents: Tensor
    embeds: Tensor
    moved: Tensor

    @classmethod
    def read(cls, path: Path, place: int, moved: Tensor) -> "Pictures":
        """Those of size number `place`, in a file of `tables`; `moved` is of all scenes."""
        stored = np.load(path)
        latents, embeds = torch.from_numpy(stored["latents"]).float(), torch.from_numpy(stored["embeds"])
        start = FIRST_OF_ASPECTS + place * len(latents)
        return cls(latents, embeds, moved[start : start + len(latents)])


class Tables:
    """What `tables` wrote; the held-out scenes are the last. `folder` may lack the other sizes."""

    def __init__(self, folder: Path, data: Data) -> None:
        self.square = Pictures(*(_table(folder, name) for name in ("latents", "embeds", "moved_embeds")))
        self.nothing = _table(folder, "nothing")
        self.edited_latents, self.edited_embeds = (
            _table(folder, name) for name in ("edited_latents", "edited_embeds")
        )
        self.edited_cells: NDArray[np.bool_] = np.load(folder / "edited_cells.npy")
        self.hints = hints.features(data.near[: len(self.square.latents)])
        self.aspects = []
        for k, (width, height) in enumerate(ASPECTS):
            path = folder / "tables" / f"{width}x{height}.npz"
            if path.exists():
                self.aspects.append(Pictures.read(path, k, self.square.moved))
        self.training = training_count(len(self.square.latents))
        self.spread = self.square.embeds[: self.training].std(0)


def _table(folder: Path, name: str) -> Tensor:
    return torch.from_numpy(np.load(folder / f"{name}.npy")).float()


def hole(side: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A random box or ellipse in a square of `side` latents."""
    high, wide = rng.integers(3, side * 3 // 4 + 1, 2)
    y, x = rng.integers(0, side - high + 1), rng.integers(0, side - wide + 1)
    mask = np.zeros((side, side), bool)
    mask[y : y + high, x : x + wide] = True
    if rng.random() < 0.3:
        down, across = np.ogrid[:side, :side]
        middle_y, middle_x = y + (high - 1) / 2, x + (wide - 1) / 2
        mask &= ((down - middle_y) / (high / 2)) ** 2 + ((across - middle_x) / (wide / 2)) ** 2 <= 1
    return mask


def around(cells: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """A hole that holds all of `cells` (h, w): their box, or what lies near them."""
    side = len(cells)
    if rng.random() < 0.7:
        rows, columns = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
        top, left, low, right = rng.integers(0, 3, 4)
        mask = np.zeros_like(cells)
        mask[
            max(rows[0] - top, 0) : min(rows[-1] + 1 + low, side),
            max(columns[0] - left, 0) : min(columns[-1] + 1 + right, side),
        ] = True
        return mask
    for _ in range(rng.integers(0, 2)):
        cells = ~eroded(~cells[None])[0]
    return cells


def to_repaint(tables: Tables, chosen: NDArray[np.int64], rng: np.random.Generator) -> Batch:
    """Pictures with holes. Most of the chosen scenes that have an edit show it, either way round."""
    clean, embeds = tables.square.latents[chosen].clone(), tables.square.embeds[chosen].clone()
    start, holes = clean.clone(), []
    for row, number in enumerate(chosen):
        if number < len(tables.edited_cells) and rng.random() < 0.9:
            other = tables.edited_latents[number]
            if rng.random() < 0.5:
                start[row] = other
            else:
                clean[row], embeds[row] = other, tables.edited_embeds[number]
            holes.append(around(tables.edited_cells[number], rng))
        else:
            holes.append(hole(clean.shape[-1], rng))
    keep = torch.from_numpy(eroded(~np.stack(holes)))[:, None].float()
    weight = KEPT_WEIGHT + (1 - KEPT_WEIGHT) * (1 - keep)
    return Batch(clean, embeds, torch.cat([start * keep, keep], 1), weight=weight)


def with_hint(tables: Tables, chosen: NDArray[np.int64], rng: np.random.Generator) -> Batch:
    """Pictures with their depth; every second embedding is of the same things in other places."""
    elsewhere = torch.from_numpy(rng.random((len(chosen), 1)) < 0.5)
    embeds = torch.where(elsewhere, tables.square.moved[chosen], tables.square.embeds[chosen])
    return Batch(tables.square.latents[chosen], embeds, hint=tables.hints[chosen])


def of_any_size(tables: Tables, chosen: NDArray[np.int64], rng: np.random.Generator) -> Batch:
    """Two times in five pictures of one other size, as many as together have as many latents."""
    pictures, rows = tables.square, chosen
    if tables.aspects and rng.random() >= 0.6:
        pictures = tables.aspects[rng.integers(len(tables.aspects))]
        count = len(chosen) * tables.square.latents[0, 0].numel() // pictures.latents[0, 0].numel()
        rows = rng.integers(0, len(pictures.latents), count)
    return Batch(pictures.latents[rows], pictures.embeds[rows], doubtful=pictures.moved[rows])


def doubted(batch: Batch, t: Tensor, rng: np.random.Generator) -> Tensor:
    """The embeddings (B, D), some of them those that do not fit: the fewer, the noisier step t (B,) is.

    Where all is noise, it is the embedding alone that says where things are, and none may be wrong.
    """
    if batch.doubtful is None:
        return batch.embeds
    chosen = torch.from_numpy(rng.random(len(t))) < DOUBT * (1 - t / 1000).square()
    return torch.where(chosen[:, None], batch.doubtful, batch.embeds)


EXAMPLES: dict[str, Callable[[Tables, NDArray[np.int64], np.random.Generator], Batch]] = {
    "text2img": of_any_size,
    "inpaint": to_repaint,
    "controlnet_depth": with_hint,
}


def train(folder: Path, data: Data, variant: str, minutes: float, max_steps: int | None = None) -> UNet:
    """Train, or go on training; returns the network with averaged weights."""
    seed, examples = SEEDS[variant], EXAMPLES[variant]
    torch.manual_seed(seed)
    model, diffusion, tables = begin(variant), Diffusion(), Tables(folder, data)
    stage = Stage(
        f"unet_{variant}",
        model,
        folder,
        minutes=minutes,
        peak=7e-4,
        seed=seed,
        average=0.998,
        warm_up=0.04,
        matrices=train_unet.matrices(model),
        max_steps=max_steps,
    )
    for rng in stage.steps():
        batch = examples(tables, rng.integers(0, tables.training, BATCH), rng)
        rows = len(batch.clean)
        t = stratified(rows)
        given = guidance_embeds(doubted(batch, t, rng), tables.nothing, tables.spread, rng)
        error, variance = losses(model, diffusion, replace(batch, embeds=given), t)
        stage.learn(error + VARIANCE_WEIGHT * variance, rows, v=error, variance=variance)
    stage.finish()
    with torch.no_grad():
        torch.manual_seed(seed)
        rest = np.arange(tables.training, len(tables.square.latents))[:256]
        batch = examples(tables, rest, np.random.default_rng(seed))
        error, variance = losses(model, diffusion, batch, stratified(len(rest)))
    stage.finish(held_out_v=round(float(error), 4), held_out_variance=round(float(variance), 4))
    return model


def train_here(variant: str, minutes: float) -> None:
    """Train in the usual folder: what each of several processes does."""
    train(WORK, load(), variant, minutes)


def main() -> None:
    """Command line: train a variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=tuple(CONFIGS))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    together(train_here, (arguments.variant, arguments.minutes), arguments.processes)


if __name__ == "__main__":
    main()
