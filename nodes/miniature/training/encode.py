"""Between the stages: whiten the MoVQ's latents, and store latents and image embeddings of all scenes.

    python -m nodes.miniature.training.encode --count 16000

Kandinsky's stages apply no latent scale, so the latents themselves must have zero mean, unit variance and no
correlation. The linear map that makes them so is folded into the layers around them: nothing is approximated.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from nodes.miniature.scenes.data import WORK, Data, load
from nodes.miniature.training.train_clip import VISION_SIZE, ClipPair, shrink
from nodes.miniature.training.train_movq import build
from nodes.miniature.training.training import load_averaged, to_unit
from nodes.networks.movq import MoVQ, SpatialNorm

BATCH = 8  # pictures at once: larger batches leave the processor's cache
SMALLEST_VARIANCE = 0.04  # a channel that says almost nothing is not blown up to unit variance
CODEBOOK_ROUNDS = 5


@torch.no_grad()
def whiten(model: MoVQ, latents: Tensor) -> Tensor:
    """Fold the whitening of `latents` (N, 4, h, w) of `model` into its weights; returns them white."""
    channels = latents.transpose(0, 1).flatten(1).double()
    mean = channels.mean(1)
    values, vectors = torch.linalg.eigh(torch.cov(channels))
    scale = values.clamp(min=SMALLEST_VARIANCE).sqrt()
    forward = (vectors / scale).T  # new = forward @ (old - mean)
    backward, mean = (vectors * scale).float(), mean.float()  # old = backward @ new + mean
    quant = model.quant_conv
    quant.weight.copy_(torch.einsum("ij,jkab->ikab", forward.float(), quant.weight))
    assert quant.bias is not None
    quant.bias.copy_(forward.float() @ (quant.bias - mean))
    norms = [module for module in model.decoder.modules() if isinstance(module, SpatialNorm)]
    for conv in (model.post_quant_conv, *(c for norm in norms for c in (norm.conv_y, norm.conv_b))):
        assert conv.bias is not None
        conv.bias.add_(conv.weight[:, :, 0, 0] @ mean)
        conv.weight.copy_(torch.einsum("ojab,jk->okab", conv.weight, backward))
    return torch.einsum("ij,bjhw->bihw", forward.float(), latents - mean[:, None, None])


@torch.no_grad()
def fit_codebook(model: MoVQ, latents: Tensor, seed: int = 0) -> None:
    """k-means of the latents as the codebook that the file format asks for; no stage quantises with it."""
    points = latents.transpose(0, 1).flatten(1).T.contiguous()
    points = points[torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))[:20_000]]
    codes = points[: model.quantize.embedding.num_embeddings].clone()
    for _ in range(CODEBOOK_ROUNDS):
        nearest = torch.cdist(points, codes).argmin(1)
        counts = torch.bincount(nearest, minlength=len(codes)).clamp(min=1)[:, None]
        codes = torch.zeros_like(codes).index_add_(0, nearest, points) / counts
    model.quantize.embedding.weight.copy_(codes)


@torch.no_grad()
def encode_images(folder: Path, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Latents (N, 4, 16, 16), not yet white, of pictures by the MoVQ trained in `folder`."""
    torch.set_num_threads(1)
    model, parts = load_averaged(build(), folder / "movq.state"), []
    for first in range(0, len(images), BATCH):
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(model.encode(to_unit(images[first : first + BATCH])).float())
    return torch.cat(parts).numpy()


@torch.no_grad()
def embed_images(pair: ClipPair, data: Data) -> tuple[Tensor, Tensor]:
    """Image embeddings (N, 128) of all scenes, and (1, 128) of the all-zero input, which means nothing."""
    parts = []
    for start in range(0, len(data.rows), 250):
        small = np.stack([shrink(image) for image in data.images[start : start + 250]])
        parts.append(pair.vision(pixel_values=to_unit(small)).image_embeds)
    nothing = pair.vision(pixel_values=torch.zeros(1, 3, VISION_SIZE, VISION_SIZE)).image_embeds
    return torch.cat(parts), nothing


def embed(folder: Path, data: Data) -> None:
    """Write embeds.npy, the image embeddings, and nothing.npy, that of the all-zero input."""
    pair = ClipPair()
    load_averaged(pair, folder / "clip.state")
    embeds, nothing = embed_images(pair, data)
    np.save(folder / "embeds.npy", embeds.numpy())
    np.save(folder / "nothing.npy", nothing.numpy())
    print("embeds", tuple(embeds.shape), "std", float(embeds.std()), flush=True)


def encode(folder: Path, data: Data, count: int, processes: int = 2) -> None:
    """Write movq_whitened.safetensors, and latents.npy of the first `count` scenes."""
    model = load_averaged(build(), folder / "movq.state")
    starts = range(0, count, 500)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        jobs = [
            pool.submit(encode_images, folder, np.array(data.images[start : min(start + 500, count)]))
            for start in starts
        ]
        latents = torch.from_numpy(np.concatenate([job.result() for job in jobs]))
    latents = whiten(model, latents)
    fit_codebook(model, latents[:2000])
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "movq_whitened.safetensors"
    )
    np.save(folder / "latents.npy", latents.numpy().astype(np.float16))
    channels = latents.transpose(0, 1).flatten(1)
    print(
        "latents",
        tuple(latents.shape),
        "std",
        channels.std(1).tolist(),
        "largest",
        float(latents.abs().max()),
    )


def main() -> None:
    """Command line: encode the training set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("latents", "embeds"), default=None)
    parser.add_argument("--count", type=int, default=16_000, help="how many scenes' latents")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = load()
    if arguments.only != "latents":
        embed(WORK, data)
    if arguments.only != "embeds":
        encode(WORK, data, arguments.count)


if __name__ == "__main__":
    main()
