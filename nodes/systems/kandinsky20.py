"""Kandinsky 2.0: the UNet is conditioned by what two text encoders make of the prompt; there is no prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nodes.systems.system import Config, System

if TYPE_CHECKING:
    from torch import nn


def widths(config: Config) -> Mapping[str, Any]:
    """Its hidden states are as wide as those of the wider of the two encoders."""
    states = [config.get(name) for name in ("encoder_hid_dim", "second_encoder_hid_dim")]
    known = {"text_embeds": config.get("text_embed_dim"), "hidden_states": max(states, key=_number)}
    return {name: width for name, width in known.items() if _number(width)}


def _number(width: Any) -> int:
    """A width that a config states, 0 for anything else: opening the UNet will tell what is wrong with it."""
    return width if type(width) is int else 0


def unet(config: Config) -> nn.Module:
    """The UNet with its two texts."""
    from nodes.networks.unet20 import TextUNet, TextUNetConfig

    return TextUNet(TextUNetConfig.read(config))


def autoencoder(config: Config) -> nn.Module:
    """The KL autoencoder."""
    from nodes.networks.kl_autoencoder import KLAutoencoder, KLConfig

    return KLAutoencoder(KLConfig.read(config))


SYSTEM = System(
    name="2.0",
    arrays=("text_embeds", "hidden_states"),
    widths=widths,
    schedulers=("ddim", "ddpm", "dpmpp_2m", "plms"),
    unet=unet,
    autoencoder=autoencoder,
)
