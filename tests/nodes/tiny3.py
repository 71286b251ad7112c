"""Tiny random checkpoints of Kandinsky 3, made by diffusers and transformers in the real layout."""

import struct
from pathlib import Path
from typing import Any

from diffusers import DDPMScheduler, Kandinsky3Pipeline, Kandinsky3UNet
from torch import nn
from transformers import T5Config, T5EncoderModel, T5Tokenizer

from nodes.load.load_kandinsky3 import Kandinsky3Parts, load_kandinsky3
from tests.nodes.stages import environment
from tests.nodes.tiny import WORDS, randomise, tiny_movq

STATES = 32  # size of the text encoder's states
SHIPPED = {"beta_schedule": "squaredcos_cap_v2", "clip_sample": True, "steps_offset": 1}
LETTERS = "abcdefghijklmnopqrstuvwxyz,.!?"


def tiny_pieces() -> list[tuple[str, float]]:
    """A unigram vocabulary of letters and WORDS, in T5's order."""
    words = [(f"▁{word}", -1.0) for word in WORDS if len(word) > 1]
    letters = [(letter, -6.0) for letter in LETTERS]
    return [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *words, *letters]


def tiny_t5_tokenizer() -> T5Tokenizer:
    """A T5 tokenizer that knows single letters and WORDS."""
    return T5Tokenizer(vocab=tiny_pieces(), extra_ids=0, model_max_length=512)


def tiny_t5(seed: int = 7, **changes: Any) -> T5EncoderModel:
    """T5's encoder in two layers, gated as Flan-UL2."""
    sizes = {
        "vocab_size": len(tiny_pieces()) + 3,
        "d_model": STATES,
        "d_kv": 8,
        "d_ff": 37,
        "num_heads": 4,
        "num_layers": 2,
        "feed_forward_proj": "gated-silu",
    }
    return randomise(T5EncoderModel(T5Config(**{**sizes, **changes})), seed)


def tiny_unet3(seed: int = 1, **changes: Any) -> Kandinsky3UNet:
    """A UNet of two levels; that of 9 channels, for inpainting, predicts the noise of 4."""
    sizes = {
        "time_embedding_dim": 16,
        "groups": 2,
        "attention_head_dim": 8,
        "layers_per_block": 2,
        "block_out_channels": (32, 64),
        "cross_attention_dim": 24,
        "encoder_hid_dim": STATES,
    }
    unet = Kandinsky3UNet(**{**sizes, **changes})
    unet.conv_out = nn.Conv2d(unet.conv_out.in_channels, 4, 3, padding=1)
    return randomise(unet, seed)


def tiny_kandinsky3(
    path: Path,
    variant: str = "text2img",
    seed: int = 0,
    scheduler: dict[str, Any] | None = None,
    **unet: Any,
) -> Path:
    """A whole checkpoint in the layout of kandinsky-3; returns `path`."""
    unet = {"in_channels": 9 if variant == "inpaint" else 4, **unet}
    pipeline = Kandinsky3Pipeline(
        tokenizer=tiny_t5_tokenizer(),
        text_encoder=tiny_t5(seed + 7),
        unet=tiny_unet3(seed + 1, **unet),
        scheduler=DDPMScheduler(**{**SHIPPED, **(scheduler or {})}),
        movq=tiny_movq(seed + 2),
    )
    pipeline.save_pretrained(path)
    if variant == "flash":
        (path / "unet").rename(path / "unet_flash")
    return path


def sentencepiece_model(pieces: list[tuple[str, float]]) -> bytes:
    """The bytes of a SentencePiece model with these pieces."""
    content = b""
    for piece, score in pieces:
        text = piece.encode()
        inner = b"\x0a" + bytes([len(text)]) + text + b"\x15" + struct.pack("<f", score)
        content += b"\x0a" + bytes([len(inner)]) + inner
    trainer = b"\x18\x01"  # model_type: unigram
    return content + b"\x12" + bytes([len(trainer)]) + trainer + b"\x1a\x05\x0a\x03nmt"  # normalizer's name


def kandinsky3_parts(folder: Path, **params: Any) -> Kandinsky3Parts:
    """Handles to a checkpoint of Kandinsky 3."""
    return load_kandinsky3(source=str(folder), environment=environment(folder), **params)
