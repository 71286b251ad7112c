"""JSON as workflow files use it: read strictly, written stably.

Reading refuses what JSON readers commonly let pass: duplicate keys, NaN, numbers without bounds, nesting and
sizes that exhaust the machine. Writing is a pure function of the content, so that a file that was
written, read and written again is the same byte for byte, and one changed param is a one-line diff:
objects stand open down to a node's `inputs` and `params`, everything below stands on one line.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

from graph.patience import patiently

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 64
MAX_VALUES = 2_500_000
"""Commas and opening brackets at most: a small text of many tiny values takes a lot of memory."""

_encode = json.JSONEncoder(ensure_ascii=False).encode
_OPEN_DEPTH = 2
_OPEN_KEYS = ("inputs", "params")


class JsonRefused(ValueError):
    """The text is not the JSON a workflow may be; the message is one sentence."""


def read(data: bytes | str) -> Any:
    """Parse strict JSON.

    Raises:
        JsonRefused: saying what is wrong and where.
    """
    if len(data) > MAX_BYTES:
        raise JsonRefused(f"the file has {len(data) / 2**20:.0f} MB; expected at most 64 MB")
    if isinstance(data, bytes):
        try:
            data = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise JsonRefused(f"the file is not UTF-8 text (byte {error.start})") from None
    if values_in(data) > MAX_VALUES:
        raise JsonRefused(f"the file holds too many values; expected at most {MAX_VALUES:,}")
    try:
        value = json.loads(
            data,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except json.JSONDecodeError as error:
        raise JsonRefused(
            f"the file is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise JsonRefused(f"the file is nested too deep; expected at most {MAX_DEPTH} levels") from None
    _check_depth(value)
    if "\\u" in data:
        _check_characters(value)
    return value


def values_in(text: bytes | str) -> int:
    """How many values a JSON text may have, without parsing it: commas and opening brackets."""
    if isinstance(text, bytes):
        return sum(map(text.count, b",[{"))
    return sum(map(text.count, ",[{"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        twice = next(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
        raise JsonRefused(f"the key {twice[:100]!r} stands twice in one object")
    return result


def _no_constant(name: str) -> Any:
    raise JsonRefused(f"{name} is not a number that JSON allows")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonRefused(f"the number {text[:20]} is too large")
    return value


def _int(text: str) -> int:
    if len(text) > 20:
        raise JsonRefused(f"the number {text[:20]}... is too large")
    return int(text)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise JsonRefused(f"the file is nested too deep; expected at most {MAX_DEPTH} levels")


def _check_characters(value: Any) -> None:
    """An escape may name half a character, which no UTF-8 file can hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.start + 1]
        raise JsonRefused(f"the file holds half a character ({half!a})") from None


def write(value: Any) -> str:
    """JSON text in the one fixed layout, with a final newline.

    Raises:
        ValueError: for NaN and infinities.
    """
    return _open(value, 0, "") + "\n"


def excerpt(value: Any) -> str:
    """The beginning of a value's JSON, to show in a message."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _open(value: Any, depth: int, key: str) -> str:
    opens = depth <= _OPEN_DEPTH or (depth == _OPEN_DEPTH + 1 and key in _OPEN_KEYS)
    if not opens or not value or not isinstance(value, dict | list):
        return _line(value)
    if isinstance(value, list) and not isinstance(value[0], dict):
        return _line(value)
    pad = "  " * (depth + 1)
    if isinstance(value, dict):
        children = patiently(value.items())
        items = [f"{_line(name)}: {_open(child, depth + 1, name)}" for name, child in children]
    else:
        items = [_open(child, _OPEN_DEPTH + 1, "") for child in value]
    brackets = "{}" if isinstance(value, dict) else "[]"
    body = ",\n".join(pad + item for item in items)
    return f"{brackets[0]}\n{body}\n{'  ' * depth}{brackets[1]}"


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_line(name)}: {_line(child)}" for name, child in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_line, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    return _encode(value)


def _number(value: float) -> str:
    """A float always has a point, so that it stays a float for whoever reads it next."""
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be written as JSON")
    digits, exponent, power = repr(value).partition("e")
    return (digits if "." in digits else digits + ".0") + exponent + power
