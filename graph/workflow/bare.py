"""Pictures without what they say about people: EXIF, XMP, IPTC, comments, dates, thumbnails, what follows.

Nothing is encoded again: what the pixels are made of is copied as it is, colour profiles included, and of
EXIF the orientation stays. Files come from strangers: every length is checked, and what lies behind a length
that is wrong is left out, as decoders leave it out.
"""

from __future__ import annotations

import zlib
from binascii import unhexlify
from collections.abc import Iterator

from graph.workflow.bare_gif import bare_gif
from graph.workflow.bare_jpeg import bare_jpeg
from graph.workflow.orientation import UPRIGHT, only, orientation

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs cICP mDCV cLLI acTL fcTL fdAT".split()
)
_PNG_XMP = b"XML:com.adobe.xmp\0"
_PNG_EXIF = b"Raw profile type exif\0"
_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_HAS_EXIF, _HAS_XMP = 8, 4
_LARGEST_TEXT = 1 << 20
_MOST = 100_000
"""Chunks of a file that are looked at: one made to have millions of empty ones is not read for long."""


def bare(data: bytes) -> bytes:
    """A PNG, JPEG, WebP, GIF or BMP file without its metadata; anything else as it is."""
    if data.startswith(_PNG):
        return _bare_png(data)
    if data.startswith(b"\xff\xd8"):
        return bare_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _bare_webp(data)
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return bare_gif(data)
    if data[:2] == b"BM":
        return _bare_bmp(data)
    return data


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each whole chunk."""
    start = len(_PNG)
    for _ in range(_MOST):
        if start + 12 > len(data):
            return
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if end > len(data):
            return
        yield data[start + 4 : start + 8], start, end
        start = end


def _bare_png(data: bytes) -> bytes:
    exif = xmp = legacy = None
    parts = [_PNG]
    for kind, start, end in _png_chunks(data):
        content = memoryview(data)[start + 8 : end - 4]
        if kind in _PNG_KEPT:
            parts.append(data[start:end])
        elif kind == b"eXIf":
            exif = exif or bytes(content)
        elif kind == b"iTXt" and content[: len(_PNG_XMP)] == _PNG_XMP:
            xmp = xmp or bytes(content)
        elif kind in (b"tEXt", b"zTXt") and content[: len(_PNG_EXIF)] == _PNG_EXIF:
            legacy = legacy or _legacy_exif(bytes(content[len(_PNG_EXIF) :]), kind == b"zTXt")
        if kind == b"IEND":
            break
    turned = orientation(exif or legacy, xmp)
    if turned != UPRIGHT:
        body = b"eXIf" + only(turned)
        chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        parts.insert(2, chunk)  # after IHDR
    return b"".join(parts)


def _legacy_exif(text: bytes, compressed: bool) -> bytes | None:
    """What ImageMagick wrote before there was a chunk for it: three lines of heading, then hexadecimal."""
    try:
        if compressed:
            text = zlib.decompressobj().decompress(text[1:], _LARGEST_TEXT)
        return unhexlify(b"".join(text.split(b"\n")[3:]))
    except (zlib.error, ValueError):
        return None


def _bare_webp(data: bytes) -> bytes:
    exif = xmp = None
    chunks: list[tuple[bytes, bytes]] = []
    start = 12
    for _ in range(_MOST):
        if start + 8 > len(data):
            break
        kind = data[start : start + 4]
        end = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")
        if end > len(data):
            break
        content = data[start + 8 : end]
        if kind in _WEBP_KEPT:
            chunks.append((kind, content))
        elif kind == b"EXIF":
            exif = exif or content
        elif kind == b"XMP ":
            xmp = xmp or content
        start = end + end % 2
    turned = UPRIGHT
    if chunks and chunks[0][0] == b"VP8X" and len(chunks[0][1]) == 10:
        turned = orientation(exif, xmp)
        head = chunks[0][1]
        flags = head[0] & ~(_HAS_EXIF | _HAS_XMP) | (_HAS_EXIF if turned != UPRIGHT else 0)
        chunks[0] = b"VP8X", bytes([flags]) + head[1:]
    if turned != UPRIGHT:
        chunks.append((b"EXIF", only(turned)))
    body = b"".join(kind + len(c).to_bytes(4, "little") + c + b"\0" * (len(c) % 2) for kind, c in chunks)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def _bare_bmp(data: bytes) -> bytes:
    """A BMP file has no place for texts but what follows it, and the path of a colour profile."""
    size, begin = (int.from_bytes(data[at : at + 4], "little") for at in (2, 10))
    data = data[:size] if 14 < begin < size < len(data) else data
    if data[14:18] == b"\x7c\0\0\0" and data[70:74] == b"KNIL":  # LINK, in a header of version 5
        place, length = (int.from_bytes(data[at : at + 4], "little") for at in (126, 130))
        start, end = 14 + place, min(14 + place + length, len(data))
        data = data[:start] + b"\0" * max(end - start, 0) + data[max(start, end) :]
    return data
