"""The denoiser of Kandinsky 2.1 and 2.2: a convolutional UNet with attention, led by an image embedding.

That of 2.1 is led by a text as well: its tokens follow those of the image in the context. Parameter names are
those of diffusers' `UNet2DConditionModel`. The 9-channel variant (inpainting) takes masked latents and a mask
beside the latents; the ControlNet variant adds features of a hint picture itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nodes.networks.config import read_sizes, require
from nodes.networks.unet_torso import FIXED, NAME, REQUIRED, UNUSED, Condition, Torso, TorsoConfig

IMAGE_TOKENS = 32  # what an image embedding becomes in the context
IMAGE_TOKENS_BESIDE_TEXT = 10
HINT_WIDTHS = (16, 16, 32, 32, 96, 96, 256, 4)
HINT_STRIDES = (1, 1, 2, 1, 2, 1, 2, 1)


@dataclass(frozen=True)
class UNetConfig(TorsoConfig):
    """Sizes of a UNet of Kandinsky 2.1 or 2.2."""

    encoder_hid_dim: int
    encoder_hid_dim_type: Literal["image_proj", "text_image_proj"]
    addition_embed_type: Literal["image", "image_hint", "text_image"]

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "UNetConfig":
        """Read a parsed config.json; raises UnsupportedConfig for anything this network does not do."""
        return read_sizes(cls, config, name=NAME, fixed=FIXED, required=REQUIRED, unused=UNUSED)

    def __post_init__(self) -> None:
        super().__post_init__()
        added, fits = self.addition_embed_type, self.reads_text == (self.addition_embed_type == "text_image")
        require(fits, NAME, "addition_embed_type", added, f"one that fits {self.encoder_hid_dim_type!r}")

    @property
    def reads_text(self) -> bool:
        """Whether this is a UNet of Kandinsky 2.1."""
        return self.encoder_hid_dim_type == "text_image_proj"


class ImageContext(nn.Module):
    """An image embedding as tokens to attend to (Kandinsky 2.2)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.image_embeds = nn.Linear(config.encoder_hid_dim, IMAGE_TOKENS * config.cross_attention_dim)
        self.norm = nn.LayerNorm(config.cross_attention_dim)

    def forward(self, image_embeds: Tensor) -> Tensor:
        """image_embeds (B, D) -> (B, 32, cross_attention_dim)."""
        return self.norm(self.image_embeds(image_embeds).unflatten(1, (IMAGE_TOKENS, -1)))


class TextImageContext(nn.Module):
    """An image embedding and the tokens of a text to attend to (Kandinsky 2.1)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        width = config.cross_attention_dim
        self.image_embeds = nn.Linear(width, IMAGE_TOKENS_BESIDE_TEXT * width)
        self.text_proj = nn.Linear(config.encoder_hid_dim, width)

    def forward(self, image_embeds: Tensor, hidden_states: Tensor) -> Tensor:
        """image_embeds (B, D), hidden_states (B, L, encoder_hid_dim) -> (B, 10 + L, cross_attention_dim)."""
        tokens = self.image_embeds(image_embeds).unflatten(1, (IMAGE_TOKENS_BESIDE_TEXT, -1))
        return torch.cat([tokens, self.text_proj(hidden_states)], dim=1)


class TextImageEmbedding(nn.Module):
    """An image embedding and a pooled text as a vector beside that of the time (Kandinsky 2.1)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.text_proj = nn.Linear(config.cross_attention_dim, config.time_width)
        self.text_norm = nn.LayerNorm(config.time_width)
        self.image_proj = nn.Linear(config.cross_attention_dim, config.time_width)

    def forward(self, image_embeds: Tensor, text_embeds: Tensor) -> Tensor:
        """image_embeds (B, D), text_embeds (B, D) -> (B, time_width)."""
        return self.image_proj(image_embeds) + self.text_norm(self.text_proj(text_embeds))


class ImageEmbedding(nn.Module):
    """An image embedding as a vector beside that of the time; with "image_hint", also the hint's features."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.image_proj = nn.Linear(config.encoder_hid_dim, config.time_width)
        self.image_norm = nn.LayerNorm(config.time_width)
        if config.addition_embed_type == "image_hint":
            self.input_hint_block = hint_block()

    def forward(self, image_embeds: Tensor) -> Tensor:
        """image_embeds (B, D) -> (B, time_width)."""
        return self.image_norm(self.image_proj(image_embeds))


def hint_block() -> nn.Sequential:
    """Convolutions from a hint (B, 3, 8h, 8w) to features (B, 4, h, w)."""
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, stride in zip(HINT_WIDTHS, HINT_STRIDES, strict=True):
        layers += [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.SiLU()]
        inputs = outputs
    return nn.Sequential(*layers[:-1])


class UNet(Torso):
    """Predict the noise (and, in a second half of the channels, the variance) of latents at a time."""

    config: UNetConfig

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        self.encoder_hid_proj = TextImageContext(config) if config.reads_text else ImageContext(config)
        self.add_embedding = TextImageEmbedding(config) if config.reads_text else ImageEmbedding(config)

    def condition(
        self,
        image_embeds: Tensor,
        hint: Tensor | None = None,
        *,
        text_embeds: Tensor | None = None,
        hidden_states: Tensor | None = None,
    ) -> Condition:
        """Do all the work that depends on neither latents nor time.

        image_embeds (B, D); text_embeds (B, D) and hidden_states (B, L, encoder_hid_dim) for Kandinsky 2.1
        only; hint (B, 3, 8h, 8w) in 0..1, for the ControlNet variant only. A hint of fewer rows is repeated
        as a whole: one serves the negative and the positive half of a guidance batch. Raises ValueError for
        what is missing or not wanted.
        """
        wants_hint = self.config.addition_embed_type == "image_hint"
        if wants_hint is not (hint is not None):
            raise ValueError(f"This UNet takes {'a' if wants_hint else 'no'} hint picture.")
        features = None
        if hint is not None:
            features = self.add_embedding.get_submodule("input_hint_block")(hint)
            features = features.repeat(len(image_embeds) // len(hint), 1, 1, 1)
        text = [part for part in (text_embeds, hidden_states) if part is not None]
        if len(text) != 2 * self.config.reads_text:
            raise ValueError(f"This UNet takes {'a' if self.config.reads_text else 'no'} text.")
        embedding = self.add_embedding(image_embeds, *text[:1])
        tokens = self.encoder_hid_proj(image_embeds, *text[1:])
        return Condition(embedding, self.context(tokens), features)
