"""Train the MoVQ: 128-pixel pictures to 4 x 16 x 16 latents and back.

    python -m nodes.miniature.training.train_movq --minutes 33
    python -m nodes.miniature.training.train_movq --decoder --minutes 25

Crops of 64 pixels, most of them at an object, then whole pictures. The loss looks harder at objects than
at the ground, and hardest at small ones, asks for the picture's gradients as well as its values, and keeps
the latents near zero mean, unit variance and no correlation, because Kandinsky's stages apply no scale.

The decoder of the MoVQ that ships can go on alone, on the latents that `tables` stored: the encoder stays as
it is, and so do the latents, which all other networks know.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from nodes.miniature import WEIGHTS
from nodes.miniature.scenes.data import Data
from nodes.miniature.training.training import Stage, channels_last, run_stage, to_unit
from nodes.networks.movq import MoVQ, MoVQConfig

CONFIG: dict[str, Any] = {
    "_class_name": "VQModel",
    "_diffusers_version": "0.42.1",
    "act_fn": "silu",
    "block_out_channels": [32, 64, 96, 128],
    "down_block_types": ["DownEncoderBlock2D"] * 3 + ["AttnDownEncoderBlock2D"],
    "force_upcast": False,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "lookup_from_codebook": False,
    "mid_block_add_attention": True,
    "norm_num_groups": 16,
    "norm_type": "spatial",
    "num_vq_embeddings": 512,
    "out_channels": 3,
    "sample_size": 128,
    "scaling_factor": 1.0,
    "up_block_types": ["AttnUpDecoderBlock2D"] + ["UpDecoderBlock2D"] * 3,
    "vq_embed_dim": 4,
}
CROP, CROPS = 64, 8
WHOLE_FROM, WHOLES = 0.8, 2  # the share of the stage after which whole pictures come, and how many a step
OBJECT_WEIGHT = 3.0  # of an object's pixel, against one of the ground
USUAL_AREA, SMALL_WEIGHT = 1200, 2.5  # pixels of a usual object; the most that a small one counts against it
LATENT_NOISE = 0.05


def build() -> MoVQ:
    """The untrained network."""
    return channels_last(MoVQ(MoVQConfig.read(CONFIG)))


def crops(
    data: Data, rng: np.random.Generator, count: int, size: int, align: int = 1
) -> tuple[Tensor, Tensor, list[tuple[int, int, int]]]:
    """Random crops (B, 3, size, size) in -1..1, three of four at an object, weights (B, 1, size, size), and
    of each crop its scene and upper left corner (y, x), a multiple of `align`."""
    full = data.images.shape[1]
    pictures, weights, corners = [], [], []
    for number in rng.integers(0, data.training, count):
        ids = data.ids[number]
        y, x = rng.integers(0, full - size + 1, 2)
        if size < full and rng.random() < 0.75:
            spots = np.argwhere(ids == rng.choice(np.unique(ids[ids > 0])))
            centre = spots[rng.integers(len(spots))] + rng.integers(-size // 4, size // 4, 2)
            y, x = np.clip(centre - size // 2, 0, full - size)
        y, x = y // align * align, x // align * align
        pictures.append(data.images[number, y : y + size, x : x + size])
        weights.append(importance(ids)[y : y + size, x : x + size])
        corners.append((int(number), int(y), int(x)))
    near = F.max_pool2d(torch.from_numpy(np.stack(weights))[:, None], 5, 1, 2)
    return to_unit(np.stack(pictures)), near, corners


def importance(ids: NDArray[np.uint8]) -> NDArray[np.float32]:
    """How much each pixel counts, for object numbers (H, W), 0 for none."""
    areas = np.bincount(ids.ravel()).clip(min=1)
    weights = OBJECT_WEIGHT * np.sqrt(USUAL_AREA / areas).clip(1, SMALL_WEIGHT)
    weights[0] = 1
    return weights.astype(np.float32)[ids]


def pixel_loss(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """How far y is from x (B, 3, H, W), in values and in differences between neighbours."""
    edges = [(weight * (a - b).abs()).mean() for a, b in zip(differences(x), differences(y), strict=True)]
    return (
        (weight * (x - y).abs()).mean()
        + 0.5 * torch.stack(edges).sum()
        + 0.5 * (weight * (x - y).square()).mean()
    )


def differences(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences between neighbours, along each axis, padded to the size of x."""
    return F.pad(x[..., 1:] - x[..., :-1], (0, 1)), F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))


def whiteness(latents: Tensor) -> Tensor:
    """How far latents (B, C, h, w) are from zero mean, unit variance and no correlation."""
    channels = latents.transpose(0, 1).flatten(1)
    correlation = torch.corrcoef(channels) - torch.eye(len(channels))
    spread = (channels.var(1) + 1e-6).log()
    return channels.mean(1).square().mean() + spread.square().mean() + correlation.square().mean()


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal to noise ratio of each picture (B,) in dB; values are in -1..1."""
    return -10 * ((x - y.clamp(-1, 1)) / 2).square().mean((1, 2, 3)).log10()


@torch.no_grad()
def held_out(model: MoVQ, data: Data, count: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """Held-out pictures, their reconstructions (B, 3, 128, 128) and latents."""
    x = to_unit(data.images[data.training : data.training + count])
    latents = model.encode(x)
    return x, model.decode(latents), latents


def train(folder: Path, data: Data, minutes: float, seed: int = 11, max_steps: int | None = None) -> MoVQ:
    """Train, or go on training; returns the network with averaged weights."""
    torch.manual_seed(seed)
    model = build()
    stage = Stage(
        "movq", model, folder, minutes=minutes, peak=2e-3, seed=seed, decay=1e-4, max_steps=max_steps
    )
    for rng in stage.steps():
        whole = stage.progress > WHOLE_FROM
        size, count = (data.images.shape[1], WHOLES) if whole else (CROP, CROPS)
        x, weight, _ = crops(data, rng, count, size)
        with torch.autocast("cpu", torch.bfloat16):
            latents = model.encode(x).float()
            y = model.decode(latents + torch.randn_like(latents) * LATENT_NOISE).float()
        loss = pixel_loss(x, y, weight)
        white = whiteness(latents)
        stage.learn(loss + 0.02 * white, count, error=loss, psnr=psnr(x, y).mean(), whiteness=white)
        if stage.step % 500 == 0:
            with stage.averaged_weights():
                x, y, _ = held_out(model, data)
                print("held-out psnr", round(float(psnr(x, y).mean()), 2), flush=True)
    stage.finish()
    x, y, latents = held_out(model, data, 256)
    channels = latents.transpose(0, 1).flatten(1)
    stage.finish(
        psnr=round(float(psnr(x, y).mean()), 2),
        latent_std=[round(float(v), 3) for v in channels.std(1)],
        latent_correlation=round(float((torch.corrcoef(channels) - torch.eye(4)).abs().max()), 3),
    )
    return model


def shipped() -> MoVQ:
    """The MoVQ that ships, in float32, of which only the decoder can be trained."""
    model = build()
    model.load_state_dict(load_file(WEIGHTS / "decoder" / "movq" / "diffusion_pytorch_model.safetensors"))
    for part in (model.encoder, model.quant_conv, model.quantize):
        part.requires_grad_(False)
    return model


def train_decoder(
    folder: Path, data: Data, minutes: float, seed: int = 22, max_steps: int | None = None
) -> MoVQ:
    """Go on with the decoder alone, on stored latents; returns the network with averaged weights."""
    torch.manual_seed(seed)
    model = shipped()
    table = np.load(folder / "latents.npy")
    data = data.first(len(table))
    stage = Stage(
        "movq_decoder", model, folder, minutes=minutes, peak=1e-3, seed=seed, decay=1e-4, max_steps=max_steps
    )
    for rng in stage.steps():
        whole = stage.progress > WHOLE_FROM
        size, count = (data.images.shape[1], WHOLES) if whole else (CROP, CROPS)
        x, weight, corners = crops(data, rng, count, size, align=model.config.factor)
        latents = torch.from_numpy(np.stack([_cut(table, *corner, size // 8) for corner in corners])).float()
        noise = torch.rand(count, 1, 1, 1) * 2 * LATENT_NOISE
        with torch.autocast("cpu", torch.bfloat16):
            y = model.decode(latents + torch.randn_like(latents) * noise).float()
        loss = pixel_loss(x, y, weight)
        stage.learn(loss, count, error=loss, psnr=psnr(x, y).mean())
    stage.finish()
    x, y, _ = held_out(model, data, 256)
    stage.finish(psnr=round(float(psnr(x, y).mean()), 2))
    return model


def _cut(table: NDArray[np.float16], number: int, y: int, x: int, size: int) -> NDArray[np.float16]:
    """The latents (4, size, size) of a crop of scene `number` with its corner at pixel (y, x)."""
    return table[number, :, y // 8 : y // 8 + size, x // 8 : x // 8 + size]


def main() -> None:
    """Command line: train the MoVQ, or its decoder alone."""
    run_stage(__doc__, 33, train, ("--decoder", train_decoder, "the decoder of what ships, after tables"))


if __name__ == "__main__":
    main()
