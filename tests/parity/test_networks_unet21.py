"""The UNet computes what diffusers' UNet2DConditionModel does for Kandinsky 2.1, which reads a text too."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from nodes.networks.unet import UNet, UNetConfig
from tests.nodes.tiny import EMBED
from tests.nodes.tiny21 import READ, tiny_unet21

TOLERANCE = 1e-5
TOKENS = 7
VARIANTS = {
    "text2img": {},
    "inpaint": {},
    "three levels": {
        "block_out_channels": (32, 64, 96),
        "layers_per_block": 2,
        "attention_head_dim": 8,
        "norm_num_groups": 16,
        "down_block_types": ("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 2,
        "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 2 + ("ResnetUpsampleBlock2D",),
    },
}


def make_pair(randomise, variant: str) -> tuple[UNet2DConditionModel, UNet]:
    kind = variant if variant == "inpaint" else "text2img"
    theirs = randomise(tiny_unet21(kind, **VARIANTS[variant]), 0)
    ours = UNet(UNetConfig.read(theirs.config))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours.eval()


def make_inputs(ours: UNet, batch: int, height: int, width: int):
    source = torch.Generator().manual_seed(2)
    x = torch.randn(batch, ours.config.in_channels, height, width, generator=source)
    lead = {
        "image_embeds": torch.randn(batch, EMBED, generator=source),
        "text_embeds": torch.randn(batch, EMBED, generator=source),
        "hidden_states": torch.randn(batch, TOKENS, READ, generator=source),
    }
    return x, lead


def run_theirs(theirs, x, t, lead):
    added = {name: lead[name] for name in ("image_embeds", "text_embeds")}
    return theirs(x, t, encoder_hidden_states=lead["hidden_states"], added_cond_kwargs=added).sample


@pytest.mark.parametrize("t", [0, 500, torch.tensor([999, 3, 41])])
@pytest.mark.parametrize("size", [(8, 8), (4, 12), (16, 8)])
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_forward(randomise, variant, size, t):
    theirs, ours = make_pair(randomise, variant)
    x, lead = make_inputs(ours, 3, *size)
    expected = run_theirs(theirs, x, t, lead)
    assert expected.std() > 0.01
    torch.testing.assert_close(ours(x, t, ours.condition(**lead)), expected, rtol=0, atol=TOLERANCE)


def test_gradients(randomise):
    theirs, ours = make_pair(randomise, "text2img")
    x, lead = make_inputs(ours, 3, 8, 8)
    ours(x, 77, ours.condition(**lead)).square().mean().backward()
    run_theirs(theirs, x, 77, lead).square().mean().backward()
    expected = {name: value.grad for name, value in theirs.named_parameters()}
    for name, value in ours.named_parameters():
        scale = max(expected[name].abs().max().item(), 1e-3)
        torch.testing.assert_close(value.grad, expected[name], rtol=0, atol=1e-4 * scale, msg=name)


@torch.no_grad()
def test_what_it_is_led_by_must_be_complete(randomise):
    ours = make_pair(randomise, "text2img")[1]
    _, lead = make_inputs(ours, 1, 8, 8)
    with pytest.raises(ValueError, match="takes a text"):
        ours.condition(lead["image_embeds"])
    with pytest.raises(ValueError, match="takes a text"):
        ours.condition(lead["image_embeds"], text_embeds=lead["text_embeds"])
    with pytest.raises(ValueError, match="no hint"):
        ours.condition(**lead, hint=torch.zeros(1, 3, 64, 64))
