"""What the engine does with any value on a wire: measure it, freeze it, hand out copies, sum it up.

A value is a string, a number, a truth value, a numpy array, a list, tuple or dict of those, or a dataclass
whose fields are those. Anything else (a path in a handle, say) is passed on as it is.
"""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

SCALARS: frozenset[type] = frozenset({bool, int, float, str, type(None)})


def copy_for_reader(value: Any) -> Any:
    """The same value with arrays, lists and dicts of its own: writing into it changes nobody else's."""
    return value if type(value) in SCALARS else _with_arrays(value, np.array)


def freeze(value: Any) -> Any:
    """The same value with read-only arrays.

    An array that only looks into somebody's memory (a view, a tensor's numpy face) is copied first: its owner
    could still write there.
    """
    return value if type(value) in SCALARS else _with_arrays(value, _frozen)


def size_of(value: Any) -> int:
    """Bytes that the value takes in memory, near enough for a limit."""
    if isinstance(value, np.ndarray):
        return value.nbytes + 128
    size = sys.getsizeof(value)
    if type(value) in SCALARS:
        return size
    if isinstance(value, (list, tuple)):
        return size + sum(size_of(item) for item in value)
    if isinstance(value, dict):
        return size + sum(size_of(item) for pair in value.items() for item in pair)
    return size + sum(size_of(getattr(value, name)) for name in field_names(type(value)))


def summarise(value: Any, type_name: str) -> dict[str, Any]:
    """What an event tells of it: `type`, and `shapes` (name -> list of int) or `value` (if it has none).

    `shape` is that of the first array.
    """
    names = field_names(type(value))
    if not names and not isinstance(value, np.ndarray):
        return {"type": type_name, "value": value}
    fields = {name: getattr(value, name) for name in names} if names else {"value": value}
    return shaped(type_name, {name: list(f.shape) for name, f in fields.items() if isinstance(f, np.ndarray)})


def shaped(type_name: str, shapes: dict[str, list[int]]) -> dict[str, Any]:
    """The summary of a value that has arrays, in the order of its fields."""
    first = next(iter(shapes.values()), None)
    return {"type": type_name, **({} if first is None else {"shape": first}), "shapes": shapes}


_field_names: dict[type, tuple[str, ...]] = {}


def field_names(kind: type) -> tuple[str, ...]:
    """The names of a dataclass's fields in order; none for any other type."""
    names = _field_names.get(kind)
    if names is None:
        names = (
            tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else ()
        )
        _field_names[kind] = names
    return names


def _frozen(array: Array) -> Array:
    own = array if array.flags.owndata and type(array) is np.ndarray else np.array(array)
    own.setflags(write=False)
    return own


def _with_arrays(value: Any, change: Callable[[Array], Array]) -> Any:
    """The value with `change` applied to each array in it; the very same object where nothing changed."""
    kind = type(value)
    if kind in SCALARS:
        return value
    if isinstance(value, np.ndarray):
        return change(value)
    if kind is list or kind is tuple:
        return kind(_with_arrays(item, change) for item in value)
    if kind is dict:
        return {key: _with_arrays(item, change) for key, item in value.items()}
    old = {name: getattr(value, name) for name in field_names(kind)}
    new = {name: _with_arrays(field, change) for name, field in old.items()}
    if all(new[name] is old[name] for name in old):
        return value
    # Made without its constructor, which may well convert, check and freeze all over again.
    twin = object.__new__(kind)
    for name, field in new.items():
        object.__setattr__(twin, name, field)
    return twin
