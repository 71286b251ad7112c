"""The product's own stages, called one after the other on many prompts: what the judge looks at."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graph.context import Environment, Progress
from graph.files.allowed import Files
from nodes.kandinsky.image_encode import image_encode
from nodes.kandinsky.movq_decode import movq_decode
from nodes.kandinsky.movq_encode import movq_encode
from nodes.kandinsky.prior import prior
from nodes.kandinsky.prior_emb2emb import prior_emb2emb
from nodes.kandinsky.text_encode import text_encode
from nodes.kandinsky.unet_denoise import unet_denoise
from nodes.kandinsky.zero_embeds import zero_embeds
from nodes.load.load_kandinsky2 import (
    DecoderParts,
    PriorParts,
    load_decoder,
    load_depth_estimator,
    load_prior,
)
from nodes.miniature import WEIGHTS
from nodes.parts import DepthEstimator
from nodes.wires import Image, ImageEmbeds, Latents, TextEmbeds


@dataclass(frozen=True)
class Settings:
    """How to sample; `scheduler` is "ddpm", "ddim" or "dpmpp_2m"."""

    prior_steps: int
    prior_guidance: float
    steps: int
    guidance: float
    scheduler: str


@dataclass(frozen=True)
class Painter:
    """A checkpoint in the layout of `export`, and what it recommends."""

    root: Path
    parts: PriorParts
    recommended: Settings

    @classmethod
    def open(cls, root: Path = WEIGHTS) -> "Painter":
        """Name the parts of a checkpoint; its weights are opened when they are needed."""
        parts = load_prior(source=str(root.resolve()), environment=_environment(root))
        decoder = _decoder(root, "text2img")
        first, second = parts.prior.recommended, decoder.unet.recommended
        settings = Settings(
            first["steps"], first["guidance"], second["steps"], second["guidance"], second["scheduler"]
        )
        return cls(root, parts, settings)

    def imagine(self, texts: list[str], settings: Settings, seed: int) -> ImageEmbeds:
        """Image embeds of prompts; prompt number i has the seed `seed` + i."""
        return prior(self.parts.prior, self._read(texts), **_imagining(settings, seed)).image_embeds

    def lead(
        self, image: ImageEmbeds, texts: list[str], settings: Settings, seed: int, strength: float
    ) -> ImageEmbeds:
        """Image embeds led towards prompts; row number i has the seed `seed` + i."""
        asked = _imagining(settings, seed)
        made = prior_emb2emb(self.parts.prior, self._read(texts), image, strength=strength, **asked)
        return made.image_embeds

    def look(self, images: Tensor) -> ImageEmbeds:
        """Image embeds of pictures (B, 3, H, W) in -1..1."""
        return image_encode(self.parts.image_encoder, to_image(images), progress=silent())

    def _read(self, texts: list[str]) -> TextEmbeds:
        return text_encode(self.parts.text_encoder, text="\n".join(texts), lines=True, progress=silent())

    def encode(self, images: Tensor) -> Latents:
        """Latents of pictures (B, 3, H, W) in -1..1."""
        return movq_encode(_decoder(self.root, "text2img").movq, to_image(images), progress=silent())

    def decode(self, latents: Latents) -> Tensor:
        """Pictures (B, 3, H, W) in -1..1 of latents."""
        return from_image(movq_decode(_decoder(self.root, "text2img").movq, latents, progress=silent()))

    def paint(
        self,
        embeds: ImageEmbeds,
        settings: Settings,
        seed: int,
        variant: str = "text2img",
        given: Mapping[str, Any] | None = None,
        strength: float = 1.0,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Pictures (B, 3, H, W) in -1..1; `given` are more of the denoiser's inputs (latents, mask...).

        `size` is width and height, without it what the checkpoint recommends.
        """
        unet, given = _decoder(self.root, variant).unet, given or {}
        width, height = size or (unet.recommended["width"], unet.recommended["height"])
        sides: dict[str, Any] = {} if "latents" in given else {"width": width, "height": height}
        latents = unet_denoise(
            unet,
            embeds,
            zero_embeds(self.parts.image_encoder, progress=silent()),
            **given,
            **sides,
            steps=settings.steps,
            guidance=settings.guidance,
            scheduler=settings.scheduler,
            strength=strength,
            seed=seed,
            progress=silent(),
        )
        return self.decode(latents)


def _imagining(settings: Settings, seed: int) -> dict[str, Any]:
    return {
        "steps": settings.prior_steps,
        "guidance": settings.prior_guidance,
        "seed": seed,
        "wanted": frozenset({"image_embeds"}),
        "progress": silent(),
    }


def depth_estimator(root: Path = WEIGHTS) -> DepthEstimator:
    """The depth estimator of a checkpoint."""
    return load_depth_estimator(source=str(root.resolve()), environment=_environment(root))


def to_image(images: Tensor) -> Image:
    """Pictures (B, 3, H, W) in -1..1 as an image on a wire."""
    return Image(np.ascontiguousarray((images.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()))


def from_image(image: Image) -> Tensor:
    """An image on a wire as pictures (B, 3, H, W) in -1..1."""
    return torch.tensor(image.image).permute(0, 3, 1, 2) * 2 - 1


def silent() -> Progress:
    """A progress that nobody listens to."""
    return Progress(threading.Event(), lambda *_: None, lambda _: None)


def _decoder(root: Path, variant: str) -> DecoderParts:
    return load_decoder(source=str(root.resolve()), variant=variant, environment=_environment(root))


def _environment(root: Path) -> Environment:
    return Environment(Files(root, cwd=root))
