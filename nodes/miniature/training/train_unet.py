"""Train the decoder's UNet: from noise to the latents of the picture whose embedding it is given.

    python -m nodes.miniature.training.train_unet --minutes 75 --processes 2

It predicts v (Salimans & Ho 2022): with noise as the target, the brightness of a picture, which is decided
where almost all is noise, is hardly learned at this size. One embedding in ten is that of the all-zero input,
for guidance; others get a little noise, as what a prior samples is never quite a picture's own embedding.
The second half of the output channels learns the variance (Nichol & Dhariwal 2021, formula 15).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nodes.miniature.scenes.data import WORK, training_count
from nodes.miniature.training.parallel import together
from nodes.miniature.training.train_clip import WIDTH
from nodes.miniature.training.training import Stage, channels_last
from nodes.networks.unet import UNet, UNetConfig
from nodes.schedulers.ddpm import DDPM

CONFIG: dict[str, Any] = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.42.1",
    "act_fn": "silu",
    "addition_embed_type": "image",
    "attention_head_dim": 32,
    "block_out_channels": [32, 64, 128],
    "cross_attention_dim": 64,
    "down_block_types": ["ResnetDownsampleBlock2D"] + ["SimpleCrossAttnDownBlock2D"] * 2,
    "encoder_hid_dim": WIDTH,
    "encoder_hid_dim_type": "image_proj",
    "in_channels": 4,
    "layers_per_block": 1,
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "norm_eps": 1e-05,
    "norm_num_groups": 8,
    "out_channels": 8,
    "resnet_time_scale_shift": "scale_shift",
    "sample_size": 16,
    "up_block_types": ["SimpleCrossAttnUpBlock2D"] * 2 + ["ResnetUpsampleBlock2D"],
}
SCHEDULER: dict[str, Any] = {
    "_class_name": "DDPMScheduler",
    "_diffusers_version": "0.42.1",
    "beta_end": 0.012,
    "beta_schedule": "linear",
    "beta_start": 0.00085,
    "clip_sample": True,
    "clip_sample_range": 5.0,
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "steps_offset": 1,
    "thresholding": False,
    "timestep_spacing": "leading",
    "variance_type": "fixed_small",
}
BATCH = 64
DROPPED = 0.1
EMBED_NOISE = 0.15  # the largest, as a share of the embeddings' own spread
VARIANCE_WEIGHT = 0.01


def build() -> UNet:
    """The untrained network."""
    return channels_last(UNet(UNetConfig.read(CONFIG)))


def stratified(count: int) -> Tensor:
    """Random training steps (count,), one from each of `count` equal parts of 0..999."""
    return ((torch.arange(count) + torch.rand(count)) / count * 1000).long().clamp(max=999)


class Diffusion:
    """The tables of the training, each (1000, 1, 1, 1)."""

    def __init__(self) -> None:
        schedule = DDPM.read(SCHEDULER)
        self.kept = schedule.alphas_cumprod[:, None, None, None]
        self.betas = schedule.betas[:, None, None, None]
        before = torch.cat([torch.ones_like(self.kept[:1]), self.kept[:-1]])
        posterior = self.betas * (1 - before) / (1 - self.kept)
        self.log_posterior = posterior.clamp(min=float(posterior[1])).log()
        self.clean_share = before.sqrt() * self.betas / (1 - self.kept)

    def noisy(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The latents at training steps t."""
        return self.kept[t].sqrt() * clean + (1 - self.kept[t]).sqrt() * noise

    def velocity(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """What the network is to predict: v."""
        return self.kept[t].sqrt() * noise - (1 - self.kept[t]).sqrt() * clean

    def variance_loss(self, share: Tensor, error: Tensor, t: Tensor) -> Tensor:
        """Divergence between the true posterior and ours, whose log variance lies between the posterior's and
        log beta at (share + 1) / 2 and whose mean is off by the error of the clean latents; in nats."""
        low, high = self.log_posterior[t], self.betas[t].log()
        ours = low + (share + 1) / 2 * (high - low)
        off = (self.clean_share[t] * error).square()
        return 0.5 * (ours - low + (low - ours).exp() + off * (-ours).exp() - 1).clamp(max=40).mean()


@dataclass(frozen=True)
class Batch:
    """What a step learns from: latents (B, 4, h, w) of the pictures whose embeddings (B, D) are given."""

    clean: Tensor
    embeds: Tensor
    beside: Tensor | None = None  # (B, 5, h, w): what the inpainting UNet sees beside the noisy latents
    hint: Tensor | None = None  # (B, 4, h, w): what the hint block said, for the ControlNet
    weight: Tensor | None = None  # (B, 1, h, w): how much each latent counts
    doubtful: Tensor | None = None  # (B, D): embeddings that do not fit, for where the noise shows that


def losses(model: UNet, diffusion: Diffusion, batch: Batch, t: Tensor) -> tuple[Tensor, Tensor]:
    """Errors of v and of the variance at training steps t (B,)."""
    clean = batch.clean
    noise = torch.randn_like(clean)
    noisy = diffusion.noisy(clean, noise, t)
    inputs = noisy if batch.beside is None else torch.cat([noisy, batch.beside], 1)
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    # At these lengths the fused attention's backward pass is slower on a CPU than plain matrix products.
    with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
        output = model(inputs, t, model.condition(batch.embeds, batch.hint)).float()
    predicted, share = output.chunk(2, 1)
    error = diffusion.velocity(clean, noise, t) - predicted
    # An error of v is, times the noise's share, an error of the clean latents.
    clean_error = (1 - diffusion.kept[t]).sqrt() * error.detach()
    squared = error.square() if batch.weight is None else error.square() * batch.weight
    return squared.mean(), diffusion.variance_loss(share, clean_error, t)


def guidance_embeds(embeds: Tensor, nothing: Tensor, spread: Tensor, rng: np.random.Generator) -> Tensor:
    """Embeddings (B, D) with noise of a random strength; one in ten is that of the all-zero input."""
    strength = torch.from_numpy(rng.random((len(embeds), 1), np.float32)) * EMBED_NOISE
    noised = embeds + torch.randn_like(embeds) * spread * strength
    dropped = torch.from_numpy(rng.random((len(embeds), 1)) < DROPPED)
    return torch.where(dropped, nothing, noised)


def matrices(model: UNet) -> list[nn.Parameter]:
    """All weights between the first and the last convolution that are matrices."""
    ends = ("conv_in", "conv_out", "add_embedding.input_hint_block")
    return [p for name, p in model.named_parameters() if p.ndim > 1 and not name.startswith(ends)]


def train(folder: Path, minutes: float, seed: int = 14, max_steps: int | None = None) -> UNet:
    """Train, or go on training; returns the network with averaged weights."""
    torch.manual_seed(seed)
    model, diffusion = build(), Diffusion()
    latents = torch.from_numpy(np.load(folder / "latents.npy"))
    embeds, nothing = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("embeds", "nothing"))
    training = training_count(len(latents))
    spread = embeds[:training].std(0)
    stage = Stage(
        "unet",
        model,
        folder,
        minutes=minutes,
        peak=1.5e-3,
        seed=seed,
        average=0.999,
        matrices=matrices(model),
        max_steps=max_steps,
    )
    for rng in stage.steps():
        chosen = torch.from_numpy(rng.integers(0, training, BATCH))
        given = guidance_embeds(embeds[chosen], nothing, spread, rng)
        batch = Batch(latents[chosen].float(), given)
        error, variance = losses(model, diffusion, batch, stratified(BATCH))
        stage.learn(error + VARIANCE_WEIGHT * variance, BATCH, v=error, variance=variance)
    stage.finish()
    with torch.no_grad():
        torch.manual_seed(seed)
        batch = Batch(latents[training:].float(), embeds[training : len(latents)])
        error, variance = losses(model, diffusion, batch, stratified(len(batch.clean)))
    stage.finish(held_out_v=round(float(error), 4), held_out_variance=round(float(variance), 4))
    return model


def main() -> None:
    """Command line: train the UNet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=75)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    together(train, (WORK, arguments.minutes), arguments.processes)


if __name__ == "__main__":
    main()
