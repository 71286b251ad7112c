"""From the names of latent diffusion's autoencoder, which MoVQ has too, to those of our networks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PIECES = (
    (re.compile(r"\.down\.(\d+)\.block\.(\d+)\."), r".down_blocks.\1.resnets.\2."),
    (re.compile(r"\.down\.(\d+)\.downsample\."), r".down_blocks.\1.downsamplers.0."),
    (re.compile(r"\.up\.(\d+)\.block\.(\d+)\."), r".up_blocks.\1.resnets.\2."),
    (re.compile(r"\.up\.(\d+)\.upsample\."), r".up_blocks.\1.upsamplers.0."),
    (re.compile(r"\.mid\.block_1\."), ".mid_block.resnets.0."),
    (re.compile(r"\.mid\.block_2\."), ".mid_block.resnets.1."),
    (re.compile(r"\.mid\.attn_1\."), ".mid_block.attentions.0."),
    (re.compile(r"\.(down|up)\.(\d+)\.attn\.(\d+)\."), r".\1_blocks.\2.attentions.\3."),
    (re.compile(r"\.nin_shortcut\."), ".conv_shortcut."),
    (re.compile(r"coder\.norm_out\."), "coder.conv_norm_out."),
    (re.compile(r"(\.attentions\.\d+)\.norm\."), r"\1.group_norm."),
    (re.compile(r"(\.attentions\.\d+)\.([qkv])\."), r"\1.to_\2."),
    (re.compile(r"(\.attentions\.\d+)\.proj_out\."), r"\1.to_out.0."),
)
UP = re.compile(r"\.up_blocks\.(\d+)\.")
LINEAR = re.compile(r"\.attentions\.\d+\.to_\w+(\.0)?\.weight$")


def renamed(name: str, tensor: Tensor, levels: int) -> tuple[str, Tensor]:
    """What becomes of an original tensor. A name that the original does not have comes back as it is.

    The original counts resolutions from the largest down on both sides; we count as they come.
    """
    for pattern, replacement in PIECES:
        name = pattern.sub(replacement, name)
    name = UP.sub(lambda found: f".up_blocks.{levels - 1 - int(found[1])}.", name)
    return name, tensor[:, :, 0, 0] if LINEAR.search(name) and tensor.ndim == 4 else tensor
