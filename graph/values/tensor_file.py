"""One value as one safetensors file: its arrays by field name, everything else in the header.

The metadata of the file holds `type`, `value` (the codec's tree as JSON), what the caller adds (all of it
text), and `checksum`, a sha256 over the rest, so that damage is noticed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

from graph.values.arrays import Array, shaped
from graph.values.codec import decode, encode

HEADER_LIMIT = 16 << 20
"""Bytes of header that are read (and written) at most: a prompt fits, a bomb does not."""


class DamagedFile(ValueError):
    """A file that does not hold a whole value. The message goes after a file's name: "is cut short"."""


@dataclass(frozen=True)
class Header:
    """What a file says of its value before any array is read."""

    metadata: dict[str, str]
    shapes: dict[str, list[int]]

    @property
    def type_name(self) -> str:
        return self.metadata["type"]

    def check_key(self, key: str | None) -> None:
        """Raise DamagedFile if a key is asked for and the metadata holds another one."""
        if key is not None and self.metadata.get("key") != key:
            raise DamagedFile("holds the result of something else")

    def summary(self) -> dict[str, Any]:
        """The same as `graph.values.arrays.summarise` makes of the value itself."""
        tree = _json(self.metadata["value"])
        fields = tree.get("fields") if isinstance(tree, dict) else None
        if isinstance(fields, dict):
            return shaped(self.type_name, {name: self.shapes[name] for name in fields if name in self.shapes})
        if self.shapes:
            return shaped(self.type_name, dict(sorted(self.shapes.items())))
        return {"type": self.type_name, "value": decode({}, {"value": tree}, _class_of(tree))}


def pack(value: Any, type_name: str, metadata: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file that holds the value.

    Raises TypeError for a value that cannot be stored, ValueError where its header would be too large.
    """
    from safetensors.numpy import save

    arrays, header = encode(value, type_name)
    written = {**metadata, "type": type_name, "value": json.dumps(header["value"])}
    if sum(map(len, written.values())) > HEADER_LIMIT // 2:
        raise ValueError(f"a {type_name} of this length cannot be stored")
    written["checksum"] = _checksum(arrays, written)
    data: bytes = save(arrays, metadata=written)
    return data


def unpack(data: bytes, classes: Mapping[str, Any], key: str | None = None) -> Any:
    """The value in a file's bytes; `classes` tells which Python class a type name stands for.

    Raises DamagedFile for anything but a whole file that `pack` wrote, with this `key` in its metadata.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    header = read_header(BytesIO(data))
    header.check_key(key)
    if header.type_name not in classes:
        raise DamagedFile(f"holds a value of an unknown type {header.type_name!r}")
    try:
        arrays = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise DamagedFile(f"is cut short or damaged ({error})") from error
    if header.metadata.get("checksum") != _checksum(arrays, header.metadata):
        raise DamagedFile("is damaged (its checksum is wrong)")
    try:
        return decode(arrays, {"value": _json(header.metadata["value"])}, classes[header.type_name])
    except Exception as error:  # the class of a third party may object in any way it likes
        raise DamagedFile(f"does not hold a {header.type_name} ({error})") from error


def read_header(file: BinaryIO) -> Header:
    """Read the header at the start of a file, and no more. Raises DamagedFile where there is none."""
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= HEADER_LIMIT:
        raise DamagedFile("is not a file of this project (its header has an impossible length)")
    text = file.read(length)
    if len(text) < length:
        raise DamagedFile("is cut short")
    content = _json(text)
    metadata = content.pop("__metadata__", None) if isinstance(content, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(item, str) for item in metadata.values()):
        raise DamagedFile("is not a file of this project (its header says nothing of it)")
    if not {"type", "value"} <= metadata.keys():
        raise DamagedFile("is not a file of this project (its header names no type)")
    return Header(metadata, {name: _shape(tensor) for name, tensor in content.items()})


def _shape(tensor: Any) -> list[int]:
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise DamagedFile("is damaged (an array without a shape)")
    return shape


def _checksum(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> str:
    told = {key: text for key, text in metadata.items() if key != "checksum"}
    facts = [[name, array.dtype.name, array.shape] for name, array in sorted(arrays.items())]
    digest = hashlib.sha256(json.dumps([told, facts], sort_keys=True).encode())
    for _, array in sorted(arrays.items()):
        digest.update(array.data)
    return digest.hexdigest()


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFile("is damaged (its header is not JSON)") from error


def _class_of(tree: Any) -> type:
    if not isinstance(tree, dict):
        return type(tree)
    return {"list": list, "tuple": tuple, "float": float}.get(next(iter(tree), ""), dict)
