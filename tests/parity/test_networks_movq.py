"""MoVQ computes what diffusers' VQModel does."""

import pytest
import torch
from diffusers import VQModel

from nodes.networks.movq import MoVQ, MoVQConfig

TOLERANCE = 1e-5
SIZES = {
    "factor 2": {"block_out_channels": [32, 64], "norm_num_groups": 8},
    "factor 8": {"block_out_channels": [32, 32, 64, 64]},
    "two layers": {"block_out_channels": [32, 64, 96], "layers_per_block": 2, "norm_num_groups": 16},
}


def attend_at(level: int, levels: int) -> dict[str, list[str]]:
    down, up = ["DownEncoderBlock2D"] * levels, ["UpDecoderBlock2D"] * levels
    down[level], up[levels - 1 - level] = "AttnDownEncoderBlock2D", "AttnUpDecoderBlock2D"
    return {"down_block_types": down, "up_block_types": up}


def make_pair(randomise, name: str, level: int = -1, seed: int = 0) -> tuple[VQModel, MoVQ]:
    sizes = SIZES[name]
    levels = len(sizes["block_out_channels"])
    kinds = attend_at(level % levels, levels)
    common = {"latent_channels": 4, "num_vq_embeddings": 12, "vq_embed_dim": 4, "norm_type": "spatial"}
    theirs = randomise(VQModel(**common, **kinds, **sizes), seed)
    ours = MoVQ(MoVQConfig.read(theirs.config))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours.eval()


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", [(1, 16, 16), (2, 24, 40), (3, 32, 16)])
@pytest.mark.parametrize("name", SIZES)
@torch.no_grad()
def test_encode_and_decode(randomise, name, size, channels_last):
    theirs, ours = make_pair(randomise, name)
    if channels_last:
        ours = ours.to(memory_format=torch.channels_last)
    batch, height, width = size
    source = torch.Generator().manual_seed(1)
    image = torch.rand(batch, 3, height, width, generator=source) * 2 - 1
    latents = ours.encode(image)
    assert latents.shape == (batch, 4, height // ours.config.factor, width // ours.config.factor)
    assert largest(latents, theirs.encode(image).latents) < TOLERANCE

    latents = torch.randn(latents.shape, generator=source)
    decoded = ours.decode(latents)
    assert decoded.shape == image.shape
    assert largest(decoded, theirs.decode(latents, force_not_quantize=True).sample) < TOLERANCE


@pytest.mark.parametrize("name", SIZES)
@torch.no_grad()
def test_nothing_but_rounding_differs(randomise, name):
    theirs, ours = make_pair(randomise, name)
    theirs, ours = theirs.double(), ours.double()
    latents = torch.randn(2, 4, 12, 20, dtype=torch.float64)
    decoded = ours.decode(latents)
    assert largest(decoded, theirs.decode(latents, force_not_quantize=True).sample) < 1e-11
    assert largest(ours.encode(decoded), theirs.encode(decoded).latents) < 1e-11


@torch.no_grad()
def test_attention_at_another_level(randomise):
    theirs, ours = make_pair(randomise, "factor 2", level=0)
    image = torch.randn(2, 3, 16, 8)
    assert largest(ours.encode(image), theirs.encode(image).latents) < TOLERANCE
    latents = torch.randn(2, 4, 8, 4)
    assert largest(ours.decode(latents), theirs.decode(latents, force_not_quantize=True).sample) < TOLERANCE


def test_gradients(randomise):
    theirs, ours = make_pair(randomise, "factor 2")
    image = torch.randn(2, 3, 16, 16)
    ours.decode(ours.encode(image)).square().mean().backward()
    theirs.decode(theirs.encode(image).latents, force_not_quantize=True).sample.square().mean().backward()
    expected = {name: value.grad for name, value in theirs.named_parameters()}
    for name, value in ours.named_parameters():
        if name == "quantize.embedding.weight":
            assert value.grad is None
        else:
            scale = expected[name].abs().max().item()
            assert largest(value.grad, expected[name]) <= 1e-4 * max(scale, 1e-3), name
