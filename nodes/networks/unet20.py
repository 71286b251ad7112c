"""The denoiser of Kandinsky 2.0: led by a text alone, which two encoders have read.

The torso is that of 2.1 and 2.2. Both encoders' states are the tokens that it attends to; what the first
pools, and what is pooled here of the second's states, lies beside the time. diffusers has no such network:
where its UNets have no name for a parameter, the name is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.networks.config import read_sizes, require
from nodes.networks.unet_torso import FIXED, NAME, REQUIRED, UNUSED, Condition, Torso, TorsoConfig


@dataclass(frozen=True)
class TextUNetConfig(TorsoConfig):
    """Sizes of a UNet of Kandinsky 2.0."""

    encoder_hid_dim: int  # of the states of the first text encoder
    second_encoder_hid_dim: int
    text_embed_dim: int  # of what the first text encoder pools
    pooling_heads: int
    encoder_hid_dim_type: Literal["two_text_proj"]
    addition_embed_type: Literal["two_text"]

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "TextUNetConfig":
        """Read a parsed config.json; raises UnsupportedConfig for anything this network does not do."""
        return read_sizes(cls, config, name=NAME, fixed=FIXED, required=REQUIRED, unused=UNUSED)

    def __post_init__(self) -> None:
        super().__post_init__()
        heads, width = self.pooling_heads, self.second_encoder_hid_dim
        require(width % heads == 0, NAME, "pooling_heads", heads, f"a divisor of {width}")


class TwoTextContext(nn.Module):
    """The states of both encoders as tokens to attend to."""

    def __init__(self, config: TextUNetConfig) -> None:
        super().__init__()
        width = config.cross_attention_dim
        self.text_proj = nn.Linear(config.encoder_hid_dim, width)
        self.second_text_proj = nn.Linear(config.second_encoder_hid_dim, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """States (B, L, E1) and (B, L, E2) -> (B, 2L, cross_attention_dim)."""
        return self.norm(torch.cat([self.text_proj(first), self.second_text_proj(second)], dim=1))


class Pooling(nn.Module):
    """What the first token gathers from all, in a width of its own."""

    def __init__(self, heads: int, width: int, outputs: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width)
        self.to_k = nn.Linear(width, width)
        self.to_v = nn.Linear(width, width)
        self.to_out = nn.Linear(width, outputs)

    def forward(self, states: Tensor) -> Tensor:
        """states (B, L, width) -> (B, outputs)."""
        query, key, value = (
            part.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(states[:, :1]), self.to_k(states), self.to_v(states))
        )
        return self.to_out(F.scaled_dot_product_attention(query, key, value).flatten(1))


class TwoTextEmbedding(nn.Module):
    """Both encoders' idea of the whole text as one vector beside that of the time."""

    def __init__(self, config: TextUNetConfig) -> None:
        super().__init__()
        self.text_proj = nn.Linear(config.text_embed_dim, config.time_width)
        self.text_norm = nn.LayerNorm(config.time_width)
        self.pooling = Pooling(config.pooling_heads, config.second_encoder_hid_dim, config.time_width)
        self.pooling_norm = nn.LayerNorm(config.time_width)

    def forward(self, text_embeds: Tensor, second: Tensor) -> Tensor:
        """text_embeds (B, D), states of the second encoder (B, L, E2) -> (B, time_width)."""
        return self.text_norm(self.text_proj(text_embeds)) + self.pooling_norm(self.pooling(second))


class TextUNet(Torso):
    """Predict the noise (and, in a second half of the channels, the variance) of latents at a time."""

    config: TextUNetConfig

    def __init__(self, config: TextUNetConfig) -> None:
        super().__init__(config)
        self.encoder_hid_proj = TwoTextContext(config)
        self.add_embedding = TwoTextEmbedding(config)

    def condition(self, text_embeds: Tensor, hidden_states: Tensor) -> Condition:
        """Do all the work that depends on neither latents nor time.

        text_embeds (B, D) of the first encoder; hidden_states (B, 2L, E), L of each encoder, where what is
        wider than an encoder's states is filling. Raises ValueError for an odd number of tokens.
        """
        if hidden_states.shape[1] % 2:
            raise ValueError(
                f"This UNet takes as many tokens of one encoder as of the other, and got an odd number, "
                f"{hidden_states.shape[1]}."
            )
        first, second = hidden_states.chunk(2, dim=1)
        first = first[..., : self.config.encoder_hid_dim]
        second = second[..., : self.config.second_encoder_hid_dim]
        tokens = self.encoder_hid_proj(first, second)
        return Condition(self.add_embedding(text_embeds, second), self.context(tokens), None)
