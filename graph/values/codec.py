"""Values as named arrays and a JSON header, and back: the form in which they are stored.

`encode` turns a value into arrays (field name -> array) and a header `{"type": ..., "value": tree}`. In the
tree a scalar stands for itself; an array, list, tuple, dataclass or a float that JSON does not know is an
object with one key that says what it is. Only the caller says which Python class a type name means: stored
data never names code.
"""

import math
from collections.abc import Mapping
from typing import Any, get_origin

import numpy as np

from graph.values.arrays import SCALARS, Array, field_names

DTYPES: frozenset[str] = frozenset(
    {
        "bool",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "float16",
        "uint32",
        "int32",
        "float32",
        "uint64",
        "int64",
        "float64",
    }
)


def encode(value: Any, type_name: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Take a value apart into arrays and a header that JSON can hold.

    Raises TypeError for a value that cannot be stored (a handle, an array of objects).
    """
    arrays: dict[str, Array] = {}
    names = field_names(type(value))
    if names:
        tree: Any = {"fields": {name: _encode(getattr(value, name), name, arrays) for name in names}}
    else:
        tree = _encode(value, "value", arrays)
    return arrays, {"type": type_name, "value": tree}


def decode(arrays: Mapping[str, Array], header: Mapping[str, Any], python_class: Any) -> Any:
    """Put a value of `python_class` together again. The arrays are used as they are, not copied.

    Raises TypeError or ValueError where header, arrays and class do not fit together.
    """
    expected = get_origin(python_class) or python_class
    left = dict(arrays)
    tree = header.get("value")
    names = field_names(expected)
    if names:
        fields = _only(tree, "fields")
        if not isinstance(fields, dict) or set(fields) != set(names):
            raise TypeError(f"the stored fields are not those of {expected.__name__}: {', '.join(names)}")
        value = expected(**{name: _decode(fields[name], left) for name in names})
    else:
        value = _decode(tree, left)
    if type(value) is not expected:
        raise TypeError(f"a stored {type(value).__name__} where {expected.__name__} was expected")
    if left:
        raise ValueError(f"the stored array {min(left)!r} belongs to nothing")
    return value


def _encode(value: Any, where: str, arrays: dict[str, Array]) -> Any:
    kind = type(value)
    if kind is float and not math.isfinite(value):
        return {"float": repr(value)}
    if kind in SCALARS:
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.name not in DTYPES:
            raise TypeError(f"{where}: an array of {value.dtype} cannot be stored")
        arrays[where] = np.asarray(value, dtype=value.dtype.newbyteorder("="), order="C")
        return {"array": where}
    if kind is list or kind is tuple:
        return {kind.__name__: [_encode(item, f"{where}.{i}", arrays) for i, item in enumerate(value)]}
    raise TypeError(f"{where}: a {kind.__name__} cannot be stored")


def _decode(tree: Any, left: dict[str, Array]) -> Any:
    if not isinstance(tree, dict):
        if type(tree) in SCALARS:
            return tree
        raise TypeError("a stored list without its kind")
    kind, content = next(iter(tree.items()), ("nothing", None))
    if len(tree) == 1 and kind == "array" and isinstance(content, str):
        if content not in left:
            raise ValueError(f"the stored array {content!r} is missing")
        return left.pop(content)
    if len(tree) == 1 and kind in ("list", "tuple") and isinstance(content, list):
        items = [_decode(item, left) for item in content]
        return items if kind == "list" else tuple(items)
    if len(tree) == 1 and kind == "float" and content in ("nan", "inf", "-inf"):
        return float(content)
    raise TypeError(f"a stored {kind!r} that means nothing")


def _only(tree: Any, key: str) -> Any:
    return tree[key] if isinstance(tree, dict) and set(tree) == {key} else None
