"""What lies in a checkpoint, in words: parts, systems, tasks, sizes, precisions. Opens no weights."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.problems import gigabytes
from nodes.checkpoints import inspect
from nodes.checkpoints.locate import Checkpoint
from nodes.checkpoints.single_file import recognise
from nodes.files.find_weights import find_weights
from nodes.files.lora import read_changes
from nodes.files.reading import CheckpointError, read_header, read_json
from nodes.parts import Handle

DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
TASKS = {
    "text2img": "text to image",
    "inpaint": "inpainting",
    "controlnet_depth": "depth ControlNet",
    "flash": "text to image in four steps",
}
TITLES = {"unet": "UNet", "movq": "MoVQ"}
DEEPEST = 3  # folders below the one that is looked at


@dataclass(frozen=True)
class Size:
    """How large a network is: its parameters, in which precisions they are saved, and the bytes they take."""

    parameters: int
    saved_as: str
    saved_bytes: int


@dataclass(frozen=True)
class Found:
    """A part of a checkpoint; `problem` says what is wrong with it, and then `size` is None."""

    part: str  # its folder, relative to the checkpoint; "." is the checkpoint itself
    what: str
    size: Size | None = None
    problem: str = ""


def describe(handle: Handle) -> str:
    """A part as its loader found it: "Kandinsky 2.2 UNet, inpainting: 1,253.1 M parameters, ..."."""
    size = measure(handle.weights)
    name = TITLES.get(handle.part, handle.part.replace("_", " "))
    name = "autoencoder" if (name, handle.system) == ("MoVQ", "2.0") else name
    task = f", {TASKS.get(handle.variant, handle.variant)}" if handle.part == "unet" else ""
    here = size.parameters * (4 if handle.dtype == "float32" else 2)
    loras = f", with {len(handle.loras)} LoRA{'s' * (len(handle.loras) > 1)}" if handle.loras else ""
    return (
        f"Kandinsky {handle.system} {name}{task}{loras}: {parameters(size.parameters)}, saved as "
        f"{size.saved_as} ({gigabytes(size.saved_bytes)}), used as {handle.dtype} ({gigabytes(here)})"
    )


def measure(files: Sequence[Path]) -> Size:
    """The size of a network in these files. Raises CheckpointError for a broken one."""
    stored = [entry for file in files for entry in read_header(file).values()]
    dtypes = sorted({DTYPES.get(entry.dtype, entry.dtype) for entry in stored})
    count = sum(math.prod(entry.shape) for entry in stored)
    return Size(count, " and ".join(dtypes), sum(file.stat().st_size for file in files))


def parts(checkpoint: Checkpoint) -> Iterator[Found]:
    """Every part of a checkpoint, or of several side by side; what is broken is told, not raised."""
    if checkpoint.root.is_file():
        yield _single(checkpoint.root)
        return
    for config in sorted(_configs(checkpoint.root)):
        folder = config.parent
        name = folder.relative_to(checkpoint.root).as_posix()
        try:
            checkpoint.admit(config)
            what = _what(checkpoint, folder, read_json(config))
            scheduler = config.name != "config.json"
            yield Found(name, what, None if scheduler else measure(_weights(checkpoint, folder)))
        except (CheckpointError, OSError) as error:
            yield Found(name, "", problem=str(error))


def parameters(count: int) -> str:
    """A number of parameters as people say it."""
    return f"{count / 1e6:,.1f} M parameters" if count >= 100_000 else f"{count:,} parameters"


def _configs(root: Path) -> Iterator[Path]:
    for depth in range(DEEPEST):
        for name in ("config.json", "scheduler_config.json"):
            yield from root.glob("*/" * depth + name)


def _weights(checkpoint: Checkpoint, folder: Path) -> list[Path]:
    return [checkpoint.admit(file) for file in find_weights(folder, "float32")]


def _what(checkpoint: Checkpoint, folder: Path, config: Any) -> str:
    """What a config is of, in a few words."""
    named = config.get("_class_name") or next(iter(config.get("architectures") or ()), "")
    if folder.name.startswith("unet"):
        system, variant = inspect.unet_kind(config, folder / "config.json")
        return f"UNet of Kandinsky {system}, {TASKS.get(variant, variant)}"
    if folder.name == "prior" and config.get("_class_name") == "PriorTransformer":
        around = folder.parent.resolve()  # its model_index.json may tell
        system = inspect.prior_system(
            Checkpoint("", "", around, (around, *checkpoint.within), checkpoint.sha256)
        )
        return f"prior of Kandinsky {system}"
    if named in ("VQModel", "AutoencoderKL") or folder.name in inspect.MOVQ:
        levels = config.get("block_out_channels")
        factor = f", {2 ** (len(levels) - 1)} pixels a latent" if isinstance(levels, list) and levels else ""
        return f"{'autoencoder of Kandinsky 2.0' if named == 'AutoencoderKL' else 'MoVQ'} ({named}){factor}"
    return str(named)[:80] or "a network that says nothing of itself"


def _single(file: Path) -> Found:
    try:
        if any(".lora" in name or "_lora" in name for name in read_header(file)):
            return _lora(file)
        part, config = recognise(file)
        if part == "unet":
            system, variant = inspect.unet_kind(config, file)
            what = f"UNet of Kandinsky {system}, {TASKS.get(variant, variant)}"
        else:
            what = f"prior of Kandinsky {'2.1' if config.get('embedding_dim') == 768 else '2.2'}"
        return Found(".", what, measure([file]))
    except CheckpointError as error:
        return Found(".", "", problem=str(error))


def _lora(file: Path) -> Found:
    for part in ("unet", "prior"):
        try:
            changes = read_changes(file, part)
        except CheckpointError:
            continue
        if part == "prior" or not any(layer.startswith("transformer_blocks.") for layer in changes):
            ranks = sorted({change.rank for change in changes.values()})
            rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
            return Found(".", f"LoRA of a {part}: {len(changes)} layers, {rank}", measure([file]))
    read_changes(file, "unet")  # says what is wrong with it
    return Found(".", "LoRA", measure([file]))
