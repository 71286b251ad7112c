"""The autoencoder of Kandinsky 2.0 computes what diffusers' AutoencoderKL does."""

import pytest
import torch
from diffusers import AutoencoderKL

from nodes.networks.kl_autoencoder import KLAutoencoder, KLConfig

TOLERANCE = 1e-5
SCALE = 0.0512
SIZES = {
    "factor 2": {"block_out_channels": [32, 64], "norm_num_groups": 8},
    "factor 8": {"block_out_channels": [32, 32, 64, 64]},
    "two layers": {"block_out_channels": [32, 64, 96], "layers_per_block": 2, "norm_num_groups": 16},
}


def make_pair(randomise, name: str) -> tuple[AutoencoderKL, KLAutoencoder]:
    sizes = SIZES[name]
    levels = len(sizes["block_out_channels"])
    kinds = {
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }
    theirs = randomise(AutoencoderKL(**sizes, **kinds, latent_channels=4, scaling_factor=SCALE), 0)
    ours = KLAutoencoder(KLConfig.read(theirs.config))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours.eval()


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", [(1, 16, 16), (2, 24, 40)])
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
    assert latents.std() > 0.1 * SCALE
    assert largest(latents, theirs.encode(image).latent_dist.mode() * SCALE) < TOLERANCE

    latents = SCALE * torch.randn(latents.shape, generator=source)
    decoded = ours.decode(latents)
    assert decoded.shape == image.shape
    assert largest(decoded, theirs.decode(latents / SCALE).sample) < TOLERANCE


@torch.no_grad()
def test_nothing_but_rounding_differs(randomise):
    theirs, ours = make_pair(randomise, "factor 8")
    theirs, ours = theirs.double(), ours.double()
    source = torch.Generator().manual_seed(1)
    latents = SCALE * torch.randn(2, 4, 12, 20, dtype=torch.float64, generator=source)
    decoded = ours.decode(latents)
    assert largest(decoded, theirs.decode(latents / SCALE).sample) < 1e-11
    assert largest(ours.encode(decoded), theirs.encode(decoded).latent_dist.mode() * SCALE) < 1e-11


def test_gradients(randomise):
    theirs, ours = make_pair(randomise, "factor 2")
    image = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    ours.decode(ours.encode(image)).square().mean().backward()
    theirs.decode(theirs.encode(image).latent_dist.mode()).sample.square().mean().backward()
    expected = {name: value.grad for name, value in theirs.named_parameters()}
    for name, value in ours.named_parameters():
        scale = expected[name].abs().max().item()
        assert largest(value.grad, expected[name]) <= 1e-4 * max(scale, 1e-3), name
