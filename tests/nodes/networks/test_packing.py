"""Packed networks compute what they computed before."""

import pytest
import torch
from torch import nn

from nodes.networks import packing
from nodes.networks.movq import MoVQ, MoVQConfig
from nodes.networks.packing import PackedConv2d, PackedLinear, can_pack, pack
from nodes.networks.prior_transformer import PriorConfig, PriorTransformer
from nodes.networks.unet import UNet, UNetConfig

needs_packing = pytest.mark.skipif(not can_pack(), reason="this build of PyTorch has no oneDNN")


def make_unet() -> UNet:
    torch.manual_seed(0)
    return UNet(
        UNetConfig(
            in_channels=8,
            out_channels=8,
            block_out_channels=(32, 64),
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            layers_per_block=1,
            attention_head_dim=8,
            cross_attention_dim=16,
            encoder_hid_dim=12,
            encoder_hid_dim_type="image_proj",
            addition_embed_type="image_hint",
        )
    ).eval()


@needs_packing
@torch.no_grad()
def test_unet_of_several_sizes():
    plain, packed = make_unet(), pack(make_unet())
    assert not any(isinstance(layer, nn.Linear | nn.Conv2d) for layer in packed.modules())
    for batch, height, width in ((2, 8, 8), (1, 4, 12), (2, 8, 8), (3, 16, 8)):
        x, image_embeds = torch.randn(batch, 4, height, width), torch.randn(batch, 12)
        hint = torch.rand(batch, 3, 8 * height, 8 * width)
        expected = plain(x, 7, plain.condition(image_embeds, hint))
        output = packed(x, 7, packed.condition(image_embeds, hint))
        assert output.is_contiguous(memory_format=torch.channels_last)
        assert (output - expected).abs().max() < 1e-5


@needs_packing
@torch.no_grad()
def test_movq():
    down, up = ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"), ("AttnUpDecoderBlock2D", "UpDecoderBlock2D")
    torch.manual_seed(0)
    movq = MoVQ(MoVQConfig((32, 64), down, up, 1, 4, 12))
    image = torch.rand(2, 3, 24, 16) * 2 - 1
    latents = movq.encode(image)
    decoded = movq.decode(latents)
    packed = pack(movq)
    assert (packed.encode(image) - latents).abs().max() < 1e-5
    assert (packed.decode(latents) - decoded).abs().max() < 1e-5


@needs_packing
@torch.no_grad()
def test_prior():
    torch.manual_seed(0)
    prior = PriorTransformer(PriorConfig(4, 8, 3, 12, 9))
    x, text_embeds, hidden_states = torch.randn(2, 12), torch.randn(2, 12), torch.randn(2, 9, 12)
    mask = torch.tensor([[1] * 3 + [0] * 6, [1] * 7 + [0] * 2])
    expected = prior(x, 5, text_embeds, hidden_states, mask)
    assert (pack(prior)(x, 5, text_embeds, hidden_states, mask) - expected).abs().max() < 1e-5


@needs_packing
@pytest.mark.parametrize("layer", [nn.Linear(8, 24, bias=False), nn.Conv2d(8, 24, 3, stride=2, bias=False)])
@torch.no_grad()
def test_layers_in_bfloat16_and_without_bias(layer):
    layer = layer.bfloat16()
    x = torch.randn(2, 8, 8, 8, dtype=torch.bfloat16)
    packed = pack(nn.Sequential(layer))
    assert isinstance(packed[0], PackedLinear | PackedConv2d)
    assert (packed(x) - layer(x)).abs().max() < 0.02


def test_nothing_is_packed_without_onednn(monkeypatch):
    monkeypatch.setattr(packing, "can_pack", lambda: False)
    unet = make_unet()
    before = list(unet.state_dict())
    assert pack(unet) is unet
    assert list(unet.state_dict()) == before


def test_other_dtypes_stay():
    assert isinstance(pack(nn.Sequential(nn.Linear(4, 4)).double())[0], nn.Linear)
