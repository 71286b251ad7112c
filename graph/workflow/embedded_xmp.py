"""The XMP packets in which JPEG and WebP carry a workflow (or a prompt), as `kandinsky:workflow`.

Formats: XMP specification part 1 (ISO 16684-1) for the packet and part 3 for where files hold it (JPEG APP1,
and ExtendedXMP in pieces where it is longer than a segment); WebP: RFC 9649.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import islice

_NAMESPACE = "urn:kandinsky-canvas:1#"
_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_SEGMENT = 65_533  # bytes that fit in one JPEG segment
_MOST_SEGMENTS = 100_000  # real files have dozens, a workflow of 64 MB needs 1,000
_MOST_CHUNKS = 100_000
_PIECE = 65_000  # bytes of ExtendedXMP in each segment, as its specification advises

# As an element (what we write), or as an attribute (what some programs make of it).
_PROPERTY = re.compile(
    rb"<kandinsky:workflow>([^<]*)</kandinsky:workflow>|\skandinsky:workflow=\"([^<\"]*)\""
)
_EXTENDED = re.compile(rb"xmpNote:HasExtendedXMP(?:=\"|>)([0-9A-F]{32})\b")
_REFERENCE = re.compile(r"&(?:#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def is_webp(data: bytes) -> bool:
    """Whether the file begins as WebP files do."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def embed_jpeg(data: bytes, text: str, kind: str) -> bytes:
    """A JPEG file with the text as `kandinsky:<kind>` in its only XMP packet.

    Raises ValueError if it has no pixels, or more than 100,000 segments before them.
    """
    kept, rest = _segments(data)
    if data[rest : rest + 2] != b"\xff\xda":
        raise ValueError("The JPEG file has no pixels.")
    kept = [(marker, content) for marker, content in kept if not _is_xmp(marker, content)]
    # JFIF (APP0) has to come first.
    first = next((i for i, (marker, _) in enumerate(kept) if marker != 0xE0), len(kept))
    kept[first:first] = [(0xE1, content) for content in _jpeg_packets(_property(text, kind))]
    written = [b"\xff%c%s%s" % (marker, (len(c) + 2).to_bytes(2, "big"), c) for marker, c in kept]
    return b"".join([b"\xff\xd8", *written, data[rest:]])


def extract_jpeg(data: bytes) -> str | None:
    """The text that `embed_jpeg` put there, or None."""
    packets = [content for marker, content in _segments(data)[0] if _is_xmp(marker, content)]
    for packet in packets:
        if packet.startswith(_HEAD):
            extended = _EXTENDED.search(packet)
            return _read(packet) if extended is None else _read(_joined(packets, extended[1]))
    return None


def embed_webp(data: bytes, text: str, kind: str) -> bytes:
    """A WebP file with the text as `kandinsky:<kind>` in its only XMP packet.

    Raises ValueError if it has no pixels.
    """
    chunks = [(kind, content) for kind, content in _chunks(data) if kind != b"XMP "]
    kinds = [kind for kind, _ in chunks]
    if not chunks or kinds[0] not in (b"VP8 ", b"VP8L", b"VP8X"):
        raise ValueError("The WebP file has no pixels.")
    if kinds[0] != b"VP8X":
        chunks.insert(0, (b"VP8X", _extended_header(*chunks[0])))
    head = chunks[0][1]
    if len(head) < 10:
        raise ValueError("The WebP file is damaged.")
    chunks[0] = b"VP8X", bytes([head[0] | 4]) + head[1:]  # flag 4: has XMP
    chunks.append((b"XMP ", _packet(_property(text, kind))))
    body = b"".join(kind + len(c).to_bytes(4, "little") + c + b"\0" * (len(c) % 2) for kind, c in chunks)
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def extract_webp(data: bytes) -> str | None:
    """The text that `embed_webp` put there, or None."""
    chunks = islice(_chunks(data), _MOST_CHUNKS)
    return next((_read(content) for kind, content in chunks if kind == b"XMP "), None)


def _property(text: str, kind: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return f'xmlns:kandinsky="{_NAMESPACE}"><kandinsky:{kind}>{escaped}</kandinsky:{kind}>'


def _description(inside: str) -> str:
    """An XMP document with one description, whose attributes and content are `inside`."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {inside}</rdf:Description></rdf:RDF></x:xmpmeta>'
    )


def _packet(inside: str) -> bytes:
    begin = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    return f'{begin}{_description(inside)}<?xpacket end="w"?>'.encode()


def _read(packet: bytes) -> str | None:
    """The property in a packet, with XML's references resolved."""
    match = _PROPERTY.search(packet)
    if match is None:
        return None
    try:
        return _REFERENCE.sub(_resolved, (match[1] if match[1] is not None else match[2]).decode())
    except (UnicodeDecodeError, ValueError):
        return None


def _resolved(match: re.Match[str]) -> str:
    if match[3]:
        return _NAMED[match[3]]
    return chr(int(match[1]) if match[1] else int(match[2], 16))  # ValueError beyond Unicode


def _jpeg_packets(told: str) -> Iterator[bytes]:
    """The contents of the APP1 segments for a property: one, or a pointer and the pieces of ExtendedXMP."""
    whole = _HEAD + _packet(told)
    if len(whole) <= _SEGMENT:
        yield whole
        return
    extended = _description(told).encode()
    name = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
    note = "http://ns.adobe.com/xmp/note/"
    pointer = f'xmlns:xmpNote="{note}"><xmpNote:HasExtendedXMP>{name}</xmpNote:HasExtendedXMP>'
    yield _HEAD + _packet(pointer)
    for start in range(0, len(extended), _PIECE):
        place = len(extended).to_bytes(4, "big") + start.to_bytes(4, "big")
        yield _EXTENSION + name.encode() + place + extended[start : start + _PIECE]


def _joined(packets: list[bytes], name: bytes) -> bytes:
    """The ExtendedXMP of this name put together from its pieces; empty if a piece is missing or damaged."""
    head = _EXTENSION + name
    pieces = [packet[len(head) :] for packet in packets if packet.startswith(head)]
    found = b"".join(piece[8:] for piece in sorted(pieces, key=lambda piece: piece[4:8]))
    whole = hashlib.md5(found, usedforsecurity=False).hexdigest().upper().encode() == name
    return found if whole else b""


def _is_xmp(marker: int, content: bytes) -> bool:
    return marker == 0xE1 and content.startswith((_HEAD, _EXTENSION))


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Marker and content of each segment of a JPEG file before its pixels, and where the rest begins."""
    found: list[tuple[int, bytes]] = []
    start = 2
    while start + 4 <= len(data) and data[start] == 0xFF and len(found) < _MOST_SEGMENTS:
        marker = data[start + 1]
        if marker == 0xFF:  # a fill byte
            start += 1
            continue
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if marker in (0x00, 0x01, 0xD9, 0xDA) or 0xD0 <= marker <= 0xD8 or not start + 4 <= end <= len(data):
            break
        found.append((marker, data[start + 4 : end]))
        start = end
    return found, start


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each whole chunk of a RIFF file."""
    start = 12
    while start + 8 <= len(data):
        end = start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")
        if end > len(data):
            return
        yield data[start : start + 4], data[start + 8 : end]
        start = end + end % 2


def _extended_header(kind: bytes, content: bytes) -> bytes:
    """The VP8X chunk (flags, width - 1, height - 1) for a file that has only this picture."""
    if kind == b"VP8 " and content[3:6] == b"\x9d\x01\x2a" and len(content) >= 10:
        width, height = (int.from_bytes(content[i : i + 2], "little") & 0x3FFF for i in (6, 8))
        alpha = 0
    elif kind == b"VP8L" and content[:1] == b"\x2f" and len(content) >= 5:
        bits = int.from_bytes(content[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        alpha = 0x10 if bits >> 28 & 1 else 0
    else:
        width = height = alpha = 0
    if not width or not height:
        raise ValueError("The WebP file has no pixels.")
    return bytes([alpha, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
