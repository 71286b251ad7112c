"""The workflow inside a picture: put there and found again without decoding a pixel.

PNG carries it as an uncompressed iTXt chunk, JPEG and WebP in an XMP packet. Pictures come from strangers:
`extract` reads nothing beyond the bytes it is given, and what is malformed carries no workflow.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import islice

from graph.workflow import embedded_xmp

WORKFLOW, PROMPT = "workflow", "prompt"
"""What a picture carries: a workflow, which makes it a workflow file; or prompts and numbers, for people."""

KEYWORD = f"kandinsky-{WORKFLOW}"

_PNG = b"\x89PNG\r\n\x1a\n"
_INFLATED_LIMIT = 64 << 20
_MOST_CHUNKS = 100_000
# What neither UTF-8 nor XML can hold. In JSON, each of them may stand only in a string, or nowhere at all.
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def embed(data: bytes, text: str, kind: str = WORKFLOW) -> bytes:
    """A PNG, JPEG or WebP file with the JSON text in it, in place of one it had; the pixels stay as they are.

    `kind` is WORKFLOW or PROMPT: PNG files have it under the key `kandinsky-<kind>`, others as the XMP
    property `kandinsky:<kind>`.

    Characters that a file cannot hold (lone surrogates, U+FFFF...) become JSON escapes. Any XMP packet that a
    JPEG or WebP had is replaced. Raises ValueError for what is no such picture.
    """
    safe = _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    if data.startswith(_PNG):
        return _embed_png(data, safe, f"kandinsky-{kind}")
    if data.startswith(b"\xff\xd8"):
        return embedded_xmp.embed_jpeg(data, safe, kind)
    if embedded_xmp.is_webp(data):
        return embedded_xmp.embed_webp(data, safe, kind)
    raise ValueError("Only PNG, JPEG and WebP pictures can carry a workflow.")


def extract(data: bytes) -> str | None:
    """The text that `embed` put into a picture; None where there is none, or not a whole one."""
    if data.startswith(_PNG):
        return _extract_png(data)
    if data.startswith(b"\xff\xd8"):
        return embedded_xmp.extract_jpeg(data)
    if embedded_xmp.is_webp(data):
        return embedded_xmp.extract_webp(data)
    return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each whole chunk (with its length and CRC) of a PNG file."""
    start = len(_PNG)
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            return
        yield data[start + 4 : start + 8], start, end
        start = end


def _is_ours(data: bytes, kind: bytes, start: int, keyword: str = KEYWORD) -> bool:
    return kind == b"iTXt" and data.startswith(keyword.encode() + b"\0", start + 8)


def _embed_png(data: bytes, text: str, keyword: str) -> bytes:
    content = b"iTXt" + keyword.encode() + b"\0\0\0\0\0" + text.encode()
    chunk = (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")
    parts, done = [_PNG], False
    for kind, start, end in _chunks(data):
        if _is_ours(data, kind, start, keyword):
            continue
        if kind == b"IDAT" and not done:
            parts.append(chunk)
            done = True
        parts.append(data[start:end])
    if not done:
        raise ValueError("The PNG file has no pixels.")
    return b"".join(parts)


def _extract_png(data: bytes) -> str | None:
    for kind, start, end in islice(_chunks(data), _MOST_CHUNKS):
        if _is_ours(data, kind, start):
            crc = int.from_bytes(data[end - 4 : end], "big")
            whole = zlib.crc32(data[start + 4 : end - 4]) == crc
            return _international_text(data[start + 8 : end - 4]) if whole else None
    return None


def _international_text(content: bytes) -> str | None:
    """The text of an iTXt chunk: keyword, compressed?, method, language, translated keyword, text."""
    _, _, rest = content.partition(b"\0")
    compressed, parts = rest[:1], rest[2:].split(b"\0", 2)
    if len(rest) < 2 or len(parts) < 3:
        return None
    text = parts[2]
    try:
        if compressed == b"\1":  # not by us, but other programs may have written the file again
            inflater = zlib.decompressobj()
            text = inflater.decompress(text, _INFLATED_LIMIT)
            if not inflater.eof:
                return None
        return text.decode()
    except (zlib.error, UnicodeDecodeError):
        return None
