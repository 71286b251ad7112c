"""Literals of params: checked against what the param takes, and brought to its type."""

from __future__ import annotations

import math
import re
from typing import Any, cast

from graph.node import Param
from graph.problems import nearest
from graph.workflow.json_text import JsonRefused, excerpt, read

MAX_TEXT = 1_000_000
MAX_ITEMS = 10_000

_KINDS = {"string": "a text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_HALF = re.compile("[\ud800-\udfff]")
_SWITCH = {"true": True, "false": False}


class WrongLiteral(ValueError):
    """A value that a param cannot have."""

    def __init__(self, message: str, expected: str, nearest: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.nearest = nearest


def expected(param: Param) -> str:
    """What a param takes, in words."""
    kind = _KINDS[param.type.name]
    if param.choices:
        kind = "one of " + ", ".join(map(_shown, param.choices))
    elif param.range:
        kind += f" from {_short(param.range.low)} to {_short(param.range.high)}"
    if param.many:
        kind = f"a list, each item {kind}"
    return kind + (", or null" if param.nullable else "")


def coerce(param: Param, value: Any) -> Any:
    """The literal in the param's type; None stands for the default.

    Raises:
        WrongLiteral: for a wrong type, a value out of range, or one that is not among the choices.
    """
    if value is None:
        if param.default is None:
            return None
        raise WrongLiteral("null is not a value here", expected(param))
    if not param.many:
        return _scalar(param, value)
    if not isinstance(value, list | tuple):
        raise WrongLiteral(f"{excerpt(value)} is not a list", expected(param))
    if len(value) > MAX_ITEMS:
        raise WrongLiteral(f"the list has {len(value)} items", f"at most {MAX_ITEMS}")
    return [_scalar(param, item) for item in value]


def _scalar(param: Param, value: Any) -> Any:
    if param.choices:
        return _choice(param, value)
    wanted: type = param.type.python
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise WrongLiteral(f"{excerpt(value)} is not {_KINDS[param.type.name]}", expected(param))
    if isinstance(value, float) and not math.isfinite(value):
        raise WrongLiteral(f"{value} is not a number to calculate with", expected(param))
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise WrongLiteral(f"the text has {len(value)} characters", f"at most {MAX_TEXT}")
    if isinstance(value, str) and _HALF.search(value):
        raise WrongLiteral("the text holds half a character (a lone surrogate)", expected(param))
    if param.range and not param.range.low <= cast(float, value) <= param.range.high:
        raise WrongLiteral(f"{excerpt(value)} is out of range", expected(param))
    return value


def _choice(param: Param, value: Any) -> Any:
    if any(type(choice) is type(value) and choice == value for choice in param.choices):
        return value
    words = [choice for choice in param.choices if isinstance(choice, str)]
    near = nearest(value, words) if isinstance(value, str) else None
    raise WrongLiteral(f"{excerpt(value)} is unknown", expected(param), near)


def parse(param: Param, text: str) -> Any:
    """Read a value that was typed on a command line by the param's type: strings as they are, lists as JSON.

    Raises:
        WrongLiteral: when the text is not such a value.
    """
    kind = param.type.name
    if kind == "string" and not param.many:
        return text
    try:
        if text == "null":
            return None
        if param.many:
            return read(text)
        if text in param.choices:
            return text
        return _SWITCH[text.strip().lower()] if kind == "bool" else param.type.python(text)
    except (JsonRefused, ValueError, KeyError):
        raise WrongLiteral(f"{excerpt(text)} cannot be read", expected(param)) from None


def _shown(choice: str | bool) -> str:
    return repr(choice) if isinstance(choice, str) else str(choice).lower()


def _short(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e6 else f"{int(number)}"
