"""From the names of the original UNet of Kandinsky 3 to those of `nodes/networks/unet3.py`."""

from __future__ import annotations

import re

PIECES = (
    (re.compile(r"^to_time_embed\.1\."), "time_embedding.linear_1."),
    (re.compile(r"^to_time_embed\.3\."), "time_embedding.linear_2."),
    (re.compile(r"^feature_pooling\."), "add_time_condition."),
    (re.compile(r"^in_layer\."), "conv_in."),
    (re.compile(r"^out_layer\.0\."), "conv_norm_out."),
    (re.compile(r"^out_layer\.2\."), "conv_out."),
    (re.compile(r"^down_samples\."), "down_blocks."),
    (re.compile(r"^up_samples\."), "up_blocks."),
    (re.compile(r"\.self_attention_block\."), ".attentions.0."),
    (re.compile(r"\.resnet_attn_blocks\.(\d+)\.0\."), r".resnets_in.\1."),
    (re.compile(r"\.resnet_attn_blocks\.(\d+)\.2\."), r".resnets_out.\1."),
    (re.compile(r"\.attention\.to_query\."), ".attention.to_q."),
    (re.compile(r"\.attention\.to_key\."), ".attention.to_k."),
    (re.compile(r"\.attention\.to_value\."), ".attention.to_v."),
    (re.compile(r"\.attention\.output_layer\."), ".attention.to_out.0."),
)
TO_THE_PROMPT = re.compile(r"\.resnet_attn_blocks\.(\d+)\.1\.")
PROJECTION = {"0": "projection_linear", "1": "projection_norm"}
"""Of the file with the projection of the text encoder's states, which is a part of our UNet."""


def renamed(name: str) -> str:
    """The new name of an original parameter. One that the original does not have comes back as it is."""
    for pattern, replacement in PIECES:
        name = pattern.sub(replacement, name)
    # The first attention of a level looks at the picture, the next ones at the prompt.
    return TO_THE_PROMPT.sub(lambda found: f".attentions.{int(found[1]) + 1}.", name)


def projection_renamed(name: str) -> str:
    """As `renamed`, for the projection's own file."""
    layer, _, kind = name.partition(".")
    return f"encoder_hid_proj.{PROJECTION[layer]}.{kind}" if layer in PROJECTION else name
