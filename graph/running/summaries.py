"""What events tell of values: types and shapes, scalars, files and thumbnails; never arrays."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graph.planning.step import Step
from graph.types import Handle, WireType
from graph.values.arrays import summarise

Summary = dict[str, dict[str, Any]]
"""Port -> summary."""


def tell(value: Any, wire: WireType) -> dict[str, Any]:
    """A value in a few words: `type`, and `handle` and `text`, `shape` and `shapes`, or `value`."""
    if wire.handle:
        text = _described(value)
        return {"type": wire.name, "handle": value.cache_key, **({"text": text} if text else {})}
    return summarise(value, wire.name)


def thumbnail(value: Any, wire: WireType) -> dict[str, str]:
    """`thumbnail`, where values of this type can be looked at."""
    if wire.look is None:
        return {}
    try:
        return {"thumbnail": base64.b64encode(wire.look(value)).decode("ascii")}
    except Exception:  # a pack's function; the node itself did its work
        return {}


def _described(handle: Handle) -> str:
    """What a handle says of itself to people; "" where it says nothing, or no longer can."""
    try:
        return handle.description
    except (ValueError, OSError):
        return ""


def tell_folded(step: Step) -> Summary:
    """The outputs that were made while planning."""
    made = step.folded or {}
    return {name: tell(value, step.types[name]) for name, value in made.items() if value is not None}


def with_files(step: Step, told: Summary, written: Sequence[Path], thumbnails: Sequence[bytes]) -> Summary:
    """Add what a node wrote and showed: to its first output, or to its first input if it has none."""
    shown: dict[str, Any] = {}
    if written:
        shown["files"] = [str(path) for path in written]
        shown["file"] = shown["files"][0]
    if thumbnails:
        shown["thumbnails"] = [base64.b64encode(picture).decode("ascii") for picture in thumbnails]
        shown["thumbnail"] = shown["thumbnails"][0]
    if not shown:
        return told
    port = next(iter([*step.type.outputs, *step.type.inputs]), "")
    return {**told, port: {**told.get(port, {}), **shown}}


def tell_output(value: Any, wire: WireType, files: Sequence[Path] | None) -> Any:
    """What `done` says of an output: the files of pictures, the value of scalars, else a summary."""
    if files:
        return [str(path) for path in files]
    return value if type(value) in (str, int, float, bool) else tell(value, wire)
