"""Which way up a picture is to be shown: the one thing in its EXIF data that changes what it shows."""

from __future__ import annotations

import re
import struct

UPRIGHT = 1

_TAG = 0x0112
_SHORT = 3
_IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


def orientation(exif: bytes | None, xmp: bytes | None) -> int:
    """The orientation (1 to 8, 1 is upright) in EXIF data, else in an XMP packet; 1 where neither has one.

    Args:
        exif: a TIFF file, as EXIF is one; `Exif\\0\\0` may stand before it.
    """
    found = _in_tiff(exif.removeprefix(b"Exif\0\0")) if exif else None
    if found is None and xmp:
        match = _IN_XMP.search(xmp)
        found = int(match[1]) if match else None
    return found if found is not None and 1 <= found <= 8 else UPRIGHT


def only(orientation: int) -> bytes:
    """EXIF data (without `Exif\\0\\0`) that holds an orientation and nothing else."""
    return struct.pack(">2sHLHHHLHHL", b"MM", 42, 8, 1, _TAG, _SHORT, 1, orientation, 0, 0)


def _in_tiff(tiff: bytes) -> int | None:
    """The orientation in the first directory of a TIFF file; None where it has none."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}L", tiff, 4)
    if start + 2 > len(tiff):
        return None
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHLH", tiff, entry)
        if tag == _TAG:
            return int(value) if kind == _SHORT else None
    return None
