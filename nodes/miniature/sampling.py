"""Run the shipped checkpoint outside the graph: what the judge looks at."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

from nodes.networks.movq import MoVQ, MoVQConfig
from nodes.networks.prior_transformer import PriorConfig, PriorTransformer
from nodes.networks.unet import UNet, UNetConfig
from nodes.schedulers.choose import scheduler

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Settings:
    """How to sample; `scheduler` is "ddpm", "ddim" or "dpmpp_2m"."""

    prior_steps: int
    prior_guidance: float
    steps: int
    guidance: float
    scheduler: str


@dataclass(frozen=True)
class Miniature:
    """The networks of a checkpoint in float32, and its configs."""

    tokenizer: CLIPTokenizer
    text: CLIPTextModelWithProjection
    vision: CLIPVisionModelWithProjection
    prior: PriorTransformer
    unet: UNet
    movq: MoVQ
    prior_scheduler: dict[str, Any]
    scheduler: dict[str, Any]
    recommended: Settings

    @classmethod
    def open(cls, root: Path) -> "Miniature":
        """Open the folder that `export` wrote."""
        prior, decoder = root / "prior", root / "decoder"
        first, second = _json(prior / "recommended.json"), _json(decoder / "recommended.json")
        return cls(
            CLIPTokenizer.from_pretrained(prior / "tokenizer"),
            CLIPTextModelWithProjection.from_pretrained(prior / "text_encoder", dtype=torch.float32).eval(),
            CLIPVisionModelWithProjection.from_pretrained(
                prior / "image_encoder", dtype=torch.float32
            ).eval(),
            _load(PriorTransformer(PriorConfig.read(_json(prior / "prior/config.json"))), prior / "prior"),
            _load(UNet(UNetConfig.read(_json(decoder / "unet/config.json"))), decoder / "unet"),
            _load(MoVQ(MoVQConfig.read(_json(decoder / "movq/config.json"))), decoder / "movq"),
            _json(prior / "scheduler/scheduler_config.json"),
            _json(decoder / "scheduler/scheduler_config.json"),
            Settings(
                first["steps"], first["guidance"], second["steps"], second["guidance"], second["scheduler"]
            ),
        )

    @torch.no_grad()
    def imagine(self, texts: list[str], settings: Settings, seed: int) -> Tensor:
        """Image embeddings (B, D) of texts."""
        tokens = self.tokenizer(
            [""] * len(texts) + texts, padding="max_length", truncation=True, return_tensors="pt"
        )
        read = self.text(input_ids=tokens.input_ids)
        prefix = self.prior.prefix(read.text_embeds, read.last_hidden_state, tokens.attention_mask)
        generator = torch.Generator().manual_seed(seed)
        run = scheduler(self.prior_scheduler).start(settings.prior_steps)
        x = torch.randn(len(texts), self.prior.config.embedding_dim, generator=generator)
        for i, t in enumerate(run.timesteps):
            free, guided = self.prior.step(torch.cat([x, x]), t, prefix).chunk(2)
            noise = torch.randn(x.shape, generator=generator) if run.noisy(i) else None
            x = run.step(i, free + settings.prior_guidance * (guided - free), x, noise)
        return self.prior.denormalise(x)

    @torch.no_grad()
    def paint(self, embeds: Tensor, settings: Settings, seed: int, size: int = 128) -> Tensor:
        """Pictures (B, 3, size, size) in -1..1 of image embeddings (B, D)."""
        vision = self.vision.config.image_size
        nothing = self.vision(pixel_values=torch.zeros(1, 3, vision, vision)).image_embeds
        condition = self.unet.condition(torch.cat([nothing.expand_as(embeds), embeds]))
        generator = torch.Generator().manual_seed(seed)
        run = scheduler(self.scheduler, settings.scheduler).start(settings.steps)
        side = size // self.movq.config.factor
        x = torch.randn(len(embeds), self.movq.config.latent_channels, side, side, generator=generator)
        for i, t in enumerate(run.timesteps):
            output = self.unet(torch.cat([x, x]), t, condition)[:, : x.shape[1]]
            free, guided = output.chunk(2)
            noise = torch.randn(x.shape, generator=generator) if run.noisy(i) else None
            x = run.step(i, free + settings.guidance * (guided - free), x, noise)
        return self.movq.decode(x).clamp(-1, 1)


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def _load(network: Network, folder: Path) -> Network:
    network.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return network.float().eval()
