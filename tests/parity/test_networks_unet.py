"""The UNet computes what diffusers' UNet2DConditionModel does for Kandinsky 2.2."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from nodes.networks.unet import UNet, UNetConfig

TOLERANCE = 1e-5
VARIANTS = {
    "text2img": {"in_channels": 4},
    "inpaint": {"in_channels": 9},
    "controlnet": {"in_channels": 8, "addition_embed_type": "image_hint", "cross_attention_dim": 100},
    "three levels": {
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (32, 64, 96),
        "layers_per_block": 2,
        "attention_head_dim": 8,
        "norm_num_groups": 16,
        "norm_eps": 1e-4,
        "down_block_types": ("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 2,
        "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 2 + ("ResnetUpsampleBlock2D",),
    },
}
TIMES = {"number": 500, "scalar": torch.tensor(0), "rows": torch.tensor([999, 3, 41])}


def make_pair(randomise, variant: str) -> tuple[UNet2DConditionModel, UNet]:
    sizes = {
        "out_channels": 8,
        "addition_embed_type": "image",
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "attention_head_dim": 4,
        "cross_attention_dim": 32,
        "encoder_hid_dim": 32,
        "encoder_hid_dim_type": "image_proj",
        "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "resnet_time_scale_shift": "scale_shift",
    }
    theirs = randomise(UNet2DConditionModel(**{**sizes, **VARIANTS[variant]}), 0)
    ours = UNet(UNetConfig.read(theirs.config))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours.eval()


def make_inputs(ours: UNet, batch: int, height: int, width: int):
    source = torch.Generator().manual_seed(2)
    hinted = ours.config.addition_embed_type == "image_hint"
    x = torch.randn(batch, 4 if hinted else ours.config.in_channels, height, width, generator=source)
    image_embeds = torch.randn(batch, 32, generator=source)
    hint = torch.rand(batch, 3, 8 * height, 8 * width, generator=source) if hinted else None
    return x, image_embeds, hint


def run_theirs(theirs, x, t, image_embeds, hint):
    added = {"image_embeds": image_embeds} | ({} if hint is None else {"hint": hint})
    return theirs(x, t, encoder_hidden_states=None, added_cond_kwargs=added).sample


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("size", [(8, 8), (4, 12), (16, 8)])
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_forward(randomise, variant, size, time, channels_last):
    theirs, ours = make_pair(randomise, variant)
    if channels_last:
        ours = ours.to(memory_format=torch.channels_last)
    batch, t = (3 if time == "rows" else 2), TIMES[time]
    x, image_embeds, hint = make_inputs(ours, batch, *size)
    expected = run_theirs(theirs, x, t, image_embeds, hint)
    assert largest(ours(x, t, ours.condition(image_embeds, hint)), expected) < TOLERANCE


@torch.no_grad()
def test_one_condition_serves_all_steps(randomise):
    theirs, ours = make_pair(randomise, "text2img")
    x, image_embeds, _ = make_inputs(ours, 2, 8, 8)
    condition = ours.condition(image_embeds)
    for t in (999, 499, 0):
        assert largest(ours(x, t, condition), run_theirs(theirs, x, t, image_embeds, None)) < TOLERANCE


@torch.no_grad()
def test_one_hint_serves_both_halves_of_a_guidance_batch(randomise):
    theirs, ours = make_pair(randomise, "controlnet")
    x, image_embeds, hint = make_inputs(ours, 4, 8, 8)
    expected = run_theirs(theirs, x, 7, image_embeds, hint[:2].repeat(2, 1, 1, 1))
    assert largest(ours(x, 7, ours.condition(image_embeds, hint[:2])), expected) < TOLERANCE


@pytest.mark.parametrize("variant", ["text2img", "controlnet"])
def test_gradients(randomise, variant):
    theirs, ours = make_pair(randomise, variant)
    x, image_embeds, hint = make_inputs(ours, 3, 8, 8)
    t = TIMES["rows"]
    ours(x, t, ours.condition(image_embeds, hint)).square().mean().backward()
    run_theirs(theirs, x, t, image_embeds, hint).square().mean().backward()
    expected = {name: value.grad for name, value in theirs.named_parameters()}
    for name, value in ours.named_parameters():
        scale = expected[name].abs().max().item()
        assert largest(value.grad, expected[name]) <= 1e-4 * max(scale, 1e-3), name
