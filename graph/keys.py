"""Content keys: the result of the same work has the same name, in every process and on every machine.

A node's key is made once from its type, its params and its inputs' keys (a Merkle tree): planning is linear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from graph.files import LocalFile

LAYOUT = "1"
"""Counts up when the way keys are made changes."""


def digest(parts: Iterable[str]) -> str:
    """The sha256 of a list of texts; ("ab", "c") and ("a", "bc") differ."""
    joined = "\x1f".join(part.replace("\x1f", "\x1f\x1f") for part in parts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def literal(value: Any) -> str:
    """A literal as text in which types count: 1, 1.0, "1" and True are four values."""
    if isinstance(value, LocalFile):
        return f"file:{value.sha256}"
    key = getattr(value, "cache_key", None)
    if key is not None:
        return f"handle:{key}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(literal, value))}]"
    if value is None or type(value) in (str, int, float, bool):
        return ascii(value)
    raise TypeError(f"a {type(value).__name__} cannot be part of a key")
