"""Adding a LoRA to a part of a checkpoint: finding its file, and whether it is for that network.

Reads headers only.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from graph.context import Environment
from graph.problems import nearest
from nodes.checkpoints.locate import locate_file
from nodes.files.lora import NAMES, SETTINGS, Change, read_changes
from nodes.files.reading import CheckpointError, read_header, read_json, read_metadata
from nodes.files.tensors import stored_tensors
from nodes.parts import Lora, Prior, UNet

SYSTEM = re.compile(r"kandinsky[-_ ]?(?:(2)[-_.](\d)|(3))", re.IGNORECASE)


def add_lora(
    handle: UNet | Prior, source: str, revision: str, weight: float, environment: Environment
) -> UNet | Prior:
    """The handle to the same network with `weight` times a LoRA added when it is opened.

    Raises CheckpointError for a file that is no LoRA, or one for another network; Unavailable where it lacks.
    """
    checkpoint, file = locate_file(source, revision, environment, NAMES, beside=(SETTINGS,))
    settings = checkpoint.find(SETTINGS)
    files = [file] if settings is None else [file, settings]
    for path in files:
        checkpoint.admit(path)
    check_fits(read_changes(file, handle.part), handle, file)
    digest = hashlib.sha256(handle.fingerprint.encode())
    for path in files:
        digest.update(f"{checkpoint.content_hash(path)}\n".encode())
    digest.update(repr(float(weight)).encode())
    loras = (*handle.loras, Lora(file, float(weight)))
    return replace(handle, loras=loras, fingerprint=digest.hexdigest())


def check_fits(changes: Mapping[str, Change], handle: UNet | Prior, file: Path) -> None:
    """Raise CheckpointError unless every layer is there and has the right shape."""
    stated = _stated_system(file)
    here = f"the {handle.part} of Kandinsky {handle.system}"
    if stated not in (None, handle.system):
        raise CheckpointError(f"{file} is a LoRA for Kandinsky {stated}, as it says itself; this is {here}")
    base, header = stored_tensors(handle.weights), read_header(file)
    for layer, change in changes.items():
        stored = base.get(f"{layer}.weight")
        if stored is None:
            layers = [name.removesuffix(".weight") for name in base if name.endswith(".weight")]
            near = nearest(layer, layers)
            hint = f"; the nearest name is {near}" if near else ""
            raise CheckpointError(
                f"{file} is a LoRA for another network: it changes {layer}, which {here} lacks{hint}"
            )
        outputs, inputs, *kernel = stored[1].shape
        expected = {
            change.down: (change.rank, inputs, *kernel),
            change.up: (outputs, change.rank, *(1 for _ in kernel)),
        }
        for name, shape in expected.items():
            if header[name].shape != shape:
                raise CheckpointError(
                    f"{file} is a LoRA for another network: {name} has the shape {header[name].shape}, "
                    f"{here} takes {shape}"
                )


def _stated_system(file: Path) -> str | None:
    """The system that the file says it was trained on, if it says so."""
    beside = file.with_name(SETTINGS)
    said = [read_json(beside).get("base_model_name_or_path")] if beside.exists() else []
    for text in (*said, *read_metadata(file).values()):
        match = SYSTEM.search(text) if isinstance(text, str) else None
        if match:
            return match[3] or f"{match[1]}.{match[2]}"
    return None
