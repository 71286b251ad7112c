"""How wire types are declared, and which output fits which input.

A wire type is a class with a name, a colour and one sentence of help. The engine knows four of its own
(`string`, `int`, `float`, `bool`); everything else is declared by the rooms above with `wire`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
"""In a node's annotations: any one wire type, the same at every place in that node."""

Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class WireType:
    """A kind of value that travels on wires."""

    name: str
    title: str
    colour: str
    help: str
    python: type
    handle: bool = False
    """A handle stands for something outside (weights); it is made while planning and never stored."""
    look: Callable[[Any], bytes] | None = None
    """Makes a small JPEG or WebP of a value; None where there is nothing to see."""

    def fits(self, target: WireType) -> bool:
        """Whether an output of this type may be linked to an input of type `target`."""
        return target in (self, ANY) or (self.name == "int" and target.name == "float")

    def adapt(self, value: Any) -> Any:
        """What a wire of a type that fits brings, as a value of this type: an `int` becomes a `float`."""
        return float(value) if self.name == "float" and type(value) is int else value


_BY_NAME: dict[str, WireType] = {}
_BY_CLASS: dict[type, WireType] = {}


def wire(
    *,
    name: str,
    title: str,
    colour: str,
    help: str,
    handle: bool = False,
    look: Callable[[Any], bytes] | None = None,
) -> Callable[[Class], Class]:
    """Class decorator: values of this class travel on wires of type `name`.

    Raises:
        ValueError: when another class already has that name.
    """

    def declare(python: Class) -> Class:
        known = _BY_NAME.get(name)
        if known and (known.python.__module__, known.python.__qualname__) != (
            python.__module__,
            python.__qualname__,
        ):
            raise ValueError(f"wire type {name!r} is already declared by {known.python.__module__}")
        _BY_NAME[name] = _BY_CLASS[python] = WireType(name, title, colour, help, python, handle, look)
        return python

    return declare


ANY = WireType("any", "Any", "#8a8f98", "Any one type; what comes out is what went in.", object)

for _python, _name, _title, _colour, _help in (
    (str, "string", "Text", "#4f9d69", "A piece of text."),
    (int, "int", "Whole number", "#5b7fd6", "A whole number; fits where a number is wanted."),
    (float, "float", "Number", "#3fa7c4", "A number."),
    (bool, "bool", "Switch", "#a8729b", "Yes or no."),
):
    wire(name=_name, title=_title, colour=_colour, help=_help)(_python)


def wire_of(python: Any) -> WireType | None:
    """The wire type that a class (or `T`) was declared as, None for any other annotation."""
    if python is T:
        return ANY
    return _BY_CLASS.get(python) if isinstance(python, type) else None


def wire_of_value(value: object) -> WireType | None:
    """The wire type of a value: the exact class counts, so that True is a `bool` and not an `int`."""
    return _BY_CLASS.get(type(value))


def wire_types() -> dict[str, WireType]:
    """Every declared wire type by name."""
    return dict(_BY_NAME)
