"""JPEG files without metadata; ISO 10918-1 for the segments, part 5 for JFIF."""

from __future__ import annotations

import re

from graph.workflow.orientation import UPRIGHT, only, orientation

# The next marker, past fill bytes; within a scan, 0xFF is followed by 0 (a byte 0xFF) or is a restart marker.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_MOST = 100_000
"""Segments that are looked at: a file made to have millions of empty ones is not read for half a minute."""
_ALONE = (0x01, 0xD8)
_END, _SCAN = 0xD9, 0xDA
_TABLES = frozenset((*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD, 0xDE, 0xDF))
_ICC, _ADOBE, _JFIF = b"ICC_PROFILE\0", b"Adobe", b"JFIF\0"
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"


def bare_jpeg(data: bytes) -> bytes:
    """The file with its tables, scans, colour profile and orientation, and nothing else."""
    exif = xmp = None
    kept: list[bytes] = []
    place = 0
    """Where among `kept` an EXIF segment belongs: behind JFIF's, which has to come first."""
    found = _MARKER.search(data, 2)
    for _ in range(_MOST):
        if found is None:
            break
        marker, start, inner = found[1][0], found.start(), found.end()
        if marker == _END:
            kept.append(b"\xff\xd9")
            break
        end = inner
        if marker not in _ALONE:
            end += int.from_bytes(data[inner : inner + 2], "big")
            if not inner + 2 <= end <= len(data):
                break
        content = data[inner + 2 : end]
        if marker == _SCAN:
            found = _MARKER.search(data, end)
            kept.append(data[start : found.start() if found else len(data)])
            continue
        if marker == 0xE0 and content.startswith(_JFIF) and len(content) >= 14:
            kept.append(b"\xff\xe0\0\x10" + content[:12] + b"\0\0")  # without its thumbnail
            place = len(kept)
        elif _is_kept(marker, content):
            kept.append(data[start:end])
        elif marker == 0xE1 and content.startswith(_EXIF):
            exif = exif or content
        elif marker == 0xE1 and content.startswith(_XMP):
            xmp = xmp or content
        found = _MARKER.search(data, end)
    turned = orientation(exif, xmp)
    if turned != UPRIGHT:
        body = _EXIF + only(turned)
        kept.insert(place, b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body)
    return b"".join([b"\xff\xd8", *kept])


def _is_kept(marker: int, content: bytes) -> bool:
    if marker == 0xE2:
        return content.startswith(_ICC)
    if marker == 0xEE:  # says how the colours are stored
        return content.startswith(_ADOBE)
    return marker in _TABLES
