"""Tiny random checkpoints on disk, made by diffusers and transformers in the layout of the real ones.

Every parameter is random, those that are usually zero too: a zero hides what is done wrong with it.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    PriorTransformer,
    UnCLIPScheduler,
    UNet2DConditionModel,
    VQModel,
)
from diffusers import KandinskyV22PriorPipeline as PriorPipeline
from torch import nn
from transformers import (
    CLIPImageProcessorPil,
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessorPil,
)

EMBED = 32  # size of text and image embeds
TOKENS = 77
WORDS = ("a", "red", "green", "blue", "cube", "sphere", "on", "grass", "sand")
BETAS = {
    "beta_schedule": "linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "steps_offset": 1,
}
SCHEDULERS = {
    "ddpm": lambda **more: DDPMScheduler(**{**BETAS, **more}),
    "ddim": lambda **more: DDIMScheduler(**{**BETAS, "set_alpha_to_one": False, **more}),
}
IN_CHANNELS = {"text2img": 4, "inpaint": 9, "controlnet_depth": 8}


def randomise(network: nn.Module, seed: int, scale: float = 1.0) -> nn.Module:
    """Give every parameter random values that keep signals of a size near one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("clip_std"):
                parameter.copy_(1 + 0.1 * noise.abs())
            elif parameter.ndim < 2:  # biases, and the scales of norms
                parameter.copy_(float(name.endswith("weight")) + 0.1 * scale * noise)
            else:
                parameter.copy_(noise * scale / parameter[0].numel() ** 0.5)
    return network.eval()


def tiny_unet(variant: str = "text2img", seed: int = 1, **changes: Any) -> UNet2DConditionModel:
    """A 2.2 UNet of two levels: text2img, inpaint or controlnet_depth."""
    sizes = {
        "in_channels": IN_CHANNELS[variant],
        "out_channels": 8,
        "addition_embed_type": "image_hint" if variant == "controlnet_depth" else "image",
        "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "encoder_hid_dim": EMBED,
        "encoder_hid_dim_type": "image_proj",
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
        "resnet_time_scale_shift": "scale_shift",
        "class_embed_type": None,
    }
    return randomise(UNet2DConditionModel(**{**sizes, **changes}), seed)


def tiny_movq(seed: int = 2, channels: Sequence[int] = (32, 32, 64, 64), **changes: Any) -> VQModel:
    """A MoVQ that makes one latent of 8 x 8 pixels."""
    levels = len(channels) - 1
    sizes = {
        "block_out_channels": tuple(channels),
        "down_block_types": ("DownEncoderBlock2D",) * levels + ("AttnDownEncoderBlock2D",),
        "up_block_types": ("AttnUpDecoderBlock2D",) + ("UpDecoderBlock2D",) * levels,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "norm_type": "spatial",
        "num_vq_embeddings": 12,
        "vq_embed_dim": 4,
    }
    return randomise(VQModel(**{**sizes, **changes}), seed)


def tiny_prior_network(seed: int = 3, **changes: Any) -> PriorTransformer:
    """A prior of two layers."""
    sizes = {"num_attention_heads": 2, "attention_head_dim": 12, "embedding_dim": EMBED, "num_layers": 2}
    return randomise(PriorTransformer(**{**sizes, **changes}), seed)


def tiny_tokenizer(words: Sequence[str] = WORDS, length: int = TOKENS) -> CLIPTokenizer:
    """A CLIP tokenizer that knows single letters and `words`."""
    letters = "abcdefghijklmnopqrstuvwxyz,.!?0123456789"
    merges: list[tuple[str, str]] = []
    for word in words:
        pieces = _byte_pairs(word, merges)
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = _byte_pairs(word, merges)
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=length)


def _byte_pairs(word: str, merges: Sequence[tuple[str, str]]) -> list[str]:
    """The pieces of a word after byte-pair encoding: merges apply in the order of the list."""
    pieces = [*word[:-1], f"{word[-1]}</w>"]
    while True:
        pairs = list(pairwise(pieces))
        first = next((merge for merge in merges if merge in pairs), None)
        if first is None:
            return pieces
        i = pairs.index(first)
        pieces[i : i + 2] = ["".join(first)]


def tiny_text_encoder(vocab_size: int, seed: int = 4, length: int = TOKENS) -> CLIPTextModelWithProjection:
    """A CLIP text encoder of two layers; eos_token_id 2 means pooling at the highest token."""
    config = CLIPTextConfig(
        vocab_size=vocab_size,
        hidden_size=EMBED,
        intermediate_size=37,
        projection_dim=EMBED,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=length,
        hidden_act="gelu",
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
    return randomise(CLIPTextModelWithProjection(config), seed)


def tiny_image_encoder(seed: int = 5, size: int = 28) -> CLIPVisionModelWithProjection:
    """A CLIP image encoder of two layers for pictures of `size` pixels."""
    config = CLIPVisionConfig(
        hidden_size=EMBED,
        intermediate_size=37,
        projection_dim=EMBED,
        num_attention_heads=4,
        num_hidden_layers=2,
        image_size=size,
        patch_size=14,
        hidden_act="gelu",
    )
    return randomise(CLIPVisionModelWithProjection(config), seed)


def tiny_prior(path: Path, seed: int = 0, safe: bool = True, variant: str | None = None) -> Path:
    """A whole prior checkpoint in the layout of kandinsky-2-2-prior, saved by diffusers; returns `path`."""
    tokenizer = tiny_tokenizer()
    size = 28
    pipeline = PriorPipeline(
        prior=tiny_prior_network(seed + 3),
        image_encoder=tiny_image_encoder(seed + 5, size),
        text_encoder=tiny_text_encoder(len(tokenizer), seed + 4),
        tokenizer=tokenizer,
        scheduler=UnCLIPScheduler(
            variance_type="fixed_small_log",
            prediction_type="sample",
            num_train_timesteps=1000,
            clip_sample_range=10.0,
        ),
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": size}, crop_size={"height": size, "width": size}
        ),
    )
    pipeline.save_pretrained(path, safe_serialization=safe, variant=variant)
    return path


def tiny_decoder(
    path: Path,
    variant: str = "text2img",
    seed: int = 0,
    scheduler: str = "ddpm",
    scheduler_options: dict[str, Any] | None = None,
    **unet_changes: Any,
) -> Path:
    """A whole decoder checkpoint in the layout of kandinsky-2-2-decoder and its variants; returns `path`."""
    from diffusers import KandinskyV22ControlnetPipeline, KandinskyV22InpaintPipeline, KandinskyV22Pipeline

    pipelines = {
        "text2img": KandinskyV22Pipeline,
        "inpaint": KandinskyV22InpaintPipeline,
        "controlnet_depth": KandinskyV22ControlnetPipeline,
    }
    pipeline = pipelines[variant](
        unet=tiny_unet(variant, seed + 1, **unet_changes),
        scheduler=SCHEDULERS[scheduler](**(scheduler_options or {})),
        movq=tiny_movq(seed + 2),
    )
    pipeline.save_pretrained(path)
    return path


def tiny_depth_estimator(path: Path, seed: int = 0) -> Path:
    """A DPT depth estimator in transformers' layout, as Intel/dpt-large; returns `path`."""
    config = DPTConfig(
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=32,
        patch_size=16,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
    )
    randomise(DPTForDepthEstimation(config), seed + 6).save_pretrained(path)
    DPTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(path)
    return path
