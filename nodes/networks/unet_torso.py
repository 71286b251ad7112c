"""What the denoisers of Kandinsky 2.0, 2.1 and 2.2 share: a convolutional UNet with attention.

What leads it, in which they differ, comes as an embedding beside that of the time and as tokens to attend to.
Parameter names are those of diffusers' `UNet2DConditionModel`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.networks.config import require
from nodes.networks.layers import TimeEmbedding, modulate, silu, sinusoid, to_map, to_tokens

ATTENTION_NORM_EPS = 1e-5

NAME = "UNet config"
DownBlockType = Literal["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"]
UpBlockType = Literal["ResnetUpsampleBlock2D", "SimpleCrossAttnUpBlock2D"]

FIXED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu",),
    "addition_embed_type_num_heads": (64,),
    "addition_time_embed_dim": (None,),
    "attention_type": ("default",),
    "center_input_sample": (False,),
    "class_embed_type": (None,),
    "class_embeddings_concat": (False,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "cross_attention_norm": (None,),
    "downsample_padding": (1,),
    "dropout": (0.0,),
    "dual_cross_attention": (False,),
    "flip_sin_to_cos": (True,),
    "freq_shift": (0,),
    "mid_block_only_cross_attention": (None, False),
    "mid_block_scale_factor": (1,),
    "mid_block_type": ("UNetMidBlock2DSimpleCrossAttn",),
    "num_attention_heads": (None,),
    "num_class_embeds": (None,),
    "only_cross_attention": (False,),
    "projection_class_embeddings_input_dim": (None,),
    "resnet_out_scale_factor": (1.0,),
    "resnet_skip_time_act": (False,),
    "resnet_time_scale_shift": ("scale_shift",),
    "reverse_transformer_layers_per_block": (None,),
    "time_cond_proj_dim": (None,),
    "time_embedding_act_fn": (None,),
    "time_embedding_dim": (None,),
    "time_embedding_type": ("positional",),
    "timestep_post_act": (None,),
    "transformer_layers_per_block": (1,),
    "upcast_attention": (False,),
    "use_linear_projection": (False,),
}
REQUIRED = ("mid_block_type", "resnet_time_scale_shift")  # diffusers' own defaults are not these
UNUSED = ("sample_size",)


@dataclass(frozen=True)
class TorsoConfig:
    """Sizes of a UNet. Lists go from full resolution down, except up_block_types, which goes up."""

    in_channels: int
    out_channels: int
    block_out_channels: tuple[int, ...]
    down_block_types: tuple[DownBlockType, ...]
    up_block_types: tuple[UpBlockType, ...]
    layers_per_block: int
    attention_head_dim: int
    cross_attention_dim: int
    norm_num_groups: int = field(default=32, kw_only=True)
    norm_eps: float = field(default=1e-5, kw_only=True)

    def __post_init__(self) -> None:
        levels = len(self.block_out_channels)
        for name in ("down_block_types", "up_block_types"):
            types = getattr(self, name)
            require(len(types) == levels, NAME, name, types, f"{levels} items, as block_out_channels has")
        require(self.layers_per_block <= 64, NAME, "layers_per_block", self.layers_per_block, "at most 64")
        for channels in self.block_out_channels:
            for name in ("norm_num_groups", "attention_head_dim"):
                size = getattr(self, name)
                require(
                    channels % size == 0, NAME, name, size, f"a divisor of block_out_channels' {channels}"
                )

    @property
    def factor(self) -> int:
        """Latent heights and widths must be multiples of this."""
        return 1 << (len(self.block_out_channels) - 1)

    @property
    def time_width(self) -> int:
        """Width of the embedding of time and guidance that every residual block gets."""
        return 4 * self.block_out_channels[0]


@dataclass(frozen=True)
class Condition:
    """What the UNet computes from its guidance alone, once for all steps of a run."""

    embedding: Tensor  # (B, time_width), added to that of the time
    context: tuple[
        tuple[Tensor, Tensor], ...
    ]  # keys and values (B, tokens, C) for each attention layer, in order
    hint: Tensor | None  # (B, 4, h, w)


class ResBlock(nn.Module):
    """Two normalised convolutions beside a shortcut, the second norm modulated by time and image."""

    def __init__(
        self, inputs: int, outputs: int, config: TorsoConfig, resize: Literal["up", "down"] | None = None
    ) -> None:
        super().__init__()
        self.resize = resize
        self.norm1 = nn.GroupNorm(config.norm_num_groups, inputs, eps=config.norm_eps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(config.time_width, 2 * outputs)
        self.norm2 = nn.GroupNorm(config.norm_num_groups, outputs, eps=config.norm_eps)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (B, inputs, h, w), embedding (B, time_width) after its SiLU -> (B, outputs, h', w')."""
        h = self.conv1(self.resized(silu(self.norm1(x))))
        scale, shift = self.time_emb_proj(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv2(silu(modulate(self.norm2(h), 1 + scale, shift)))
        x = self.resized(x)
        return h.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))

    def resized(self, x: Tensor) -> Tensor:
        """x (B, C, h, w) at the size this block puts out."""
        if self.resize == "up":
            return F.interpolate(x, scale_factor=2.0, mode="nearest")
        return F.avg_pool2d(x, 2) if self.resize == "down" else x


class Attention(nn.Module):
    """Attention from every position to the context and all positions, added to its input."""

    def __init__(self, channels: int, config: TorsoConfig) -> None:
        super().__init__()
        self.heads = channels // config.attention_head_dim
        self.group_norm = nn.GroupNorm(config.norm_num_groups, channels, eps=ATTENTION_NORM_EPS)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.add_k_proj = nn.Linear(config.cross_attention_dim, channels)
        self.add_v_proj = nn.Linear(config.cross_attention_dim, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def context(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Context tokens (B, L, cross_attention_dim) -> their keys and values, each (B, L, C)."""
        return self.add_k_proj(tokens), self.add_v_proj(tokens)

    def forward(self, x: Tensor, context: tuple[Tensor, Tensor]) -> Tensor:
        """x (B, C, h, w), keys and values of the context -> (B, C, h, w)."""
        tokens = to_tokens(self.group_norm(x))
        query = self.to_q(tokens)
        key = torch.cat([context[0], self.to_k(tokens)], dim=1)
        value = torch.cat([context[1], self.to_v(tokens)], dim=1)
        query, key, value = (
            y.view(*y.shape[:2], self.heads, -1).transpose(1, 2) for y in (query, key, value)
        )
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return to_map(self.to_out[0](attended), like=x).add_(x)


class DownBlock(nn.Module):
    """One resolution on the way down; each of its layers leaves a skip for the way up."""

    def __init__(self, inputs: int, outputs: int, attend: bool, last: bool, config: TorsoConfig) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * (config.layers_per_block - 1)
        self.resnets = nn.ModuleList([ResBlock(width, outputs, config) for width in widths])
        self.attentions = nn.ModuleList([Attention(outputs, config) for _ in widths if attend])
        self.downsamplers = nn.ModuleList([ResBlock(outputs, outputs, config, "down")] if not last else [])

    def forward(
        self, x: Tensor, embedding: Tensor, context: Iterator[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, list[Tensor]]:
        """x (B, inputs, h, w) -> (B, outputs, h', w') and the skips, first made first."""
        skips = []
        for i, resnet in enumerate(self.resnets):
            x = resnet(x, embedding)
            if self.attentions:
                x = self.attentions[i](x, next(context))
            skips.append(x)
        for downsampler in self.downsamplers:
            x = downsampler(x, embedding)
            skips.append(x)
        return x, skips


class MidBlock(nn.Module):
    """Residual block, attention, residual block at the smallest size."""

    def __init__(self, channels: int, config: TorsoConfig) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([ResBlock(channels, channels, config) for _ in range(2)])
        self.attentions = nn.ModuleList([Attention(channels, config)])

    def forward(self, x: Tensor, embedding: Tensor, context: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
        """x (B, C, h, w) -> (B, C, h, w)."""
        x = self.attentions[0](self.resnets[0](x, embedding), next(context))
        return self.resnets[1](x, embedding)


class UpBlock(nn.Module):
    """One resolution on the way up; each of its layers takes the newest skip left."""

    def __init__(
        self, inputs: int, skips: list[int], outputs: int, attend: bool, last: bool, config: TorsoConfig
    ) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * (len(skips) - 1)
        self.resnets = nn.ModuleList(
            [ResBlock(width + skip, outputs, config) for width, skip in zip(widths, skips, strict=True)]
        )
        self.attentions = nn.ModuleList([Attention(outputs, config) for _ in widths if attend])
        self.upsamplers = nn.ModuleList([ResBlock(outputs, outputs, config, "up")] if not last else [])

    def forward(
        self, x: Tensor, skips: list[Tensor], embedding: Tensor, context: Iterator[tuple[Tensor, Tensor]]
    ) -> Tensor:
        """x (B, inputs, h, w) -> (B, outputs, h', w'); takes the skips it uses off the list."""
        for i, resnet in enumerate(self.resnets):
            x = resnet(torch.cat([x, skips.pop()], dim=1), embedding)
            if self.attentions:
                x = self.attentions[i](x, next(context))
        for upsampler in self.upsamplers:
            x = upsampler(x, embedding)
        return x


class Torso(nn.Module):
    """Predict the noise (and, in a second half of the channels, the variance) of latents at a time."""

    def __init__(self, config: TorsoConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.block_out_channels
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(widths[0], config.time_width)

        self.down_blocks = nn.ModuleList()
        skips = [widths[0]]
        for level, (outputs, down) in enumerate(zip(widths, config.down_block_types, strict=True)):
            last, attend = level == len(widths) - 1, down == "SimpleCrossAttnDownBlock2D"
            self.down_blocks.append(DownBlock(widths[max(level - 1, 0)], outputs, attend, last, config))
            skips += [outputs] * (config.layers_per_block + (not last))
        self.mid_block = MidBlock(widths[-1], config)
        self.up_blocks = nn.ModuleList()
        inputs = widths[-1]
        for outputs, up in zip(widths[::-1], config.up_block_types, strict=True):
            taken = [skips.pop() for _ in range(config.layers_per_block + 1)]
            attend = up == "SimpleCrossAttnUpBlock2D"
            self.up_blocks.append(UpBlock(inputs, taken, outputs, attend, not skips, config))
            inputs = outputs

        self.conv_norm_out = nn.GroupNorm(config.norm_num_groups, widths[0], eps=config.norm_eps)
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)

    def context(self, tokens: Tensor) -> tuple[tuple[Tensor, Tensor], ...]:
        """Tokens (B, L, cross_attention_dim) -> their keys and values for each attention layer, in order."""
        attentions = (layer for layer in self.modules() if isinstance(layer, Attention))
        return tuple(layer.context(tokens) for layer in attentions)

    def forward(self, x: Tensor, t: Tensor | float, condition: Condition) -> Tensor:
        """x (B, in_channels, h, w) at time t, one number or (B,) -> (B, out_channels, h, w).

        For the ControlNet variant x has the 4 latent channels only. Raises ValueError unless h and w are
        multiples of `config.factor`.
        """
        if x.shape[2] % self.config.factor or x.shape[3] % self.config.factor:
            raise ValueError(
                f"Latents are {x.shape[3]} x {x.shape[2]}, expected multiples of {self.config.factor}."
            )
        times = torch.as_tensor(t, device=x.device).reshape(-1)
        waves = sinusoid(times, self.config.block_out_channels[0]).to(x.dtype)
        embedding = silu(self.time_embedding(waves) + condition.embedding)
        context = iter(condition.context)

        x = self.conv_in(x if condition.hint is None else torch.cat([x, condition.hint], dim=1))
        skips = [x]
        for block in self.down_blocks:
            x, left = block(x, embedding, context)
            skips += left
        x = self.mid_block(x, embedding, context)
        for block in self.up_blocks:
            x = block(x, skips, embedding, context)
        return self.conv_out(silu(self.conv_norm_out(x)))
