"""A network in a single safetensors file, without its config: what the names and shapes of its tensors say.

Only what shapes cannot say is taken for granted: heads of 64, groups of 32, as in every Kandinsky, and the 8
heads that pool a text in 2.0.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nodes.files.find_weights import STEMS
from nodes.files.reading import CheckpointError, Stored, read_header, read_json

HEAD_DIM = 64
POOLING_HEADS = 8
HINT = "add_embedding.input_hint_block.0.weight"
LINEAR = {"beta_schedule": "linear", "beta_start": 0.00085, "beta_end": 0.012, "prediction_type": "epsilon"}
SCHEDULERS: dict[str, Mapping[str, Any]] = {  # as the checkpoints of each system ship them
    "prior": {
        "_class_name": "UnCLIPScheduler",
        "variance_type": "fixed_small_log",
        "prediction_type": "sample",
        "num_train_timesteps": 1000,
        "clip_sample": True,
        "clip_sample_range": 10.0,
    },
    "2.0": {
        "_class_name": "DDIMScheduler",
        **LINEAR,
        "beta_start": 0.0001,
        "beta_end": 0.02,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    },
    "2.1": {
        "_class_name": "DDIMScheduler",
        **LINEAR,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    },
    "2.2": {"_class_name": "DDPMScheduler", **LINEAR, "clip_sample": True, "steps_offset": 1},
    "3": {
        "_class_name": "DDPMScheduler",
        "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": "epsilon",
        "clip_sample": True,
        "steps_offset": 1,
    },
}
Shapes = Mapping[str, tuple[int, ...]]


def recognise(file: Path) -> tuple[str, Mapping[str, Any]]:
    """Which part of a checkpoint a file holds ("unet" or "prior"), and its config.

    Beside a file that is named as in a diffusers folder, its config.json counts. Raises CheckpointError for
    any other file, saying what it seems to be.
    """
    header = read_header(file)
    shapes = {name: stored.shape for name, stored in header.items()}
    for part, mark, read in KNOWN:
        if mark in shapes:
            beside = file.with_name("config.json")
            if file.name.startswith(STEMS) and beside.is_file():
                return part, read_json(beside)
            try:
                return part, MappingProxyType(read(shapes))
            except (KeyError, IndexError, ValueError) as error:
                raise CheckpointError(
                    f"{file} begins like a {part}, but it is not whole: {error} is missing"
                ) from None
    raise CheckpointError(f"{file} {_guess(header)}, expected the UNet or the prior of a Kandinsky")


def unet_config(shapes: Shapes) -> dict[str, Any]:
    """The config of a UNet of 2.1 or 2.2."""
    reads_text = "encoder_hid_proj.text_proj.weight" in shapes
    width = "encoder_hid_proj.text_proj.weight" if reads_text else "encoder_hid_proj.image_embeds.weight"
    addition = "text_image" if reads_text else "image_hint" if HINT in shapes else "image"
    return {
        "_class_name": "UNet2DConditionModel",
        **_torso(shapes),
        "encoder_hid_dim": shapes[width][1],
        "encoder_hid_dim_type": "text_image_proj" if reads_text else "image_proj",
        "addition_embed_type": addition,
    }


def text_unet_config(shapes: Shapes) -> dict[str, Any]:
    """The config of a UNet of 2.0, under the names that `kandinsky convert` gives its tensors."""
    return {
        "_class_name": "Kandinsky20UNet",
        **_torso(shapes),
        "encoder_hid_dim": shapes["encoder_hid_proj.text_proj.weight"][1],
        "second_encoder_hid_dim": shapes["encoder_hid_proj.second_text_proj.weight"][1],
        "text_embed_dim": shapes["add_embedding.text_proj.weight"][1],
        "pooling_heads": POOLING_HEADS,
        "encoder_hid_dim_type": "two_text_proj",
        "addition_embed_type": "two_text",
    }


def unet3_config(shapes: Shapes) -> dict[str, Any]:
    """The config of a UNet of 3."""
    levels = range(_count(shapes, r"down_blocks\.(\d+)\."))
    last = _count(shapes, r"down_blocks\.0\.resnets_in\.(\d+)\.")
    cross, states = shapes["encoder_hid_proj.projection_linear.weight"]
    return {
        "_class_name": "Kandinsky3UNet",
        "in_channels": shapes["conv_in.weight"][1],
        "out_channels": shapes["conv_out.weight"][0],
        "time_embedding_dim": shapes["time_embedding.linear_1.weight"][0],
        "attention_head_dim": HEAD_DIM,
        "layers_per_block": last,
        "block_out_channels": [
            shapes[f"down_blocks.{i}.resnets_in.0.resnet_blocks.3.projection.weight"][0] for i in levels
        ],
        "cross_attention_dim": cross,
        "encoder_hid_dim": states,
        "null_embedding": "null_embedding" in shapes,
    }


def _torso(shapes: Shapes) -> dict[str, Any]:
    """What the UNets of 2.0, 2.1 and 2.2 have in common."""
    levels = range(_count(shapes, r"down_blocks\.(\d+)\."))
    attends = [f"down_blocks.{i}.attentions.0.to_q.weight" in shapes for i in levels]
    rises = [f"up_blocks.{i}.attentions.0.to_q.weight" in shapes for i in levels]
    return {
        "in_channels": shapes["conv_in.weight"][1],
        "out_channels": shapes["conv_out.weight"][0],
        "block_out_channels": [shapes[f"down_blocks.{i}.resnets.0.conv1.weight"][0] for i in levels],
        "down_block_types": [
            "SimpleCrossAttnDownBlock2D" if yes else "ResnetDownsampleBlock2D" for yes in attends
        ],
        "up_block_types": ["SimpleCrossAttnUpBlock2D" if yes else "ResnetUpsampleBlock2D" for yes in rises],
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "resnet_time_scale_shift": "scale_shift",
        "layers_per_block": _count(shapes, r"down_blocks\.0\.resnets\.(\d+)\."),
        "attention_head_dim": HEAD_DIM,
        "cross_attention_dim": shapes["mid_block.attentions.0.add_k_proj.weight"][1],
    }


def prior_config(shapes: Shapes) -> dict[str, Any]:
    """The config of a prior of 2.1 or 2.2."""
    width, embedding = shapes["proj_in.weight"]
    return {
        "_class_name": "PriorTransformer",
        "num_attention_heads": width // HEAD_DIM,
        "attention_head_dim": HEAD_DIM,
        "num_layers": _count(shapes, r"transformer_blocks\.(\d+)\."),
        "embedding_dim": embedding,
        "num_embeddings": shapes["positional_embedding"][1] - 4,
    }


KNOWN: tuple[tuple[str, str, Callable[[Shapes], dict[str, Any]]], ...] = (
    ("prior", "prd_embedding", prior_config),
    ("unet", "encoder_hid_proj.image_embeds.weight", unet_config),
    ("unet", "encoder_hid_proj.second_text_proj.weight", text_unet_config),
    ("unet", "encoder_hid_proj.projection_linear.weight", unet3_config),
)


def _count(shapes: Shapes, pattern: str) -> int:
    return 1 + max((int(match[1]) for name in shapes if (match := re.match(pattern, name))), default=-1)


def _guess(header: Mapping[str, Stored]) -> str:
    guesses = {
        "quantize.embedding.weight": "is a MoVQ, which does not say of which Kandinsky",
        "input_blocks.0.0.weight": "has the names of the original code",
        "to_time_embed.1.weight": "has the names of the original code",
        "text_model.embeddings.token_embedding.weight": "is a CLIP text encoder",
        "vision_model.embeddings.class_embedding": "is a CLIP image encoder",
    }
    for name, guess in guesses.items():
        if any(name in stored for stored in header):
            return guess
    if any("lora" in name for name in header):
        return "is a LoRA, which load_lora takes"
    return f"holds {next(iter(header), 'nothing')}"
