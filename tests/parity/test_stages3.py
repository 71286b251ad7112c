"""What of Kandinsky 3 diffusers has no pipeline for, against the original's formulas on diffusers' UNet.

Inpainting, the four steps of Flash, and checkpoints with the learned token for no prompt: the loops below are
written from the papers (arXiv 2312.03511 and 2410.21061) and what the original computes, not from our stages.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import T5EncoderModel

from nodes.kandinsky.movq_encode import movq_encode
from nodes.kandinsky.text_encode import text_encode
from nodes.kandinsky.unet_denoise import unet_denoise
from nodes.weights.residency import residency
from nodes.wires import Image, Mask
from tests.nodes import tiny3
from tests.nodes.stages import Recorder, smooth_picture
from tests.nodes.tiny import tiny_movq
from tests.parity.checkpoints import differ

TOLERANCE = 1e-4
PROMPT = "a red cube on grass"
SIZE = {"width": 64, "height": 32}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each variant; read only."""
    root = tmp_path_factory.mktemp("stages3")
    return {name: tiny3.tiny_kandinsky3(root / name, name) for name in ("text2img", "inpaint", "flash")}


@pytest.fixture
def trained(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A checkpoint with the learned token for no prompt."""
    return with_null_embedding(folders["text2img"], tmp_path / "trained")


def with_null_embedding(folder: Path, copy: Path) -> Path:
    """The same checkpoint with the learned token for no prompt."""
    import shutil

    shutil.copytree(folder, copy)
    config = json.loads((copy / "unet" / "config.json").read_text())
    (copy / "unet" / "config.json").write_text(json.dumps({**config, "null_embedding": True}))
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    token = torch.randn(24, generator=torch.Generator().manual_seed(5))
    save_file({**load_file(weights), "null_embedding": token}, weights)
    return copy


def cosine() -> Tensor:
    """How much of the clean sample's variance is left at each of 1000 steps (Nichol & Dhariwal 2021)."""
    levels = torch.cos((torch.arange(1001, dtype=torch.float64) / 1000 + 0.008) / 1.008 * torch.pi / 2) ** 2
    betas = (1 - levels[1:] / levels[:-1]).clamp(max=0.999)
    return torch.cumprod(1 - betas, dim=0)


def states_of(folder: Path, prompt: str) -> tuple[Tensor, Tensor]:
    """What T5 makes of a prompt, cut behind the first token of padding: states (1, L, E), mask (1, L)."""
    tokens = tiny3.tiny_t5_tokenizer()(
        prompt, padding="max_length", max_length=128, truncation=True, return_tensors="pt"
    )
    encoder, mask = T5EncoderModel.from_pretrained(folder / "text_encoder"), tokens.attention_mask
    count = int(mask.sum()) + 1
    with torch.no_grad():
        states = encoder(tokens.input_ids, attention_mask=mask)[0] * mask[:, :, None]
    return states[:, :count], mask[:, :count]


def paint(parts: Any, text: Any, **params: Any) -> np.ndarray:
    common = {"seed": 3, "progress": Recorder(), **params}
    return unet_denoise(parts.unet, text_embeds=text, **common).latents


def read(parts: Any, prompt: str = PROMPT) -> Any:
    return text_encode(parts.text_encoder, text=prompt, progress=Recorder())


@torch.no_grad()
def test_flash(folders) -> None:
    """Every step predicts the clean sample, which is noised again to the level of the next; no guidance."""
    folder = folders["flash"]
    parts = tiny3.kandinsky3_parts(folder)
    recommended = {name: parts.unet.recommended[name] for name in ("steps", "guidance", "scheduler")}
    assert recommended == {"steps": 4, "guidance": 1.0, "scheduler": "flash"}
    ours = paint(parts, read(parts), **SIZE, **recommended)

    unet, left, dice = tiny3.tiny_unet3(), cosine(), torch.Generator().manual_seed(3)
    states, mask = states_of(folder, PROMPT)
    x = torch.randn(1, 4, 4, 8, generator=dice)
    times = [979, 729, 479, 229]
    for t, following in zip(times, [*times[1:], None], strict=True):
        noise = unet(x, t, encoder_hidden_states=states, encoder_attention_mask=mask).sample
        x = (x - (1 - left[t]) ** 0.5 * noise) / left[t] ** 0.5
        if following is not None:
            drawn = torch.randn(x.shape, generator=dice)
            x = left[following] ** 0.5 * x + (1 - left[following]) ** 0.5 * drawn
    scale = float(x.abs().max())  # nothing is clipped, and random weights do not denoise
    assert differ(ours / scale, x / scale) < TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_inpainting(folders, guidance) -> None:
    """The UNet sees what is kept, and latents of the picture with grey in the rest; nothing is blended."""
    folder = folders["inpaint"]
    parts = tiny3.kandinsky3_parts(folder)
    assert parts.unet.variant == "inpaint"
    picture, area = smooth_picture(32, 64), np.zeros((1, 32, 64), np.float32)
    area[:, 8:24, 10:47] = 1
    latents = movq_encode(parts.movq, Image(picture), Mask(area), progress=Recorder())
    chosen = {"latents": latents, "mask": Mask(area), "steps": 3, "guidance": guidance}
    ours = paint(parts, read(parts), **chosen, scheduler="ddim")

    grey = torch.tensor(np.where(area[..., None] > 0, 0, picture * 2 - 1), dtype=torch.float32)
    seen = tiny_movq().encode(grey.permute(0, 3, 1, 2)).latents
    assert differ(latents.latents, seen) < 1e-5
    keep = torch.nn.functional.interpolate(torch.tensor(1 - area)[None], size=(4, 8))
    unet, left = tiny3.tiny_unet3(in_channels=9), cosine()
    states, mask = states_of(folder, PROMPT)
    x = torch.randn(1, 4, 4, 8, generator=torch.Generator().manual_seed(3))
    for t in (667, 334, 1):
        inputs = torch.cat([x, keep, seen], dim=1).repeat(2, 1, 1, 1)
        both = torch.cat([states, torch.zeros_like(states)])
        masks = torch.cat([mask, torch.zeros_like(mask)])
        towards, away = unet(
            inputs, t, encoder_hidden_states=both, encoder_attention_mask=masks
        ).sample.chunk(2)
        noise = (guidance + 1) * towards - guidance * away if guidance > 1 else towards
        clean = ((x - (1 - left[t]) ** 0.5 * noise) / left[t] ** 0.5).clamp(-1, 1)
        before = left[t - 333] if t > 333 else torch.tensor(1.0)
        x = before**0.5 * clean + (1 - before) ** 0.5 * noise
    assert differ(ours, x) < TOLERANCE * float(x.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("negative", [None, "a blue sphere", "a blue sphere on sand, green grass"])
def test_no_prompt_is_a_learned_token(folders, trained, negative) -> None:
    """Padding is zeros behind the projection, and no prompt the token followed by zeros, as in training."""
    parts = tiny3.kandinsky3_parts(trained)
    away = None if negative is None else read(parts, negative)
    ours = paint(parts, read(parts), negative_text_embeds=away, steps=1, guidance=3.0, **SIZE)

    unet, left = tiny3.tiny_unet3(), cosine()
    token = load_file(trained / "unet" / "diffusion_pytorch_model.safetensors")["null_embedding"]
    states, mask = states_of(trained, PROMPT)
    context = unet.encoder_hid_proj(states) * mask[:, :, None]
    if negative is None:
        without, attended = torch.zeros_like(context), torch.zeros_like(mask)
        without[:, 0], attended[:, 0] = token, 1
    else:
        states, attended = states_of(trained, negative)
        without = unet.encoder_hid_proj(states) * attended[:, :, None]
        short = max(mask.shape[1] - attended.shape[1], 0)  # pooled over no fewer tokens than the prompt
        without = torch.nn.functional.pad(without, (0, 0, 0, short))
        attended = torch.nn.functional.pad(attended, (0, short))
    unet.encoder_hid_proj = nn.Identity()
    x = torch.randn(1, 4, 4, 8, generator=torch.Generator().manual_seed(3))
    towards, away = (
        unet(x, 1, encoder_hidden_states=tokens, encoder_attention_mask=tokens_mask).sample
        for tokens, tokens_mask in ((context, mask), (without, attended))
    )
    noise = 4.0 * towards - 3.0 * away
    clean = ((x - (1 - left[1]) ** 0.5 * noise) / left[1] ** 0.5).clamp(-1, 1)
    assert differ(ours, clean) < TOLERANCE
    plain = tiny3.kandinsky3_parts(folders["text2img"])
    assert np.abs(paint(plain, read(plain), steps=1, guidance=3.0, **SIZE) - ours).max() > 1e-3


@torch.no_grad()
def test_the_text_encoder_is_read_block_by_block(folders) -> None:
    whole, streamed = (
        tiny3.kandinsky3_parts(folders["text2img"], offload=offload) for offload in ("none", "sequential")
    )
    residency.clear()
    one = read(streamed)
    assert residency.names() == []  # nothing of it stays
    two = read(whole)
    assert residency.names() == ["text_encoder"]
    assert differ(one.hidden_states, two.hidden_states) == 0
    states, mask = states_of(folders["text2img"], PROMPT)
    count = mask.shape[1]
    assert differ(one.hidden_states[:, :count], states) < 1e-5 and not one.hidden_states[:, count - 1 :].any()
    assert one.hidden_states.shape == (1, 128, tiny3.STATES) and one.attention_mask.sum() == count - 1
