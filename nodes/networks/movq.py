"""MoVQ, the image autoencoder of Kandinsky 2.1, 2.2 and 3: pictures to latents and back.

MoVQ: Modulating Quantized Vectors for High-Fidelity Image Generation, Zheng et al. 2022 (arXiv 2209.09002).
Parameter names are those of diffusers' `VQModel` with norm_type "spatial".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.networks.config import read_sizes, require
from nodes.networks.layers import modulate, silu, to_map, to_tokens

EPS = 1e-6
SPATIAL_NORM_GROUPS = 32  # whatever norm_num_groups says, which is for the encoder only

DownBlockType = Literal["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]
UpBlockType = Literal["UpDecoderBlock2D", "AttnUpDecoderBlock2D"]


@dataclass(frozen=True)
class AutoencoderConfig:
    """Sizes of an image autoencoder. Every list goes from full resolution down, except up_block_types."""

    block_out_channels: tuple[int, ...]
    down_block_types: tuple[DownBlockType, ...]
    up_block_types: tuple[UpBlockType, ...]
    layers_per_block: int
    latent_channels: int
    norm_num_groups: int = field(default=32, kw_only=True)
    in_channels: int = field(default=3, kw_only=True)
    out_channels: int = field(default=3, kw_only=True)

    title = "autoencoder config"

    def __post_init__(self) -> None:
        name, levels = self.title, len(self.block_out_channels)
        for size in ("down_block_types", "up_block_types"):
            types = getattr(self, size)
            require(len(types) == levels, name, size, types, f"{levels} items, as block_out_channels has")
        require(self.layers_per_block <= 64, name, "layers_per_block", self.layers_per_block, "at most 64")
        for channels in self.block_out_channels:
            for groups in self.groups:
                expected = f"a multiple of {groups} groups"
                require(channels % groups == 0, name, "block_out_channels", channels, expected)

    @property
    def groups(self) -> tuple[int, ...]:
        """The numbers of groups that channels are normalised in."""
        return (self.norm_num_groups,)

    @property
    def factor(self) -> int:
        """Pixels per latent along each side."""
        return 1 << (len(self.block_out_channels) - 1)


@dataclass(frozen=True)
class MoVQConfig(AutoencoderConfig):
    """Sizes of a MoVQ."""

    num_vq_embeddings: int
    vq_embed_dim: int | None = None

    title = "MoVQ config"

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "MoVQConfig":
        """Read a parsed config.json; raises UnsupportedConfig for anything this network does not do."""
        return read_sizes(
            cls,
            config,
            name=cls.title,
            fixed={
                "norm_type": ("spatial",),
                "act_fn": ("silu",),
                "mid_block_add_attention": (True,),
                "lookup_from_codebook": (False,),
                "force_upcast": (False,),
            },
            required=("norm_type",),
            # Kandinsky neither scales its latents nor fixes a size.
            unused=("sample_size", "scaling_factor"),
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        expected = f"latent_channels, {self.latent_channels}"
        fits = self.vq_embed_dim in (None, self.latent_channels)
        require(fits, self.title, "vq_embed_dim", self.vq_embed_dim, expected)

    @property
    def groups(self) -> tuple[int, ...]:
        """The encoder's number of groups, and the decoder's."""
        return (self.norm_num_groups, SPATIAL_NORM_GROUPS)


class SpatialNorm(nn.Module):
    """Group normalisation whose gain and bias come from the latents (section 3.2 of the paper)."""

    def __init__(self, channels: int, latent_channels: int) -> None:
        super().__init__()
        self.norm_layer = nn.GroupNorm(SPATIAL_NORM_GROUPS, channels, eps=EPS)
        self.conv_y = nn.Conv2d(latent_channels, channels, 1)
        self.conv_b = nn.Conv2d(latent_channels, channels, 1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x (B, C, H, W), z (B, latent_channels, h, w) -> (B, C, H, W)."""
        # A 1x1 convolution commutes with nearest upsampling, so it runs at the latents' size.
        gain, bias = self.conv_y(z), self.conv_b(z)
        normed = self.norm_layer(x)
        if torch.is_grad_enabled():  # gradients are summed faster over pictures than over cells
            gain, bias = (F.interpolate(y, size=x.shape[-2:], mode="nearest") for y in (gain, bias))
            return modulate(normed, gain, bias)
        # Without gradients nothing is upsampled: each latent modulates its cell of pixels.
        batch, channels, height, width = gain.shape
        cells = normed.view(batch, channels, height, x.shape[2] // height, width, x.shape[3] // width)
        modulate(cells, gain[:, :, :, None, :, None], bias[:, :, :, None, :, None])
        return normed


class GroupNorm(nn.GroupNorm):
    """The encoder's normalisation: as SpatialNorm, but there are no latents yet."""

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """x (B, C, H, W) -> (B, C, H, W)."""
        return super().forward(x)


def norm(channels: int, config: AutoencoderConfig, spatial: bool) -> GroupNorm | SpatialNorm:
    """The decoder's (spatial) or the encoder's normalisation of `channels`."""
    if spatial:
        return SpatialNorm(channels, config.latent_channels)
    return GroupNorm(config.norm_num_groups, channels, eps=EPS)


class ResBlock(nn.Module):
    """Two normalised convolutions beside a shortcut."""

    def __init__(self, inputs: int, outputs: int, config: AutoencoderConfig, spatial: bool) -> None:
        super().__init__()
        self.norm1 = norm(inputs, config, spatial)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = norm(outputs, config, spatial)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, z: Tensor | None) -> Tensor:
        """x (B, inputs, H, W) -> (B, outputs, H, W)."""
        h = self.conv1(silu(self.norm1(x, z)))
        h = self.conv2(silu(self.norm2(h, z)))
        return h.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))


class Attention(nn.Module):
    """Self-attention of one head over all positions, added to its input."""

    def __init__(self, channels: int, config: AutoencoderConfig, spatial: bool) -> None:
        super().__init__()
        self.norm_name = "spatial_norm" if spatial else "group_norm"
        self.add_module(self.norm_name, norm(channels, config, spatial))
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor, z: Tensor | None) -> Tensor:
        """x (B, C, H, W) -> (B, C, H, W)."""
        normed = self.get_submodule(self.norm_name)(x, z)
        tokens = to_tokens(normed)[:, None]
        attended = F.scaled_dot_product_attention(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens))
        return to_map(self.to_out[0](attended[:, 0]), like=x).add_(x)


class Downsample(nn.Module):
    """Halve the size; the extra row and column are below and to the right."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> (B, C, H/2, W/2)."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> (B, C, 2H, 2W)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Block(nn.Module):
    """One resolution: residual blocks, attention after each if wanted, then a change of size if wanted."""

    def __init__(
        self, inputs: int, outputs: int, layers: int, attend: bool, config: AutoencoderConfig, spatial: bool
    ) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * (layers - 1)
        self.resnets = nn.ModuleList([ResBlock(width, outputs, config, spatial) for width in widths])
        self.attentions = nn.ModuleList([Attention(outputs, config, spatial) for _ in widths if attend])
        self.downsamplers = nn.ModuleList()
        self.upsamplers = nn.ModuleList()

    def forward(self, x: Tensor, z: Tensor | None) -> Tensor:
        """x (B, inputs, H, W) -> (B, outputs, H', W')."""
        for i, resnet in enumerate(self.resnets):
            x = resnet(x, z)
            if self.attentions:
                x = self.attentions[i](x, z)
        for resize in (*self.downsamplers, *self.upsamplers):
            x = resize(x)
        return x


class MidBlock(nn.Module):
    """Residual block, attention, residual block at the latents' size."""

    def __init__(self, channels: int, config: AutoencoderConfig, spatial: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([ResBlock(channels, channels, config, spatial) for _ in range(2)])
        self.attentions = nn.ModuleList([Attention(channels, config, spatial)])

    def forward(self, x: Tensor, z: Tensor | None) -> Tensor:
        """x (B, C, h, w) -> (B, C, h, w)."""
        return self.resnets[1](self.attentions[0](self.resnets[0](x, z), z), z)


class Encoder(nn.Module):
    """Pictures to features of the latents' size."""

    def __init__(self, config: AutoencoderConfig, outputs: int) -> None:
        super().__init__()
        widths = config.block_out_channels
        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for level, kind in enumerate(config.down_block_types):
            attend = kind == "AttnDownEncoderBlock2D"
            inputs = widths[max(level - 1, 0)]
            block = Block(inputs, widths[level], config.layers_per_block, attend, config, spatial=False)
            if level < len(widths) - 1:
                block.downsamplers.append(Downsample(widths[level]))
            self.down_blocks.append(block)
        self.mid_block = MidBlock(widths[-1], config, spatial=False)
        self.conv_norm_out = GroupNorm(config.norm_num_groups, widths[-1], eps=EPS)
        self.conv_out = nn.Conv2d(widths[-1], outputs, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) -> (B, outputs, h, w)."""
        x = self.conv_in(image)
        for block in self.down_blocks:
            x = block(x, None)
        return self.conv_out(silu(self.conv_norm_out(self.mid_block(x, None))))


class Decoder(nn.Module):
    """Latents to pictures, every normalisation modulated by the latents."""

    def __init__(self, config: MoVQConfig) -> None:
        super().__init__()
        widths = config.block_out_channels[::-1]
        self.conv_in = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid_block = MidBlock(widths[0], config, spatial=True)
        self.up_blocks = nn.ModuleList()
        for level, kind in enumerate(config.up_block_types):
            attend = kind == "AttnUpDecoderBlock2D"
            inputs = widths[max(level - 1, 0)]
            block = Block(inputs, widths[level], config.layers_per_block + 1, attend, config, spatial=True)
            if level < len(widths) - 1:
                block.upsamplers.append(Upsample(widths[level]))
            self.up_blocks.append(block)
        self.conv_norm_out = SpatialNorm(widths[-1], config.latent_channels)
        self.conv_out = nn.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """x and z (B, latent_channels, h, w) -> (B, 3, H, W)."""
        x = self.mid_block(self.conv_in(x), z)
        for block in self.up_blocks:
            x = block(x, z)
        return self.conv_out(silu(self.conv_norm_out(x, z)))


class Codebook(nn.Module):
    """The vectors MoVQ was trained with. Latents are never quantised: kept so that files match."""

    def __init__(self, config: MoVQConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.num_vq_embeddings, config.latent_channels)


class MoVQ(nn.Module):
    """Image autoencoder with continuous latents, 1/`config.factor` of the picture's size along each side."""

    def __init__(self, config: MoVQConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, config.latent_channels)
        self.quant_conv = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.quantize = Codebook(config)
        self.post_quant_conv = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.decoder = Decoder(config)

    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in -1..1 -> latents (B, latent_channels, H/factor, W/factor), not scaled."""
        return self.quant_conv(self.encoder(image))

    def decode(self, latents: Tensor) -> Tensor:
        """latents (B, latent_channels, h, w) -> image (B, 3, h*factor, w*factor) in -1..1, unclamped."""
        return self.decoder(self.post_quant_conv(latents), latents)
