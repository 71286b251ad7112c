"""What the miniature has for inpainting is opened by diffusers as it is."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from nodes.miniature.painting import WEIGHTS
from nodes.networks.unet import UNet, UNetConfig


@pytest.mark.parametrize("variant", ["inpaint"])
@torch.no_grad()
def test_diffusers_computes_the_same_with_the_unet_of_a_variant(variant: str) -> None:
    folder = WEIGHTS / "decoder" / f"unet_{variant}"
    theirs = UNet2DConditionModel.from_pretrained(folder, torch_dtype=torch.float32)
    ours = UNet(UNetConfig.read(theirs.config))
    ours.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))
    ours.float().eval()
    hinted = variant == "controlnet_depth"
    dice = torch.Generator().manual_seed(4)
    x = torch.randn(2, 4 if hinted else 9, 16, 20, generator=dice)
    embeds = torch.randn(2, ours.config.encoder_hid_dim, generator=dice)
    hint = torch.rand(2, 3, 128, 160, generator=dice) if hinted else None
    added = {"image_embeds": embeds} | ({"hint": hint} if hinted else {})
    expected = theirs(x, 300, encoder_hidden_states=None, added_cond_kwargs=added).sample
    assert (ours(x, 300, ours.condition(embeds, hint)) - expected).abs().max() < 1e-4
