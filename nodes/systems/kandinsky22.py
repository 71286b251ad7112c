"""Kandinsky 2.2: the UNet is conditioned by image embeds alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nodes.systems.system import Config, System

if TYPE_CHECKING:
    from torch import nn


def widths(config: Config) -> Mapping[str, Any]:
    """The size of the image embeds."""
    return {"image_embeds": config.get("encoder_hid_dim")}


def unet(config: Config) -> nn.Module:
    """The UNet of 2.1 and 2.2."""
    from nodes.networks.unet import UNet, UNetConfig

    return UNet(UNetConfig.read(config))


def movq(config: Config) -> nn.Module:
    """The autoencoder of 2.1, 2.2 and 3."""
    from nodes.networks.movq import MoVQ, MoVQConfig

    return MoVQ(MoVQConfig.read(config))


SYSTEM = System(
    name="2.2",
    arrays=("image_embeds",),
    widths=widths,
    schedulers=("ddpm", "ddim", "dpmpp_2m"),
    unet=unet,
    autoencoder=movq,
)
