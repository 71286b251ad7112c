"""Handles to the parts of a checkpoint, made from its configs alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodes import encoders, systems
from nodes.checkpoints import inspect
from nodes.checkpoints.inspect import Part
from nodes.checkpoints.locate import Checkpoint
from nodes.files.reading import CheckpointError, read_json
from nodes.parts import DepthEstimator, Handle, ImageEncoder, MoVQ, Prior, TextEncoder, UNet

LONGEST_SIDE = 4096  # of the pictures an image encoder looks at; real ones take a tenth of that
TOKENIZER_FILES = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
)


@dataclass(frozen=True)
class Placement:
    """How a part is to be held in memory."""

    dtype: str
    device: str
    offload: str


@dataclass(frozen=True)
class Origin:
    """What all handles from one checkpoint have in common."""

    checkpoint: Checkpoint
    placement: Placement
    system: str
    variant: str
    recommended: Mapping[str, Any]

    def read(self, *names: str) -> Part:
        """The part in the first of these folders."""
        return inspect.read_part(self.checkpoint, names, self.placement.dtype)

    @property
    def code(self) -> tuple[str, ...]:
        """The module of the system, which its UNet and its autoencoder are made by."""
        return (systems.module_of(self.system),) if self.system in systems.NAMES else ()

    def fields(
        self,
        part: Part,
        *files: Path | None,
        facts: tuple[object, ...] = (),
        code: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """The fields of every handle; its results depend on `files` (those that are) and `facts`, too."""
        every = (*part.files, *(file for file in files if file is not None))
        return {
            "source": self.checkpoint.source,
            "revision": self.checkpoint.revision,
            "root": self.checkpoint.root,
            "folder": part.folder,
            "weights": part.weights,
            "system": self.system,
            "variant": self.variant,
            "dtype": self.placement.dtype,
            "device": self.placement.device,
            "offload": self.placement.offload,
            "fingerprint": inspect.fingerprint(self.checkpoint, every, *facts),
            "config": part.config,
            "recommended": self.recommended,
            "code": code,
            "describe": _describe,
        }


def _describe(handle: Handle) -> str:
    from nodes.checkpoints.report import describe

    return describe(handle)


def _unwritten(path: Path | None, scheduler: Mapping[str, Any]) -> tuple[object, ...]:
    """What of a scheduler no file says, for the fingerprint."""
    return () if path is not None else (sorted(scheduler.items()),)


def text_encoder(origin: Origin) -> TextEncoder:
    """The text encoder and its tokenizer; that of Kandinsky 2.0 has two."""
    part = origin.read("text_encoder")
    folder = origin.checkpoint.require("tokenizer")
    folders = [folder, *filter(None, [origin.checkpoint.find("tokenizer_2")])]
    files = [file for each in folders for file in _tokenizer_files(origin.checkpoint, each)]
    origin.checkpoint.find("vocabulary.txt")  # read when a prompt is; a link that leads out is refused here
    code = tuple(filter(None, [encoders.module_of(part.config)]))
    return TextEncoder(**origin.fields(part, *files, code=code), tokenizer=folder)


def _tokenizer_files(checkpoint: Checkpoint, folder: Path) -> list[Path]:
    found = (checkpoint.find(f"{folder.name}/{name}") for name in TOKENIZER_FILES)
    files = [file for file in found if file is not None]
    names = {file.name for file in files}
    if not names & {"tokenizer.json", "spiece.model"} and not {"vocab.json", "merges.txt"} <= names:
        raise CheckpointError(
            f"{folder} has no tokenizer: expected tokenizer.json, spiece.model, or vocab.json and merges.txt"
        )
    return files


def image_encoder(origin: Origin) -> ImageEncoder:
    """The image encoder and how pictures are prepared for it."""
    path, processor = inspect.read_image_processor(origin.checkpoint)
    files = (path,) if path else ()
    part = origin.read("image_encoder")
    size = part.config.get("image_size", 224)
    if type(size) is not int or not 1 <= size <= LONGEST_SIDE:
        raise CheckpointError(
            f"{part.folder}/config.json: image_size is {size!r:.80}, expected 1 to {LONGEST_SIDE}"
        )
    return ImageEncoder(**origin.fields(part, *files), image_processor=processor)


def prior(origin: Origin) -> Prior:
    """The prior and its scheduler."""
    part = origin.read("prior")
    path, scheduler = inspect.read_scheduler(origin.checkpoint, "prior")
    dim = part.config.get("embedding_dim", 768)
    if type(dim) is not int or dim < 1:
        raise CheckpointError(f"{part.folder}/config.json: embedding_dim is {dim!r}, expected a whole number")
    return Prior(
        **origin.fields(part, path, facts=_unwritten(path, scheduler)), scheduler=scheduler, embedding_dim=dim
    )


def unet(origin: Origin, folder: str) -> UNet:
    """The UNet in `folder`, its scheduler, and what its latents are."""
    path, scheduler = inspect.read_scheduler(origin.checkpoint, origin.system, folder)
    others = inspect.read_other_schedulers(origin.checkpoint)
    factor, channels = inspect.latent_facts(origin.checkpoint)
    part = origin.read(folder)
    inspect.check_unet(part, channels)
    files = (path, *(file for file, _ in others.values()))
    return UNet(
        **origin.fields(
            part, *files, facts=(factor, channels, *_unwritten(path, scheduler)), code=origin.code
        ),
        scheduler=scheduler,
        others={name: config for name, (_, config) in others.items()},
        latent_channels=channels,
        latent_factor=factor,
        preview=inspect.latent_preview(origin.recommended, channels),
    )


def movq(origin: Origin) -> MoVQ:
    """The image autoencoder."""
    factor, channels = inspect.latent_facts(origin.checkpoint)
    return MoVQ(
        **origin.fields(origin.read(*inspect.MOVQ), code=origin.code),
        latent_channels=channels,
        latent_factor=factor,
        preview=inspect.latent_preview(origin.recommended, channels),
    )


def depth_estimator(origin: Origin) -> DepthEstimator:
    """The depth estimator, in a folder of its own or the whole of the checkpoint."""
    part = origin.read("depth_estimator", ".")
    path = origin.checkpoint.admit(part.folder / "preprocessor_config.json")
    return DepthEstimator(**origin.fields(part, path), image_processor=read_json(path))
