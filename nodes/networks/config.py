"""Strict reading of a diffusers `config.json`: what a network cannot do is an error."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Sizes = TypeVar("Sizes", bound="DataclassInstance")

# Configs come from strangers: no honest network is larger, and building one would exhaust memory.
LARGEST_SIZE = 1 << 20
MOST_ITEMS = 16


class UnsupportedConfig(ValueError):
    """A config asks for what a network does not do. Names the field, its value and what is supported."""


def read_sizes(
    sizes: type[Sizes],
    config: Mapping[str, Any],
    *,
    name: str,
    fixed: Mapping[str, tuple[Any, ...]],
    required: Collection[str] = (),
    unused: Collection[str] = (),
) -> Sizes:
    """Make the dataclass `sizes` from a parsed config.json in which every field must be understood.

    The fields of `sizes` are read by their annotations; its defaults stand for fields that real checkpoints
    leave out. `fixed` maps other fields to the values the network supports; `required` names those of them
    that the file must state, because their diffusers default is not supported; `unused` names fields that
    say nothing about the network. Names that begin with `_` are diffusers' own notes and are skipped.

    Raises UnsupportedConfig for a missing or unknown field and for a value that is not supported.
    """
    hints = get_type_hints(sizes)
    stated = {field: value for field, value in config.items() if not field.startswith("_")}
    for field in stated:
        if field not in hints and field not in fixed and field not in unused:
            raise UnsupportedConfig(_unknown(name, field, stated[field], [*hints, *fixed, *unused]))
    for field, supported in fixed.items():
        if field not in stated:
            if field in required:
                raise UnsupportedConfig(f"{name}: {field} is missing, expected {_any_of(supported)}.")
        elif not any(_same(stated[field], value) for value in supported):
            raise UnsupportedConfig(_unsupported(name, field, stated[field], _any_of(supported)))
    defaults = {f.name for f in dataclasses.fields(sizes) if f.default is not dataclasses.MISSING}
    values = {}
    for field, hint in hints.items():
        if field in stated:
            if not _fits(stated[field], hint):
                raise UnsupportedConfig(_unsupported(name, field, stated[field], _describe(hint)))
            values[field] = tuple(stated[field]) if isinstance(stated[field], list) else stated[field]
        elif field not in defaults:
            raise UnsupportedConfig(f"{name}: {field} is missing, expected {_describe(hint)}.")
    return sizes(**values)


def require(condition: bool, name: str, field: str, value: object, expected: str) -> None:
    """Raise UnsupportedConfig about `field` unless `condition` holds: for rules between several sizes."""
    if not condition:
        raise UnsupportedConfig(_unsupported(name, field, value, expected))


def _fits(value: Any, hint: Any) -> bool:
    if hint is int:
        return type(value) is int and 1 <= value <= LARGEST_SIZE
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    if hint is NoneType:
        return value is None
    if get_origin(hint) is Literal:
        return any(_same(value, choice) for choice in get_args(hint))
    if get_origin(hint) is UnionType:
        return any(_fits(value, choice) for choice in get_args(hint))
    if get_origin(hint) is tuple:
        is_list = isinstance(value, list | tuple) and 1 <= len(value) <= MOST_ITEMS
        return is_list and all(_fits(item, get_args(hint)[0]) for item in value)
    raise TypeError(f"sizes cannot be annotated with {hint}")


def _describe(hint: Any) -> str:
    if hint is int:
        return f"a whole number from 1 to {LARGEST_SIZE}"
    if hint is float:
        return "a finite number"
    if hint is NoneType:
        return "null"
    if get_origin(hint) is Literal:
        return _any_of(get_args(hint))
    if get_origin(hint) is UnionType:
        return " or ".join(_describe(choice) for choice in get_args(hint))
    return f"a list of 1 to {MOST_ITEMS} items, each {_describe(get_args(hint)[0])}"


def _same(value: Any, supported: Any) -> bool:
    # In Python True == 1; in a config they are different values.
    return isinstance(value, bool) is isinstance(supported, bool) and value == supported


def _any_of(supported: tuple[Any, ...]) -> str:
    return " or ".join(map(repr, supported))


def _unsupported(name: str, field: str, value: object, expected: str) -> str:
    return f"{name}: {field} is {_short(value)}, expected {expected}."


def _unknown(name: str, field: str, value: object, known: list[str]) -> str:
    close = get_close_matches(field, known, n=1)
    hint = f", did you mean {close[0]!r}?" if close else "."
    return f"{name}: unknown field {field[:80]!r} with value {_short(value)}{hint}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
