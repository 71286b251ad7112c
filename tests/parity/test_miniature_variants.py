"""What the miniature has for inpainting and depth is opened by diffusers and transformers as it is."""

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from transformers import DPTForDepthEstimation, DPTImageProcessor

from nodes.kandinsky.depth_hint import depth_hint
from nodes.miniature import WEIGHTS
from nodes.miniature.judge.painting import depth_estimator, silent
from nodes.networks.unet import UNet, UNetConfig
from nodes.wires import Image


@pytest.mark.parametrize("variant", ["inpaint", "controlnet_depth"])
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


@torch.no_grad()
def test_transformers_sees_the_same_depth() -> None:
    folder = WEIGHTS / "depth_estimator"
    theirs = DPTForDepthEstimation.from_pretrained(folder, dtype=torch.float32).eval()
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    pixels = DPTImageProcessor.from_pretrained(folder)(picture, return_tensors="pt").pixel_values
    depth = torch.nn.functional.interpolate(
        theirs(pixel_values=pixels).predicted_depth[None], size=(96, 128), mode="bicubic"
    )[0, 0]
    expected = (depth - depth.min()) / (depth.max() - depth.min())
    image = Image(picture[None].astype(np.float32) / 255)
    ours = depth_hint(image, depth_estimator(), progress=silent()).depth_hint.depth_hint[0, 0]
    # transformers may resize with another library than Pillow
    assert np.abs(ours - expected.numpy()).max() < 0.05
