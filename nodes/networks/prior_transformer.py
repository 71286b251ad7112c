"""The diffusion prior of Kandinsky 2.1 and 2.2: from text embeddings to an image embedding.

A causal transformer over text tokens, text embedding, time, noisy image embedding and a learned last token,
whose output is the clean image embedding (Hierarchical Text-Conditional Image Generation with CLIP Latents,
Ramesh et al. 2022, section 2.2). Parameter names are those of diffusers' `PriorTransformer`.

As the transformer is causal, what comes before the time depends on the text alone: `prefix` computes the keys
and values of those tokens once, and `step` only adds the last three. Nothing is approximated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.networks.config import read_sizes, require
from nodes.networks.layers import TimeEmbedding, sinusoid

NAME = "Prior config"
MASKED = -10_000.0  # what the checkpoints were trained with; its softmax is 0 in every float type
STEP_TOKENS = 3  # time, noisy image embedding, learned last token

FIXED: dict[str, tuple[Any, ...]] = {
    "added_emb_type": ("prd",),
    "additional_embeddings": (1 + STEP_TOKENS,),
    "clip_embed_dim": (None,),
    "dropout": (0.0,),
    "embedding_proj_dim": (None,),
    "embedding_proj_norm_type": (None,),
    "encoder_hid_proj_type": ("linear",),
    "norm_in_type": (None,),
    "time_embed_act_fn": ("silu",),
    "time_embed_dim": (None,),
}


@dataclass(frozen=True)
class PriorConfig:
    """Sizes of a prior. The defaults are those of Kandinsky 2.1, whose config.json states next to nothing."""

    num_attention_heads: int = 32
    attention_head_dim: int = 64
    num_layers: int = 20
    embedding_dim: int = 768
    num_embeddings: int = 77

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "PriorConfig":
        """Read a parsed config.json; raises UnsupportedConfig for anything this network does not do."""
        return read_sizes(cls, config, name=NAME, fixed=FIXED)

    def __post_init__(self) -> None:
        require(self.num_layers <= 256, NAME, "num_layers", self.num_layers, "at most 256")
        require(
            self.width <= 1 << 16, NAME, "num_attention_heads", self.num_attention_heads, "at most 65536 wide"
        )
        require(self.width % 2 == 0, NAME, "attention_head_dim", self.attention_head_dim, "an even width")

    @property
    def width(self) -> int:
        """Width of the transformer."""
        return self.num_attention_heads * self.attention_head_dim


@dataclass(frozen=True)
class Prefix:
    """The constant beginning of sequences: text tokens without padding, then the text embedding."""

    keys_values: tuple[tuple[Tensor, Tensor], ...]  # for each layer, (B, heads, L, head_dim) each
    bias: Tensor  # (B, 1, 1, L), added to the attention's logits: MASKED where a shorter text is padded

    def rows(self, rows: Tensor) -> "Prefix":
        """The prefixes `rows` (indices into the batch), so that equal texts need computing only once."""
        return Prefix(tuple((key[rows], value[rows]) for key, value in self.keys_values), self.bias[rows])


class Attention(nn.Module):
    """Attention to what came before and, by `bias`, to what is already known of the present tokens."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.to_q = nn.Linear(config.width, config.width)
        self.to_k = nn.Linear(config.width, config.width)
        self.to_v = nn.Linear(config.width, config.width)
        self.to_out = nn.ModuleList([nn.Linear(config.width, config.width)])

    def key_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, L, width) -> keys and values, each (B, heads, L, head_dim)."""
        return self.split(self.to_k(x)), self.split(self.to_v(x))

    def forward(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """x (B, L, width), keys and values of K tokens, bias (B, 1, L, K) -> (B, L, width)."""
        attended = F.scaled_dot_product_attention(self.split(self.to_q(x)), key, value, attn_mask=bias)
        return self.to_out[0](attended.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        """x (B, L, width) -> (B, heads, L, head_dim)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Projection(nn.Module):
    """A linear layer and GELU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) -> (..., outputs)."""
        return F.gelu(self.proj(x))


class FeedForward(nn.Module):
    """Two layers, four times as wide between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # The identity stands where the checkpoints' numbering counts a dropout.
        self.net = nn.Sequential(Projection(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., width) -> (..., width)."""
        return self.net(x)


class Block(nn.Module):
    """Attention and feed-forward, each normalised before and added after."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width)
        self.attn1 = Attention(config)
        self.norm3 = nn.LayerNorm(config.width)
        self.ff = FeedForward(config.width)

    def forward(
        self, x: Tensor, bias: Tensor, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (B, L, width), bias (B, 1, L, past + L) -> (B, L, width) and x's own keys and values."""
        normed = self.norm1(x)
        present = key, value = self.attn1.key_value(normed)
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        x = x + self.attn1(normed, key, value, bias)
        return x + self.ff(self.norm3(x)), present


class PriorTransformer(nn.Module):
    """Predict the clean, normalised image embedding from a noisy one and a text."""

    def __init__(self, config: PriorConfig) -> None:
        super().__init__()
        self.config = config
        width, embedding = config.width, config.embedding_dim
        self.time_embedding = TimeEmbedding(width, width)
        self.proj_in = nn.Linear(embedding, width)
        self.embedding_proj = nn.Linear(embedding, width)
        self.encoder_hidden_states_proj = nn.Linear(embedding, width)
        self.positional_embedding = nn.Parameter(
            torch.zeros(1, config.num_embeddings + 1 + STEP_TOKENS, width)
        )
        self.prd_embedding = nn.Parameter(torch.zeros(1, 1, width))
        self.transformer_blocks = nn.ModuleList([Block(config) for _ in range(config.num_layers)])
        self.norm_out = nn.LayerNorm(width)
        self.proj_to_clip_embeddings = nn.Linear(width, embedding)
        # Statistics of the CLIP image embeddings, not trained.
        self.clip_mean = nn.Parameter(torch.zeros(1, embedding), requires_grad=False)
        self.clip_std = nn.Parameter(torch.ones(1, embedding), requires_grad=False)

    def prefix(self, text_embeds: Tensor, hidden_states: Tensor, mask: Tensor) -> Prefix:
        """Compute all that depends on the text alone, once for every step, seed and guidance.

        text_embeds (B, D), hidden_states (B, 77, D), mask (B, 77), nonzero where a token is no padding.
        Padding after the longest text is left out: nothing attends to it.
        """
        length = unpadded(mask)
        tokens = torch.cat(
            [
                self.encoder_hidden_states_proj(hidden_states[:, :length]),
                self.embedding_proj(text_embeds)[:, None],
            ],
            dim=1,
        )
        positions = self.positional_embedding[:, :-STEP_TOKENS]
        tokens = tokens + torch.cat([positions[:, :length], positions[:, -1:]], dim=1)
        padding = F.pad((mask[:, :length] == 0).to(tokens.dtype) * MASKED, (0, 1))[:, None, None]
        bias = padding + causal(tokens)
        keys_values = []
        for block in self.transformer_blocks:
            tokens, present = block(tokens, bias)
            keys_values.append(present)
        return Prefix(tuple(keys_values), padding)

    def step(self, x: Tensor, t: Tensor | float, prefix: Prefix) -> Tensor:
        """x (B, D) at time t, one number or (B,) -> the clean image embedding (B, D), both normalised."""
        batch = len(x)
        times = torch.as_tensor(t, device=x.device).reshape(-1)
        time = self.time_embedding(sinusoid(times, self.config.width).to(x.dtype)).expand(batch, -1)
        learned = self.prd_embedding[0].expand(batch, -1)
        tokens = torch.stack([time, self.proj_in(x), learned], dim=1)
        tokens = tokens + self.positional_embedding[:, -STEP_TOKENS:]
        bias = torch.cat(
            [prefix.bias.expand(-1, -1, STEP_TOKENS, -1), causal(tokens).expand(batch, 1, -1, -1)], dim=3
        )
        for block, past in zip(self.transformer_blocks, prefix.keys_values, strict=True):
            tokens, _ = block(tokens, bias, past)
        return self.proj_to_clip_embeddings(self.norm_out(tokens[:, -1]))

    def forward(
        self,
        x: Tensor,
        t: Tensor | float,
        text_embeds: Tensor,
        hidden_states: Tensor,
        mask: Tensor,
    ) -> Tensor:
        """One step with a prefix of its own: what training wants. Shapes as in `prefix` and `step`."""
        return self.step(x, t, self.prefix(text_embeds, hidden_states, mask))

    def normalise(self, image_embeds: Tensor) -> Tensor:
        """CLIP image embeddings (B, D) in the prior's own space."""
        return (image_embeds - self.clip_mean) / self.clip_std

    def denormalise(self, x: Tensor) -> Tensor:
        """The prior's (B, D) as CLIP image embeddings."""
        return x * self.clip_std + self.clip_mean


def causal(tokens: Tensor) -> Tensor:
    """The bias (1, 1, L, L) that hides from each of tokens (B, L, width) the ones after it."""
    length = tokens.shape[1]
    return torch.full((1, 1, length, length), MASKED, dtype=tokens.dtype, device=tokens.device).triu(1)


def unpadded(mask: Tensor) -> int:
    """How many tokens the longest text of mask (B, L) reaches to, at least 1."""
    used = mask.any(dim=0).nonzero()
    return int(used.max()) + 1 if len(used) else 1
