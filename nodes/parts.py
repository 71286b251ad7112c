"""The wire types that name parts of a checkpoint, and the handles that travel on them.

A handle holds what planning needs from the configs and opens no weights.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from graph.types import wire


class LatentPreview(NamedTuple):
    """A linear map from latents to colours in 0..1, rgb = latents @ matrix + bias: a quick look."""

    matrix: tuple[tuple[float, float, float], ...]  # one row for each latent channel
    bias: tuple[float, float, float]


class Lora(NamedTuple):
    """Low-rank changes to a network's weights, in a safetensors file, and how much of them is added."""

    file: Path
    weight: float


_WHERE = ("source", "revision", "weights", "device", "offload", "describe")
"""What does not count of a handle, besides paths: the fingerprint stands for the files."""


@dataclass(frozen=True, kw_only=True)
class Handle:
    """A part of a checkpoint: where its weights lie and what its configs say. Opens nothing.

    `fingerprint` is a sha256 over the content of the part's files: it stands for them in cache keys, so that
    paths, device and offload do not count.
    """

    part: ClassVar[str]
    source: str  # as the workflow says it
    revision: str  # the commit of a hub checkpoint, "" for a folder
    root: Path  # the checkpoint's folder
    folder: Path  # this part's folder, or its one file
    weights: tuple[Path, ...] = field(compare=False)  # the part's safetensors files
    system: str  # "2.0", "2.1", "2.2" or "3"
    variant: str  # "text2img", "inpaint", "controlnet_depth" or "flash"
    dtype: str  # "float32", "float16" or "bfloat16"
    device: str  # "cpu", "cuda", "cuda:N" or "mps"
    offload: str  # "none", "model" or "sequential"
    fingerprint: str
    config: Mapping[str, Any] = field(compare=False, repr=False)  # config.json of the part
    recommended: Mapping[str, Any] = field(compare=False, repr=False)  # recommended.json, {} without one
    loras: tuple[Lora, ...] = ()  # added to the weights when they are opened; part of the fingerprint
    code: tuple[str, ...] = ()  # the modules that work with it and are looked up by name
    describe: Callable[["Handle"], str] | None = field(default=None, compare=False, repr=False)
    """Makes the description; handed in by whoever found the checkpoint, which this module does not know."""

    @cached_property
    def cache_key(self) -> str:
        """What results made with this part depend on: every field but where it lies and computes."""
        counting = {
            field.name: value
            for field in fields(self)
            if field.name not in _WHERE and not isinstance(value := getattr(self, field.name), Path)
        }
        counting["loras"] = [lora.weight for lora in self.loras]
        text = json.dumps(counting, sort_keys=True, default=dict)
        return f"{self.part}:{hashlib.sha256(text.encode()).hexdigest()}"

    @property
    def description(self) -> str:
        """What was found, for people: system, task, size, precision. Reads the headers of the weights."""
        return "" if self.describe is None else self.describe(self)


@wire(
    name="text_encoder",
    title="Text encoder",
    colour="#a5702a",
    help="The network that reads prompts.",
    handle=True,
)
@dataclass(frozen=True, kw_only=True)
class TextEncoder(Handle):
    """The text encoder of a checkpoint and its tokenizer."""

    part: ClassVar[str] = "text_encoder"
    tokenizer: Path  # the tokenizer's folder


@wire(
    name="image_encoder",
    title="Image encoder",
    colour="#b0406f",
    help="The network that looks at pictures.",
    handle=True,
)
@dataclass(frozen=True, kw_only=True)
class ImageEncoder(Handle):
    """The CLIP vision encoder of a checkpoint and how pictures are prepared for it."""

    part: ClassVar[str] = "image_encoder"
    image_processor: Mapping[str, Any] = field(compare=False, repr=False)  # preprocessor_config.json


@wire(
    name="prior",
    title="Prior",
    colour="#d9480f",
    help="The network that turns text into image embeds.",
    handle=True,
)
@dataclass(frozen=True, kw_only=True)
class Prior(Handle):
    """The prior of a checkpoint and its scheduler."""

    part: ClassVar[str] = "prior"
    scheduler: Mapping[str, Any] = field(compare=False, repr=False)  # scheduler_config.json
    embedding_dim: int  # D of the embeds it takes and makes


@wire(
    name="unet",
    title="UNet",
    colour="#5f55c9",
    help="The network that paints latents from noise.",
    handle=True,
)
@dataclass(frozen=True, kw_only=True)
class UNet(Handle):
    """The UNet of a checkpoint, its scheduler, and what its latents are."""

    part: ClassVar[str] = "unet"
    scheduler: Mapping[str, Any] = field(compare=False, repr=False)  # scheduler_config.json
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False, repr=False)
    """Schedulers that the checkpoint ships besides, by the names that people choose them by."""
    latent_channels: int
    latent_factor: int  # pixels a latent stands for, in each direction
    preview: LatentPreview | None


@wire(
    name="movq", title="MoVQ", colour="#2c7fb8", help="The network between pixels and latents.", handle=True
)
@dataclass(frozen=True, kw_only=True)
class MoVQ(Handle):
    """The image autoencoder of a checkpoint."""

    part: ClassVar[str] = "movq"
    latent_channels: int
    latent_factor: int
    preview: LatentPreview | None


@wire(
    name="depth_estimator",
    title="Depth estimator",
    colour="#4c8c3c",
    help="The network that sees how far things are.",
    handle=True,
)
@dataclass(frozen=True, kw_only=True)
class DepthEstimator(Handle):
    """A depth estimation network and how pictures are prepared for it."""

    part: ClassVar[str] = "depth_estimator"
    image_processor: Mapping[str, Any] = field(compare=False, repr=False)
