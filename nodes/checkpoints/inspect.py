"""What a checkpoint's configs say: which system, which variant, how large latents are. Opens no weights."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from graph.context import Unavailable
from nodes.checkpoints.locate import Checkpoint
from nodes.checkpoints.single_file import SCHEDULERS, recognise
from nodes.files.find_weights import find_weights
from nodes.files.reading import CheckpointError, read_header, read_json
from nodes.parts import LatentPreview

MOVQ = ("movq", "vae")  # the first 2.2 ControlNet and refiner checkpoints have it under "vae"
ORIGINALS = ("Kandinsky-2-0.pt", "Kandinsky-2-0-inpainting.pt")  # of 2.0, as it was published
DEFAULT_LATENT_FACTOR = 8
DEFAULT_LATENT_CHANNELS = 4
MOST_LEVELS = 8
PRIOR_DEFAULTS = {"steps": 25, "guidance": 4.0}
KANDINSKY3_DEFAULTS = {"width": 1024, "height": 1024, "steps": 25, "guidance": 3.0, "scheduler": None}
FLASH = "unet_flash"  # only its folder tells that a UNet is one of few steps
FLASH_DEFAULTS = {**KANDINSKY3_DEFAULTS, "steps": 4, "guidance": 1.0, "scheduler": "flash"}
DECODER_DEFAULTS = {"width": 512, "height": 512, "steps": 100, "guidance": 4.0, "scheduler": None}


@dataclass(frozen=True)
class Part:
    """A network of a checkpoint: its folder, its parsed config, and its weights."""

    folder: Path  # or its only file
    config: Mapping[str, Any]
    weights: tuple[Path, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """What the network is made of."""
        beside = self.folder / "config.json" if self.folder.is_dir() else self.folder.with_name("config.json")
        return (beside, *self.weights) if beside.is_file() else self.weights


def read_part(checkpoint: Checkpoint, names: Sequence[str], dtype: str) -> Part:
    """The part in the first of the folders `names` that exists. Every weight file's header is checked.

    Raises CheckpointError naming what is missing or broken.
    """
    if checkpoint.root.is_file():
        return Part(checkpoint.root, read_config(checkpoint, *names), (checkpoint.root,))
    config_path = checkpoint.require(*(f"{name}/config.json" for name in names))
    folder, config = config_path.parent, read_json(config_path)
    weights = find_weights(folder, dtype)
    for file in weights:
        read_header(checkpoint.admit(file))
    return Part(folder, config, weights)


def read_config(checkpoint: Checkpoint, *names: str) -> Mapping[str, Any]:
    """The config of the part in the first of the folders `names`, or of the part that the only file holds.

    Raises CheckpointError where there is none.
    """
    if not checkpoint.root.is_file():
        return read_json(checkpoint.require(*(f"{name}/config.json" for name in names)))
    part, config = recognise(checkpoint.admit(checkpoint.root))
    if part not in names:
        raise CheckpointError(f"{checkpoint.root} holds a {part}, expected a {names[0]}")
    return config


def prior_system(checkpoint: Checkpoint) -> str:
    """The system of a prior checkpoint, 2.1 or 2.2.

    Either system's pipeline takes the other's weights, so the size of the embeds tells better than its name.
    """
    index = checkpoint.find("model_index.json")
    dim = None
    if checkpoint.root.is_file() or checkpoint.find("prior/config.json"):
        dim = read_config(checkpoint, "prior").get("embedding_dim", 768)
    pipeline = read_json(index).get("_class_name") if index else None
    by_name = "2.1" if pipeline == "KandinskyPriorPipeline" else "2.2"
    return {768: "2.1", 1280: "2.2"}.get(dim, by_name) if type(dim) is int else by_name


def unet_kind(config: Mapping[str, Any], where: Path) -> tuple[str, str]:
    """The system and the variant of a UNet config: ("2.2", "inpaint")...

    Raises CheckpointError for a UNet that is none of Kandinsky's.
    """
    if config.get("_class_name") == "Kandinsky3UNet":
        inpaints = _channels(config, where) == 9
        return "3", "inpaint" if inpaints else "flash" if where.parent.name == FLASH else "text2img"
    projection, addition = config.get("encoder_hid_dim_type"), config.get("addition_embed_type")
    systems = {"image_proj": "2.2", "text_image_proj": "2.1", "two_text_proj": "2.0"}
    system = systems.get(str(projection))
    if system is None:
        raise CheckpointError(
            f"{where}: encoder_hid_dim_type is {projection!r}, expected 'image_proj' (Kandinsky 2.2), "
            f"'text_image_proj' (2.1) or 'two_text_proj' (2.0); this is no Kandinsky UNet"
        )
    kinds = {
        (4, "image"): "text2img",
        (9, "image"): "inpaint",
        (8, "image_hint"): "controlnet_depth",
        (4, "text_image"): "text2img",
        (9, "text_image"): "inpaint",
        (4, "two_text"): "text2img",
        (9, "two_text"): "inpaint",
    }
    variant = kinds.get((_channels(config, where), str(addition)))
    own = {"text_image": "2.1", "two_text": "2.0"}.get(str(addition), "2.2")
    if variant is None or system != own:
        raise CheckpointError(
            f"{where}: in_channels {config.get('in_channels')} with addition_embed_type {addition!r} is none "
            f"of 4 or 9 with 'image' (2.2), 8 with 'image_hint' (2.2), 4 or 9 with 'text_image' (2.1) or "
            f"'two_text' (2.0)"
        )
    return system, variant


def choose_unet(checkpoint: Checkpoint, variant: str) -> tuple[str, str, str]:
    """The folder, system and variant of the UNet to use; of several, the one of `variant`.

    Several UNets lie side by side as `unet`, `unet_inpaint`, `unet_controlnet_depth`, `unet_flash` and share
    the MoVQ.
    """
    found: dict[str, tuple[str, str, str]] = {}
    if checkpoint.root.is_file():
        system, kind = unet_kind(read_config(checkpoint, "unet"), checkpoint.root)
        found[kind] = ("unet", system, kind)
    for folder in ("unet", "unet_inpaint", "unet_controlnet_depth", FLASH):
        path = checkpoint.find(f"{folder}/config.json")
        if path is not None:
            system, kind = unet_kind(read_json(path), path)
            found.setdefault(kind, (folder, system, kind))
    if not found:
        where = f"checkpoint {checkpoint.source} ({checkpoint.root})"
        original = checkpoint.find(*ORIGINALS)
        hint = f", but {original.name}: kandinsky convert makes a checkpoint of it" if original else ""
        raise CheckpointError(f"{where} has no unet/config.json{hint}")
    # "text2img" is the default, so a checkpoint of one other variant is taken as what it is.
    if variant not in found and (variant != "text2img" or len(found) > 1):
        message = f"checkpoint {checkpoint.source} holds no variant {variant!r}, only {', '.join(found)}"
        if checkpoint.source == "miniature":  # it may hold more in a later release: the workflow is right
            raise Unavailable(f"{message}; set the decoder's source to another checkpoint")
        raise CheckpointError(message)
    return found.get(variant) or next(iter(found.values()))


def latent_facts(checkpoint: Checkpoint) -> tuple[int, int]:
    """Pixels a latent stands for in each direction, and latent channels, from the MoVQ's config."""
    path = checkpoint.find(*(f"{name}/config.json" for name in MOVQ))
    config = read_json(path) if path else {}
    blocks = config.get("block_out_channels")
    factor = (
        2 ** (len(blocks) - 1)
        if isinstance(blocks, list) and 1 <= len(blocks) <= MOST_LEVELS
        else DEFAULT_LATENT_FACTOR
    )
    channels = config.get("latent_channels", DEFAULT_LATENT_CHANNELS)
    if type(channels) is not int or not 1 <= channels <= 64:
        raise CheckpointError(f"{path}: latent_channels is {channels!r}, expected a number from 1 to 64")
    return factor, channels


def check_unet(part: Part, channels: int) -> None:
    """Raise CheckpointError unless a UNet takes latents of so many channels, and has a number of levels."""
    taken, levels = part.config.get("in_channels", 4), part.config.get("block_out_channels", [0])
    if taken not in (channels, 2 * channels, 2 * channels + 1):
        raise CheckpointError(
            f"{part.folder}/config.json: in_channels is {taken!r}, but the MoVQ's latents have {channels} "
            f"channels"
        )
    if not isinstance(levels, list) or not 1 <= len(levels) <= MOST_LEVELS:
        raise CheckpointError(
            f"{part.folder}/config.json: block_out_channels is {levels!r:.80}, expected a list of 1 to "
            f"{MOST_LEVELS} numbers"
        )


def read_scheduler(
    checkpoint: Checkpoint, kind: str, unet: str = "unet"
) -> tuple[Path | None, Mapping[str, Any]]:
    """The scheduler's config, as shipped; for a single file, what checkpoints of its `kind` are shipped with.

    `kind` is "prior", or the system of a decoder. Beside the `unet_inpaint` of several UNets there may be a
    `scheduler_inpaint`.
    """
    if checkpoint.root.is_file():
        return None, MappingProxyType(dict(SCHEDULERS[kind]))
    own = f"{unet.replace('unet', 'scheduler', 1)}/scheduler_config.json"
    path = checkpoint.find(own) or checkpoint.require("scheduler/scheduler_config.json")
    return path, read_json(path)


def read_other_schedulers(checkpoint: Checkpoint) -> dict[str, tuple[Path, Mapping[str, Any]]]:
    """Configs of schedulers that lie beside the one that is used if none is chosen, by name: 2.1 has two."""
    found = {name: checkpoint.find(f"{name}_scheduler/scheduler_config.json") for name in ("ddpm", "ddim")}
    return {name: (path, read_json(path)) for name, path in found.items() if path is not None}


def read_image_processor(checkpoint: Checkpoint) -> tuple[Path | None, Mapping[str, Any]]:
    """How pictures are prepared for the image encoder; {} where it does not say, which is CLIP's way."""
    path = checkpoint.find(
        "image_processor/preprocessor_config.json", "feature_extractor/preprocessor_config.json"
    )
    return path, read_json(path) if path else MappingProxyType({})


def read_recommended(checkpoint: Checkpoint, defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """`defaults`, replaced by what the checkpoint's recommended.json says.

    Raises CheckpointError for a value that cannot be meant.
    """
    path = checkpoint.find("recommended.json")
    stated = read_json(path) if path else {}
    limits = {"steps": (1, 1000), "guidance": (0, 100), "width": (1, 8192), "height": (1, 8192)}
    for name, (low, high) in limits.items():
        value = stated.get(name, low)
        kinds = (int, float) if name == "guidance" else (int,)
        if type(value) not in kinds or not low <= value <= high:
            raise CheckpointError(f"{path}: {name} is {value!r}, expected a number from {low} to {high}")
    merged = {**defaults, **stated}
    if "guidance" in merged:
        merged["guidance"] = float(merged["guidance"])
    return MappingProxyType(merged)


def latent_preview(recommended: Mapping[str, Any], channels: int) -> LatentPreview | None:
    """The map from latents to colours in recommended.json: {"preview": {"matrix": ..., "bias": ...}}."""
    stated = recommended.get("preview")
    if stated is None:
        return None
    try:
        matrix = tuple(tuple(map(float, row)) for row in stated["matrix"])
        bias = tuple(map(float, stated["bias"]))
        fits = len(matrix) == channels and {len(row) for row in (*matrix, bias)} == {3}
    except (TypeError, ValueError, KeyError):
        fits = False
    if not fits:
        raise CheckpointError(
            f"recommended.json: preview must have a matrix of {channels} x 3 numbers and a bias of 3"
        )
    return LatentPreview(matrix, bias)  # type: ignore[arg-type]  # the lengths were just checked


def fingerprint(checkpoint: Checkpoint, files: Iterable[Path], *facts: object) -> str:
    """A sha256 over the content of `files` and over `facts`: the same wherever the checkpoint lies."""
    digest = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(checkpoint.root) if file.is_relative_to(checkpoint.root) else file.name
        digest.update(f"{Path(name).as_posix()} {checkpoint.content_hash(file)}\n".encode())
    digest.update(repr(facts).encode())
    return digest.hexdigest()


def _channels(config: Mapping[str, Any], where: Path) -> int:
    channels = config.get("in_channels", 4)
    if type(channels) is not int:
        raise CheckpointError(f"{where}: in_channels is {channels!r}, expected a whole number")
    return channels
