"""Files that are made to be slow to look through carry nothing, and are given up soon."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from graph.workflow.embedded import embed, extract
from graph.workflow.embedded_xmp import _MOST_SEGMENTS

JPEG, WEBP, PNG = b"\xff\xd8", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n"
EMPTY = {
    "jpeg": (JPEG, b"\xff\xe1\0\2"),
    "webp": (WEBP, b"XMPX\0\0\0\0"),
    "png": (PNG, b"\0\0\0\0aaAa\0\0\0\0"),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_millions_of_empty_pieces(kind: str) -> None:
    head, piece = EMPTY[kind]
    data = head + piece * 200_000
    tracemalloc.start()
    start = time.process_time()
    assert extract(data) is None
    seconds = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 5 and peak < 20 * 2**20


def test_what_comes_within_the_limit_is_found() -> None:
    picture = JPEG + b"\xff\xe2\0\2" * 1000 + b"\xff\xda\0\2\xff\xd9"
    assert extract(embed(picture, '{"a": 1}')) == '{"a": 1}'
    assert extract(JPEG + b"\xff\xe2\0\2" * (_MOST_SEGMENTS + 1) + embed(picture, "{}")[2:]) is None


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 1000])
def test_lengths_beyond_the_file(length: int) -> None:
    assert extract(PNG + length.to_bytes(4, "big") + b"iTXtkandinsky-workflow\0\0\0\0\0{}") is None
    assert extract(WEBP + b"XMP " + length.to_bytes(4, "little") + b"<x/>") is None
    assert extract(JPEG + b"\xff\xe1\xff\xffhttp://ns.adobe.com/xap/1.0/\0<x/>") is None
