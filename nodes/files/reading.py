"""Read a stranger's JSON and safetensors headers: bounded, checked, without torch."""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

MOST_CONFIG_BYTES = 1 << 20
MOST_INDEX_BYTES = 50 << 20
MOST_HEADER_BYTES = 100 << 20
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}  # fmt: skip


class CheckpointError(ValueError):
    """A checkpoint is broken, or not what it should be; says which file, what is wrong, what was expected."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a safetensors file, as its header describes it."""

    file: Path
    dtype: str  # "F32", "F16"...
    shape: tuple[int, ...]


def read_json(path: Path, limit: int = MOST_CONFIG_BYTES) -> Mapping[str, Any]:
    """The JSON object in `path`, read-only. Raises CheckpointError without one, or beyond `limit` bytes."""
    content = read_bytes(path, limit)
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {_first_line(error)}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} must hold a JSON object, got a {type(value).__name__}")
    return MappingProxyType(value)


def read_header(path: Path) -> dict[str, Stored]:
    """The tensors of a safetensors file by name, from its header alone.

    CheckpointError for a file that is not safetensors (a pickle, say), is cut off, or whose header lies.
    """
    size, header = _read_header_bytes(path)
    try:
        described = json.loads(header, parse_constant=_refuse_constant)
        tensors = {name: entry for name, entry in described.items() if name != "__metadata__"}
        spans = sorted((*_span(name, entry), name) for name, entry in tensors.items())
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} has a broken safetensors header: {_first_line(error)}") from None
    end = 0
    for start, stop, name in spans:
        if start != end:
            raise CheckpointError(
                f"{path} has a broken safetensors header: {name} starts at {start}, not at {end}"
            )
        end = stop
    expected = 8 + len(header) + end
    if expected != size:
        what = "is cut off" if size < expected else "has data that no tensor owns"
        raise CheckpointError(f"{path} {what}: its header describes {expected} bytes, the file has {size}")
    return {name: Stored(path, entry["dtype"], tuple(entry["shape"])) for name, entry in tensors.items()}


def read_metadata(path: Path) -> Mapping[str, Any]:
    """What a safetensors file says of itself beside its tensors: texts by name, {} without any.

    Raises CheckpointError for a broken file.
    """
    _, header = _read_header_bytes(path)
    try:
        found = json.loads(header).get("__metadata__") or {}
    except (ValueError, RecursionError, AttributeError) as error:
        raise CheckpointError(f"{path} has a broken safetensors header: {_first_line(error)}") from None
    return MappingProxyType(found if isinstance(found, dict) else {})


def _span(name: str, entry: Mapping[str, Any]) -> tuple[int, int]:
    """Where a tensor's data begins and ends; ValueError unless that is as long as its shape and dtype say."""
    shape, (start, stop) = entry["shape"], entry["data_offsets"]
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in (*shape, start, stop)):
        raise ValueError(f"{name} has no proper shape or offsets")
    if entry["dtype"] not in BITS:
        raise ValueError(f"{name} has the unknown dtype {entry['dtype']!r:.40}")
    if (stop - start) * 8 != math.prod(shape) * BITS[entry["dtype"]]:
        raise ValueError(f"{name} takes {stop - start} bytes, which its shape {tuple(shape)} does not")
    return start, stop


def _read_header_bytes(path: Path) -> tuple[int, bytes]:
    """The size of the file and its header."""
    _require_regular(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= MOST_HEADER_BYTES:
                if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":  # torch.save's zip, or bare
                    refuse_pickles(path)
                raise CheckpointError(f"{path} is not a safetensors file")
            header = file.read(length)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(header) < length:
        raise CheckpointError(
            f"{path} is cut off: its header should have {length} bytes, the file has {size}"
        )
    return size, header


def refuse_pickles(*paths: Path) -> NoReturn:
    """Raise the CheckpointError about weights that are pickles."""
    names = ", ".join(str(path) for path in paths[:3])
    raise CheckpointError(
        f"weights must be safetensors: {names} is a pickle, which can run any code when opened"
    )


def read_bytes(path: Path, limit: int) -> bytes:
    """What is in a file. Raises CheckpointError where it cannot be read, or has more than `limit` bytes."""
    _require_regular(path)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from None
    if len(content) > limit:
        raise CheckpointError(f"{path} is larger than {limit >> 20} MB, which no honest one is")
    return content


def _require_regular(path: Path) -> None:
    # Opening a pipe or a device could block for ever.
    if not path.exists():
        raise CheckpointError(f"{path} is missing")
    if not path.is_file():
        raise CheckpointError(f"{path} cannot be read: it is not a regular file")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _first_line(error: BaseException) -> str:
    text = (
        f"{type(error).__name__} {error}"
        if isinstance(error, (KeyError, TypeError, RecursionError))
        else str(error)
    )
    return text.splitlines()[0][:200] if text else type(error).__name__
