"""Lengths in files are compared with the files before memory is asked for: a library may abort."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graph.values.tensor_file import DamagedFile, read_header
from nodes.conversion.torch_file import read_tensors
from nodes.files import reading
from nodes.files.reading import CheckpointError
from nodes.files.sentencepiece import read_pieces
from nodes.pixels.pictures import PictureError, read_image

TABLES = {
    "says four gigabytes": struct.pack("<I", 0xFFFFFFFC) + b"x" * 20,
    "says more than it has": struct.pack("<I", 64) + b"x" * 60,
    "no trie": struct.pack("<I", 0),
    "half a unit": struct.pack("<I", 6) + b"x" * 10,
    "cut": b"ab",
}


def field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes (fewer than 128)."""
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_characters_that_is_shorter_than_it_says(tmp_path: Path, name: str) -> None:
    path = tmp_path / "spiece.model"
    path.write_bytes(field(1, field(1, b"a")) + field(3, field(2, TABLES[name])))
    with pytest.raises(CheckpointError, match="table of characters is damaged"):
        read_pieces(path)


READERS: dict[str, tuple[Callable[[Path], object], tuple[type[Exception], ...]]] = {
    "spiece.model": (read_pieces, (CheckpointError,)),
    "model.safetensors": (reading.read_header, (CheckpointError,)),
    "config.json": (reading.read_json, (CheckpointError,)),
    "weights.pt": (read_tensors, (CheckpointError,)),
    "value.safetensors": (lambda path: read_header(path.open("rb")), (DamagedFile,)),
    "picture.png": (read_image, (PictureError,)),
    "picture.jpg": (read_image, (PictureError,)),
    "picture.webp": (read_image, (PictureError,)),
}


def honest(name: str) -> bytes:
    """A small file of that kind as it should be."""
    from io import BytesIO

    import numpy as np
    import torch
    from PIL import Image
    from safetensors.numpy import save

    from graph.values.tensor_file import pack

    buffer = BytesIO()
    if name.startswith("picture"):
        kind = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[name.rpartition(".")[2]]
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (16, 8), (9, 9, 9)).save(buffer, kind, exif=exif)
    elif name == "weights.pt":
        torch.save({"a": torch.zeros(3)}, buffer)
    elif name == "spiece.model":
        table = struct.pack("<I", 8) + b"\0" * 8 + b"ab\0"
        return field(1, field(1, b"a") + b"\x15\0\0\0\0") + field(3, field(2, table))
    elif name == "model.safetensors":
        return save({"a": np.zeros((2, 3), np.float32)})
    elif name == "value.safetensors":
        return pack("text", "string", {"key": "0" * 64})
    else:
        return b'{"hidden_size": 4, "list": [1, 2]}'
    return buffer.getvalue()


def mutations(data: bytes, dice: random.Random) -> list[bytes]:
    """The file cut, with bytes changed, and with every length field of four or eight bytes made huge."""
    found = [data[: dice.randrange(len(data))] for _ in range(15)]
    for _ in range(40):
        changed = bytearray(data)
        for _ in range(dice.randint(1, 4)):
            changed[dice.randrange(len(data))] = dice.randrange(256)
        found.append(bytes(changed))
    huge = [b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0\1\0\0\0"]
    for _ in range(25):
        at = dice.randrange(max(len(data) - 8, 1))
        found.append(data[:at] + dice.choice(huge) + data[at + 4 :])
    return found


@pytest.mark.parametrize("name", READERS)
def test_broken_files_are_refused_by_every_reader(tmp_path: Path, name: str) -> None:
    read, refusals = READERS[name]
    path = tmp_path / name
    path.write_bytes(honest(name))
    read(path)
    refused = 0
    for broken in mutations(honest(name), random.Random(name)):
        path.write_bytes(broken)
        try:
            read(path)
        except refusals:
            refused += 1
    assert refused > 10


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_no_reader_asks_for_more_memory_than_there_is(tmp_path: Path) -> None:
    """In a process of 1.5 GB address space beside its libraries, where asking for 8.6 GB would abort."""
    path = tmp_path / "spiece.model"
    path.write_bytes(field(1, field(1, b"a")) + field(3, field(2, TABLES["says four gigabytes"])))
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from nodes.files.sentencepiece import read_pieces\n"
        "from nodes.files.reading import CheckpointError\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (1_500_000_000, 1_500_000_000))\n"
        "try:\n    read_pieces(Path(sys.argv[1]))\nexcept CheckpointError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "table of characters is damaged" in done.stdout
