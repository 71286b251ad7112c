"""Sharpen the MoVQ's decoder against a critic that learns to tell its pictures from renders.

    python -m nodes.miniature.train_sharpness --minutes 15

A decoder that only comes as near as it can draws what it cannot know as the mean of all that it might be:
soft edges, smooth grass. The critic sees patches of about 30 pixels, and what it finds unlike a render the
decoder learns to draw otherwise (Esser et al. 2021, section 3.1, which has their balance too).
It begins with the MoVQ that ships, on the latents that `tables` stored. The encoder stays as it is, and so do
the latents.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.miniature import train_movq
from nodes.miniature.data import Data
from nodes.miniature.train_movq import CROP, CROPS, WHOLES, crops, cut, held_out, pixel_loss, psnr
from nodes.miniature.training import Stage, channels_last, run_stage

CRITIC_WEIGHT = 0.3  # of the critic's pull on the decoder's last layer, against that of the pixels
STRONGEST = 10.0  # the most that the critic's loss is multiplied by to get there
WATCHING = 0.1  # the share of the stage in which the critic only learns
WHOLE_EVERY = 4  # a step of so many is on whole pictures


class Sharpening(nn.Module):
    """The decoder and its critic, which are trained together; only the decoder ships."""

    def __init__(self) -> None:
        super().__init__()
        self.movq = train_movq.shipped()
        self.critic = channels_last(
            nn.Sequential(
                nn.Conv2d(3, 32, 4, 2, 1),
                nn.LeakyReLU(0.2),
                nn.Conv2d(32, 64, 4, 2, 1),
                nn.GroupNorm(8, 64),
                nn.LeakyReLU(0.2),
                nn.Conv2d(64, 128, 4, 1, 1),
                nn.GroupNorm(8, 128),
                nn.LeakyReLU(0.2),
                nn.Conv2d(128, 1, 4, 1, 1),
            )
        )

    def losses(self, real: Tensor, latents: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What pictures (B, 3, H, W) are drawn from their latents, how far they are from them, how unlike a
        render the critic finds them, and how badly it tells both apart (hinge)."""
        with torch.autocast("cpu", torch.bfloat16):
            drawn = self.movq.decode(latents).float()
            self.critic.requires_grad_(False)  # it is not to be flattered
            unlike = -self.critic(drawn).float().mean()
            self.critic.requires_grad_(True)
            on_real, on_drawn = self.critic(torch.cat([real, drawn.detach()])).float().chunk(2)
        wrong = F.relu(1 - on_real).mean() + F.relu(1 + on_drawn).mean()
        return drawn, pixel_loss(real, drawn, weight), unlike, wrong

    def balance(self, error: Tensor, unlike: Tensor) -> Tensor:
        """What the critic's loss is to be multiplied by to pull CRITIC_WEIGHT as strongly as the error."""
        last = self.movq.decoder.conv_out.weight
        pulls = [torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (error, unlike)]
        return CRITIC_WEIGHT * (pulls[0] / (pulls[1] + 1e-6)).clamp(max=STRONGEST / CRITIC_WEIGHT)


def train(
    folder: Path, data: Data, minutes: float, seed: int = 24, max_steps: int | None = None
) -> Sharpening:
    """Train, or go on training; returns both with averaged weights."""
    torch.manual_seed(seed)
    model = Sharpening()
    table = np.load(folder / "latents.npy")
    data = data.first(len(table))
    stage = Stage(
        "movq_sharp", model, folder, minutes=minutes, peak=4e-4, seed=seed, decay=1e-4, max_steps=max_steps
    )
    for rng in stage.steps():
        whole = stage.step % WHOLE_EVERY == 0
        size, count = (data.images.shape[1], WHOLES) if whole else (CROP, CROPS)
        real, weight, corners = crops(data, rng, count, size, align=model.movq.config.factor)
        latents = torch.from_numpy(np.stack([cut(table, *corner, size // 8) for corner in corners])).float()
        drawn, error, unlike, wrong = model.losses(real, latents, weight)
        pull = model.balance(error, unlike) if stage.progress > WATCHING else torch.zeros(())
        figures = {"psnr": psnr(real, drawn).mean(), "unlike": unlike, "wrong": wrong, "pull": pull}
        stage.learn(error + pull * unlike + wrong, count, error=error, **figures)
    stage.finish()
    x, y, _ = held_out(model.movq, data, 256)
    stage.finish(psnr=round(float(psnr(x, y).mean()), 2))
    return model


def main() -> None:
    """Command line: sharpen the decoder."""
    run_stage(__doc__, 15, train)


if __name__ == "__main__":
    main()
