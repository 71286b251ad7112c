"""From the names of the original UNet of Kandinsky 2.0 to those of `nodes/networks/unet20.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = {  # of a residual block, of an attention layer, and at the ends
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
    "norm": "group_norm",
    "proj_out": "to_out.0",
}
WHOLE = {
    "input_blocks.0.0": "conv_in",
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
    "to_model_dim": "encoder_hid_proj.text_proj",
    "to_model_dim2": "encoder_hid_proj.second_text_proj",
    "ln_model1": "encoder_hid_proj.norm",
    "proj": "add_embedding.text_proj",
    "ln_model2": "add_embedding.text_norm",
    "proj2.q_linear": "add_embedding.pooling.to_q",
    "proj2.k_linear": "add_embedding.pooling.to_k",
    "proj2.v_linear": "add_embedding.pooling.to_v",
    "proj2.out": "add_embedding.pooling.to_out",
    "ln_model3": "add_embedding.pooling_norm",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
}
FUSED = {"qkv": ("to_q", "to_k", "to_v"), "encoder_kv": ("add_k_proj", "add_v_proj")}
BLOCK = re.compile(r"((?:input|output)_blocks)\.(\d+)\.(\d)\.(.+)")
MIDDLE = re.compile(r"(middle_block\.\d)\.(.+)")


def renamed(name: str, tensor: Tensor, layers: int, head_dim: int) -> Iterator[tuple[str, Tensor]]:
    """What becomes of an original tensor: one under another name, or the parts of a fused one.

    `layers` is the number of residual blocks of a resolution on the way down. A name that the original does
    not have comes back as it is.
    """
    owner, _, kind = name.rpartition(".")
    place, layer = _split(owner, layers)
    if layer in FUSED:
        parts = FUSED[layer]
        # The rows lie head by head: a head's queries, its keys, its values, then the next head.
        heads = tensor.unflatten(0, (-1, len(parts), head_dim))
        for i, part in enumerate(parts):
            yield f"{place}.{part}.{kind}", heads[:, i].reshape(-1, *tensor.shape[1:2])
    elif layer == "proj_out":
        yield f"{place}.{LAYERS[layer]}.{kind}", tensor.squeeze(-1) if kind == "weight" else tensor
    else:
        yield ".".join(filter(None, (place, LAYERS.get(layer, layer), kind))), tensor


def _split(owner: str, layers: int) -> tuple[str, str]:
    """A block's new name and the old one of a layer in it; of a layer in no block, its new name and ""."""
    if owner in WHOLE:
        return WHOLE[owner], ""
    middle, block = MIDDLE.fullmatch(owner), BLOCK.fullmatch(owner)
    if middle and middle[1] in WHOLE:
        return WHOLE[middle[1]], middle[2]
    if not block:
        return owner, ""
    side, number, place, layer = block[1], int(block[2]), int(block[3]), block[4]
    attends = layer in ("norm", "proj_out") or layer in FUSED
    if side == "input_blocks":
        level, i = divmod(number - 1, layers + 1)
        kind = f"attentions.{i}" if attends else f"resnets.{i}" if i < layers else "downsamplers.0"
        return f"down_blocks.{level}.{kind}", layer
    level, i = divmod(number, layers + 1)
    kind = f"attentions.{i}" if attends else "upsamplers.0" if place else f"resnets.{i}"
    return f"up_blocks.{level}.{kind}", layer
