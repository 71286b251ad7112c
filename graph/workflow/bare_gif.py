"""GIF files without comments; the GIF89a specification has the blocks."""

from __future__ import annotations

_EXTENSION, _PICTURE, _END = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_KEPT = (b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012")
"""How often an animation is shown, and its colour profile."""


def bare_gif(data: bytes) -> bytes:
    """The file with its pictures, their timing and colours, and nothing else."""
    at = 13 + _palette(data, 10)
    parts = [data[:at]]
    while at + 2 <= len(data):
        kind, label = data[at], data[at + 1]
        if kind == _EXTENSION:
            end = _blocks_end(data, at + 2)
            kept = label == _CONTROL or (label == _APPLICATION and data[at + 3 : at + 14] in _KEPT)
        elif kind == _PICTURE:
            end = _blocks_end(data, at + 11 + _palette(data, at + 9))
            kept = True
        else:
            break
        if kept:
            parts.append(data[at:end])
        at = end
    parts.append(bytes([_END]))
    return b"".join(parts)


def _palette(data: bytes, at: int) -> int:
    """Bytes of the palette that the flags at this place announce."""
    flags = data[at] if at < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks_end(data: bytes, at: int) -> int:
    """Where a row of blocks (each with its length) that begins here ends."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return min(at + 1, len(data))
