"""The denoiser of Kandinsky 3: a deeper UNet that reads the prompt itself (arXiv 2312.03511, section 3).

Parameter names are those of diffusers' `Kandinsky3UNet`. The inpainting variant takes a mask and masked
latents beside the latents. What does not change from step to step is computed outside of the steps: the
prompt's keys and values once for a run, and the modulation of every normalisation, which depends on prompt
and time, for many steps at once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.networks.config import read_sizes, require
from nodes.networks.layers import TimeEmbedding, modulate, silu, to_map, to_tokens

NAME = "Kandinsky 3 UNet config"
KERNELS = (1, 3, 3, 1)
COMPRESSION = 2  # of the channels between the convolutions of a residual block
EXPANSION = 4  # of the channels between the two layers behind an attention
NORM_EPS = 1e-5
ATTEND = (False, True, True, True)  # on the way down; on the way up its reverse, also where levels are fewer
ROOM = 256 << 20  # bytes of modulations that are computed ahead
MASKED = -10_000.0  # added to attention scores: nothing is left of it in any precision


@dataclass(frozen=True)
class UNet3Config:
    """Sizes of a UNet, from full resolution down. All defaults are those of Kandinsky 3."""

    in_channels: int = 4
    time_embedding_dim: int = 1536
    groups: int = 32
    attention_head_dim: int = 64
    layers_per_block: int = 3
    block_out_channels: tuple[int, ...] = (384, 768, 1536, 3072)
    cross_attention_dim: int = 4096
    encoder_hid_dim: int = 4096
    out_channels: int = 4
    """Of the predicted noise. diffusers' files do not state it, they all have 4 latent channels."""
    null_embedding: Literal[True, False] = False
    """Whether the checkpoint has the learned token that stands for no prompt; diffusers' files have not."""

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "UNet3Config":
        """Read a parsed config.json; raises UnsupportedConfig for anything this network does not do."""
        return read_sizes(cls, config, name=NAME, fixed={}, unused=("sample_size",))

    def __post_init__(self) -> None:
        require(self.layers_per_block <= 64, NAME, "layers_per_block", self.layers_per_block, "at most 64")
        levels = len(self.block_out_channels)
        require(
            levels <= len(ATTEND), NAME, "block_out_channels", self.block_out_channels, "at most 4 levels"
        )
        first, head = self.block_out_channels[0], self.attention_head_dim
        require(
            first >= 8 and first % 4 == 0, NAME, "block_out_channels", first, "a multiple of 4, from 8 on"
        )
        attending = self.widths if levels < len(ATTEND) else self.block_out_channels
        for channels in (*attending, self.time_embedding_dim):
            require(channels % head == 0, NAME, "attention_head_dim", head, f"a divisor of {channels}")
        for channels in self.block_out_channels:
            hidden = channels // COMPRESSION
            require(hidden % self.groups == 0, NAME, "groups", self.groups, f"a divisor of {hidden}")

    @property
    def factor(self) -> int:
        """Latent heights and widths must be multiples of this."""
        return 1 << (len(self.block_out_channels) - 1)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels before the first level and after each."""
        return (self.block_out_channels[0] // 2, *self.block_out_channels)


Modulation = tuple[tuple[Tensor, Tensor], ...]  # gain and bias (B, C, 1, 1) by normalisation


@dataclass(frozen=True)
class Condition:
    """What the UNet computes from the prompt alone, once for all steps of a run."""

    embedding: Tensor  # (B, time_embedding_dim), added to that of the time
    context: tuple[tuple[Tensor, Tensor], ...]  # keys and values (B, heads, L, d) by cross-attention
    bias: Tensor  # (B, 1, 1, L), added to the scores of every cross-attention
    times: tuple[int, ...] = ()
    """The times of the run in order, where they are known."""
    modulations: dict[int, Modulation] = field(default_factory=dict)
    """What is ready, by time: some steps ahead."""


@dataclass(frozen=True)
class Step:
    """All that the blocks need beside their input, at one time of one run."""

    condition: Condition
    modulation: Modulation


def sinusoid(t: Tensor, width: int) -> Tensor:
    """Timesteps t (S,) as (S, width) float32: sines, then cosines, of t / 10000^(i/(width/2 - 1)).

    Unlike that of Kandinsky 2: sines first, and the lowest frequency is 1/10000 itself.
    """
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=t.device)
    angles = t.float()[:, None] * torch.exp(-math.log(10_000) / (half - 1) * steps)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """query (B, heads, N, d), key and value (B, heads, L, d) -> (B, N, heads * d)."""
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    return attended.transpose(1, 2).flatten(2)


class ConditionalNorm(nn.Module):
    """Group normalisation with a gain and a bias that depend on time and prompt."""

    number: int  # its place in Step.modulation

    def __init__(self, channels: int, config: UNet3Config) -> None:
        super().__init__()
        self.groups, self.channels = config.groups, channels
        self.context_mlp = nn.Sequential(nn.SiLU(), nn.Linear(config.time_embedding_dim, 2 * channels))

    def modulation(self, active: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (B, time_embedding_dim) after their SiLU -> gain and bias, each (B, C, 1, 1)."""
        gain, bias = self.context_mlp[1](active)[:, :, None, None].chunk(2, dim=1)
        return gain + 1, bias

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """x (B, C, h, w) -> the same size."""
        return modulate(F.group_norm(x, self.groups, eps=NORM_EPS), *step.modulation[self.number])


class Attention(nn.Module):
    """Attention from every position to the prompt, or to all positions."""

    number: int  # for attention to the prompt: its place in Condition.context

    def __init__(self, channels: int, context: int, outputs: int, head_dim: int) -> None:
        super().__init__()
        self.heads = outputs // head_dim
        self.to_q = nn.Linear(channels, outputs, bias=False)
        self.to_k = nn.Linear(context, outputs, bias=False)
        self.to_v = nn.Linear(context, outputs, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(outputs, outputs, bias=False)])

    def context(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens to attend to (B, L, context) -> their keys and values, each (B, heads, L, d)."""
        return self.split(self.to_k(tokens)), self.split(self.to_v(tokens))

    def split(self, tokens: Tensor) -> Tensor:
        """(B, L, heads * d) -> (B, heads, L, d)."""
        return tokens.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(self, tokens: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
        """tokens (B, N, channels), keys and values as `context` makes them -> (B, N, outputs)."""
        return self.to_out[0](attend(self.split(self.to_q(tokens)), key, value, bias))


class AttentionBlock(nn.Module):
    """Normalised attention, then two normalised 1x1 convolutions, each added to its input."""

    def __init__(self, channels: int, config: UNet3Config, prompt: bool) -> None:
        super().__init__()
        self.prompt = prompt
        self.in_norm = ConditionalNorm(channels, config)
        context = config.cross_attention_dim if prompt else channels
        self.attention = Attention(channels, context, channels, config.attention_head_dim)
        self.out_norm = ConditionalNorm(channels, config)
        self.feed_forward = nn.Sequential(
            nn.Conv2d(channels, EXPANSION * channels, 1, bias=False),
            nn.SiLU(),
            nn.Conv2d(EXPANSION * channels, channels, 1, bias=False),
        )

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """x (B, C, h, w) -> the same size."""
        tokens = to_tokens(self.in_norm(x, step))
        if self.prompt:
            key, value = step.condition.context[self.attention.number]
            attended = self.attention(tokens, key, value, step.condition.bias)
        else:
            attended = self.attention(tokens, *self.attention.context(tokens))
        x = to_map(attended, like=x).add_(x)
        return self.feed_forward(self.out_norm(x, step)).add_(x)


class ConvBlock(nn.Module):
    """Normalisation, activation, convolution; before it the size may double, behind it halve."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        config: UNet3Config,
        resize: Literal["up", "down"] | None,
    ) -> None:
        super().__init__()
        self.group_norm = ConditionalNorm(inputs, config)
        self.up_sample = doubled(inputs) if resize == "up" else nn.Identity()
        self.projection = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.down_sample = halved(outputs) if resize == "down" else nn.Identity()

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """x (B, inputs, h, w) -> (B, outputs, h', w')."""
        return self.down_sample(self.projection(self.up_sample(silu(self.group_norm(x, step)))))


class ResBlock(nn.Module):
    """Four convolutions through fewer channels beside a shortcut."""

    def __init__(
        self, inputs: int, outputs: int, config: UNet3Config, resize: Literal["up", "down"] | None = None
    ) -> None:
        super().__init__()
        hidden = max(inputs, outputs) // COMPRESSION
        widths = (inputs, hidden, hidden, hidden, outputs)
        places = (None, "up", "down", None)  # which of the four changes the size
        self.resnet_blocks = nn.ModuleList(
            [
                ConvBlock(widths[i], widths[i + 1], kernel, config, resize if resize == places[i] else None)
                for i, kernel in enumerate(KERNELS)
            ]
        )
        self.shortcut_up_sample = doubled(inputs) if resize == "up" else nn.Identity()
        self.shortcut_projection = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.shortcut_down_sample = halved(outputs) if resize == "down" else nn.Identity()

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """x (B, inputs, h, w) -> (B, outputs, h', w')."""
        h = x
        for block in self.resnet_blocks:
            h = block(h, step)
        return h.add_(self.shortcut_down_sample(self.shortcut_projection(self.shortcut_up_sample(x))))


def doubled(channels: int) -> nn.Module:
    """A convolution that makes four pixels of each."""
    return nn.ConvTranspose2d(channels, channels, 2, stride=2)


def halved(channels: int) -> nn.Module:
    """A convolution that makes one pixel of four."""
    return nn.Conv2d(channels, channels, 2, stride=2)


class Level(nn.Module):
    """What both ways share: layers of residual block, attention to the prompt, residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.attentions = nn.ModuleList()  # the first one attends to all positions, the others to the prompt
        self.resnets_in = nn.ModuleList()
        self.resnets_out = nn.ModuleList()

    def layers(self, x: Tensor, step: Step) -> Tensor:
        """x (B, C, h, w) through all layers."""
        for enter, attention, leave in zip(
            self.resnets_in, self.attentions[1:], self.resnets_out, strict=True
        ):
            x = enter(x, step)
            if isinstance(attention, AttentionBlock):
                x = attention(x, step)
            x = leave(x, step)
        return x

    def overview(self, x: Tensor, step: Step) -> Tensor:
        """x (B, C, h, w) through the attention to all positions, where this level has it."""
        return self.attentions[0](x, step) if isinstance(self.attentions[0], AttentionBlock) else x


class DownLevel(Level):
    """One resolution on the way down; its last convolution halves the size unless it is the lowest."""

    def __init__(self, inputs: int, outputs: int, config: UNet3Config, attend: bool, last: bool) -> None:
        super().__init__()
        self.attentions.append(AttentionBlock(inputs, config, prompt=False) if attend else nn.Identity())
        for i in range(config.layers_per_block):
            final = i == config.layers_per_block - 1
            self.resnets_in.append(ResBlock(inputs if i == 0 else outputs, outputs, config))
            self.attentions.append(AttentionBlock(outputs, config, prompt=True) if attend else nn.Identity())
            resize: Literal["down"] | None = "down" if final and not last else None
            self.resnets_out.append(ResBlock(outputs, outputs, config, resize))

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """x (B, inputs, h, w) -> (B, outputs, h', w')."""
        return self.layers(self.overview(x, step), step)


class UpLevel(Level):
    """One resolution on the way up; its first convolution doubles the size unless it is the lowest."""

    def __init__(
        self, inputs: int, skip: int, outputs: int, config: UNet3Config, attend: bool, first: bool
    ) -> None:
        super().__init__()
        self.attentions.append(AttentionBlock(outputs, config, prompt=False) if attend else nn.Identity())
        widths = [inputs + skip] + [inputs] * (config.layers_per_block - 1) + [outputs]
        for i, (width, after) in enumerate(pairwise(widths)):
            resize: Literal["up"] | None = "up" if i == 0 and not first else None
            self.resnets_in.append(ResBlock(width, width, config, resize))
            self.attentions.append(AttentionBlock(width, config, prompt=True) if attend else nn.Identity())
            self.resnets_out.append(ResBlock(width, after, config))

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """x (B, inputs + skip, h, w) -> (B, outputs, h', w')."""
        return self.overview(self.layers(x, step), step)


class EncoderProjection(nn.Module):
    """The text encoder's states as the tokens that the UNet attends to."""

    def __init__(self, config: UNet3Config) -> None:
        super().__init__()
        self.projection_linear = nn.Linear(config.encoder_hid_dim, config.cross_attention_dim, bias=False)
        self.projection_norm = nn.LayerNorm(config.cross_attention_dim)

    def forward(self, states: Tensor) -> Tensor:
        """states (B, L, encoder_hid_dim) -> (B, L, cross_attention_dim)."""
        return self.projection_norm(self.projection_linear(states))


class AttentionPooling(nn.Module):
    """A whole prompt as one vector beside the embedding of the time: attention from the tokens' mean."""

    def __init__(self, config: UNet3Config) -> None:
        super().__init__()
        width = config.cross_attention_dim
        self.attention = Attention(width, width, config.time_embedding_dim, config.attention_head_dim)

    def forward(self, tokens: Tensor, bias: Tensor, lengths: Tensor) -> Tensor:
        """tokens (B, L, C), bias (B, 1, 1, L), lengths (B,) of what the mean is over -> (B, time width)."""
        counted = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        mean = (tokens * counted[:, :, None]).sum(dim=1, keepdim=True) / lengths[:, None, None].to(
            tokens.dtype
        )
        return self.attention(mean, *self.attention.context(tokens), bias).squeeze(1)


class UNet3(nn.Module):
    """Predict the noise in latents at a time, led by a prompt."""

    def __init__(self, config: UNet3Config) -> None:
        super().__init__()
        self.config = config
        widths, levels = config.widths, len(config.block_out_channels)
        self.time_embedding = TimeEmbedding(widths[0], config.time_embedding_dim)
        self.add_time_condition = AttentionPooling(config)
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.encoder_hid_proj = EncoderProjection(config)
        if config.null_embedding:
            self.null_embedding = nn.Parameter(torch.zeros(config.cross_attention_dim))
        self.down_blocks = nn.ModuleList(
            DownLevel(widths[i], widths[i + 1], config, ATTEND[i], last=i == levels - 1)
            for i in range(levels)
        )
        self.up_blocks = nn.ModuleList()
        for i, attend in zip(reversed(range(levels)), ATTEND[::-1], strict=False):
            lowest = i == levels - 1
            skip = 0 if lowest else widths[i + 1]
            self.up_blocks.append(UpLevel(widths[i + 1], skip, widths[i], config, attend, first=lowest))
        self.conv_norm_out = nn.GroupNorm(config.groups, widths[0], eps=NORM_EPS)
        self.conv_out = nn.Conv2d(widths[0], config.out_channels, 3, padding=1)
        for number, norm in enumerate(self._norms()):
            norm.number = number
        for number, attention in enumerate(self._prompt_attentions()):
            attention.number = number

    def _norms(self) -> list[ConditionalNorm]:
        return [layer for layer in self.modules() if isinstance(layer, ConditionalNorm)]

    def _prompt_attentions(self) -> list[Attention]:
        blocks = (layer for layer in self.modules() if isinstance(layer, AttentionBlock))
        return [block.attention for block in blocks if block.prompt]

    def condition(self, hidden_states: Tensor, attention_mask: Tensor, lengths: Tensor) -> Condition:
        """Do all the work that depends on neither latents nor time.

        hidden_states (B, L, encoder_hid_dim) of the text encoder; attention_mask (B, L), 0 on padding, and
        all 0 in a row without any prompt; lengths (B,): of how many tokens of a row, the padding behind them
        included, the mean is taken that they are pooled with.
        """
        tokens, mask = self.tokens(hidden_states, attention_mask.to(hidden_states.dtype))
        bias = ((1 - mask) * MASKED)[:, None, None]
        pooled = self.add_time_condition(tokens, bias, lengths)
        return Condition(pooled, tuple(layer.context(tokens) for layer in self._prompt_attentions()), bias)

    def tokens(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens to attend to (B, L, C) and their mask, from the text encoder's states and theirs.

        The network was trained with zeros for padding, and a learned token for no prompt. Where that token
        is lost (in diffusers' files) it is used as diffusers does: what is padded, and all of no prompt, is
        the projection of zeros, which is the bias of its norm.
        """
        if not self.config.null_embedding:
            return self.encoder_hid_proj(states * mask[:, :, None]), mask
        absent = (mask.sum(dim=1) == 0).to(mask.dtype)
        first = torch.zeros_like(mask)
        first[:, 0] = absent
        tokens = self.encoder_hid_proj(states) * mask[:, :, None]
        return tokens + self.null_embedding * first[:, :, None], mask + first

    def ahead(self, condition: Condition, times: Sequence[int]) -> Condition:
        """The condition of a run through these times: what several steps need is computed together."""
        return replace(condition, times=tuple(times), modulations={})

    def modulation(self, t: int, condition: Condition) -> Modulation:
        """What time and prompt make of every normalisation at time `t`."""
        ready = condition.modulations
        if t not in ready:
            ready.clear()
            upcoming = condition.times[condition.times.index(t) :] if t in condition.times else (t,)
            norms, embedding = self._norms(), condition.embedding
            numbers = 2 * sum(norm.channels for norm in norms) * len(embedding)
            bytes_each = numbers * embedding.element_size()
            together = list(dict.fromkeys(upcoming[: max(ROOM // bytes_each, 1)]))
            ready |= zip(together, self._modulations(together, embedding, norms), strict=True)
        return ready[t]

    def _modulations(
        self, times: Sequence[int], embedding: Tensor, norms: Sequence[ConditionalNorm]
    ) -> list[Modulation]:
        waves = sinusoid(torch.tensor(times, device=embedding.device), self.config.widths[0])
        both = self.time_embedding(waves.to(embedding.dtype))[:, None] + embedding  # (S, B, width)
        active = silu(both.flatten(0, 1))
        pairs = [norm.modulation(active) for norm in norms]
        rows = [(gain.chunk(len(times)), bias.chunk(len(times))) for gain, bias in pairs]
        return [tuple((gain[i], bias[i]) for gain, bias in rows) for i in range(len(times))]

    def forward(self, x: Tensor, t: int, condition: Condition) -> Tensor:
        """x (B, in_channels, h, w) at time t -> the noise in it (B, out_channels, h, w).

        Raises ValueError unless h and w are multiples of `config.factor`.
        """
        if x.shape[2] % self.config.factor or x.shape[3] % self.config.factor:
            raise ValueError(
                f"Latents are {x.shape[3]} x {x.shape[2]}, expected multiples of {self.config.factor}."
            )
        step = Step(condition, self.modulation(t, condition))
        x = self.conv_in(x)
        skips = []
        for level in self.down_blocks:
            x = level(x, step)
            skips.append(x)
        skips.pop()  # the lowest level's goes on by itself
        for level in self.up_blocks:
            x = level(x, step)
            if skips:
                x = torch.cat([x, skips.pop()], dim=1)
        return self.conv_out(silu(self.conv_norm_out(x)))
