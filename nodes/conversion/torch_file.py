"""Read a stranger's torch.save file: nothing but tensors, mapped to the file, never larger than it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.files.reading import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

MOST_PICKLE_BYTES = 64 << 20  # it describes tensors; their data lies beside it
REFUSED = re.compile(r"GLOBAL ([\w.]+)")
LIGHTNING = "pytorch_lightning."  # its checkpoints name their callbacks by class
MOST_INERT = 16


def read_tensors(path: Path, nested: bool = False) -> dict[str, Tensor]:
    """The tensors in `path` by name; of a training checkpoint, those of its `state_dict`.

    With `nested`, those that lie in groups have the group's name before theirs, and a point between.

    They are mapped to the file: what is not looked at is not read. torch's `weights_only` makes tensors and
    plain containers, and nothing else, of what the file says; what Lightning notes of a training is passed
    over.

    Raises CheckpointError for a file that is missing, damaged, compressed, from before torch 1.6, or that
    holds anything else.
    """
    import torch

    _check_archive(path)
    loaded = _load(path)
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(f"{path} holds no tensors by name")
    if nested:
        groups = {name: group if isinstance(group, Mapping) else {"": group} for name, group in state.items()}
        state = {
            f"{name}.{inner}".rstrip("."): tensor
            for name, group in groups.items()
            for inner, tensor in group.items()
        }
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise CheckpointError(f"{path} holds {name!r:.80}, a {type(tensor).__name__}, expected a tensor")
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise CheckpointError(f"{path}: the tensor {name:.80} is not a plain one")
    return {name: tensor.detach() for name, tensor in state.items()}


class Inert:
    """Stands for a class of Lightning's that a training checkpoint names beside its tensors. Does nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


def _load(path: Path) -> Any:
    """What torch makes of `path`, with nothing in place of what is Lightning's. Raises CheckpointError."""
    import torch

    inert: dict[str, tuple[type, str]] = {}
    while True:
        try:
            with torch.serialization.safe_globals([*inert.values()]):
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception as error:  # torch promises no types
            found = REFUSED.search(str(error))
            name = found[1].rstrip(".") if found else ""
            if not name.startswith(LIGHTNING) or name in inert or len(inert) == MOST_INERT:
                raise CheckpointError(f"{path} {_reason(error, name)}") from None
            inert[name] = (Inert, name)


def _check_archive(path: Path) -> None:
    """A file of torch.save is a zip archive without compression, so it cannot grow when it is read."""
    if not path.exists():
        raise CheckpointError(f"{path} is missing")
    if not path.is_file():
        raise CheckpointError(f"{path} cannot be read: it is not a regular file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a file of torch.save (from torch 1.6 or newer), or it is cut off: {error}"
        ) from None
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(f"{path} is compressed, which torch.save never does")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise CheckpointError(f"{path} claims to hold more than its size")
    if any(entry.filename.endswith(".pkl") and entry.file_size > MOST_PICKLE_BYTES for entry in entries):
        raise CheckpointError(
            f"{path} describes its tensors in more than {MOST_PICKLE_BYTES >> 20} MB, as no honest one does"
        )


def _reason(error: Exception, refused: str) -> str:
    if refused:
        return f"holds more than tensors: {refused:.80}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if "weights_only" in lines[0]:  # torch goes on to say how to run whatever is in the file
        return "cannot be read: what it says of its tensors is damaged, or more than tensors"
    return f"cannot be read: {lines[0][:200]}"
