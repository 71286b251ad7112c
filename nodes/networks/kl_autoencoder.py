"""The image autoencoder of Kandinsky 2.0: a variational one, as latent diffusion uses.

High-Resolution Image Synthesis with Latent Diffusion Models, Rombach et al. 2021 (arXiv 2112.10752), section
3.1. Parameter names are those of diffusers' `AutoencoderKL`. Encoder and decoder are MoVQ's, except that no
normalisation looks at the latents.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nodes.networks.config import read_sizes, require
from nodes.networks.layers import silu
from nodes.networks.movq import EPS, AutoencoderConfig, Block, Encoder, GroupNorm, MidBlock, Upsample


@dataclass(frozen=True)
class KLConfig(AutoencoderConfig):
    """Sizes of a KL autoencoder, and how its latents are scaled for the denoiser."""

    scaling_factor: float

    title = "KL autoencoder config"

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "KLConfig":
        """Read a parsed config.json; raises UnsupportedConfig for anything this network does not do."""
        return read_sizes(
            cls,
            config,
            name=cls.title,
            fixed={
                "act_fn": ("silu",),
                "mid_block_add_attention": (True,),
                "use_quant_conv": (True,),
                "use_post_quant_conv": (True,),
                "shift_factor": (None,),
                "latents_mean": (None,),
                "latents_std": (None,),
            },
            # Half precision is fine: force_upcast is for larger networks.
            unused=("sample_size", "force_upcast"),
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = 1e-6 <= self.scaling_factor <= 1e6
        require(fits, self.title, "scaling_factor", self.scaling_factor, "1e-6 to 1e6")


class Decoder(nn.Module):
    """Latents to pictures."""

    def __init__(self, config: KLConfig) -> None:
        super().__init__()
        widths = config.block_out_channels[::-1]
        self.conv_in = nn.Conv2d(config.latent_channels, widths[0], 3, padding=1)
        self.mid_block = MidBlock(widths[0], config, spatial=False)
        self.up_blocks = nn.ModuleList()
        for level, kind in enumerate(config.up_block_types):
            attend = kind == "AttnUpDecoderBlock2D"
            inputs = widths[max(level - 1, 0)]
            layers = config.layers_per_block + 1
            block = Block(inputs, widths[level], layers, attend, config, spatial=False)
            if level < len(widths) - 1:
                block.upsamplers.append(Upsample(widths[level]))
            self.up_blocks.append(block)
        self.conv_norm_out = GroupNorm(config.norm_num_groups, widths[-1], eps=EPS)
        self.conv_out = nn.Conv2d(widths[-1], config.out_channels, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """latents (B, latent_channels, h, w) -> (B, 3, H, W)."""
        x = self.mid_block(self.conv_in(latents), None)
        for block in self.up_blocks:
            x = block(x, None)
        return self.conv_out(silu(self.conv_norm_out(x)))


class KLAutoencoder(nn.Module):
    """Image autoencoder with normal latents, 1/`config.factor` of the picture's size along each side."""

    def __init__(self, config: KLConfig) -> None:
        super().__init__()
        self.config = config
        moments = 2 * config.latent_channels  # means and logarithms of variances
        self.encoder = Encoder(config, moments)
        self.quant_conv = nn.Conv2d(moments, moments, 1)
        self.post_quant_conv = nn.Conv2d(config.latent_channels, config.latent_channels, 1)
        self.decoder = Decoder(config)

    def encode(self, image: Tensor) -> Tensor:
        """image (B, 3, H, W) in -1..1 -> latents (B, latent_channels, H/factor, W/factor), scaled.

        Always the means: the variances are tiny, and the same picture gives the same latents.
        """
        means, _ = self.quant_conv(self.encoder(image)).chunk(2, dim=1)
        return means * self.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """latents (B, latent_channels, h, w), scaled -> image (B, 3, h*factor, w*factor) in -1..1."""
        return self.decoder(self.post_quant_conv(latents / self.config.scaling_factor))
