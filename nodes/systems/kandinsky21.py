"""Kandinsky 2.1: the UNet is conditioned by image embeds and by what XLM-R makes of the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodes.systems.kandinsky22 import movq, unet
from nodes.systems.system import Config, System


def widths(config: Config) -> Mapping[str, Any]:
    """Its pooled text embeds have the size of its image embeds, which is also that of its context."""
    size = config.get("cross_attention_dim")
    return {"image_embeds": size, "text_embeds": size, "hidden_states": config.get("encoder_hid_dim")}


SYSTEM = System(
    name="2.1",
    arrays=("image_embeds", "text_embeds", "hidden_states"),
    widths=widths,
    schedulers=("ddpm", "ddim", "dpmpp_2m"),
    unet=unet,
    autoencoder=movq,
)
