"""How wire types are declared, and which output fits which input.

A wire type is a class with a name, a colour and one sentence of help. The engine knows four of its own
(`string`, `int`, `float`, `bool`); everything else is declared by the rooms above with `wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
"""In a node's annotations: any one wire type, the same at every place in that node."""

Class = TypeVar("Class", bound=type)


class Handle(Protocol):
    """What the engine reads of a handle, the value of a wire type that is declared with `handle=True`."""

    @property
    def device(self) -> str:
        """Where it computes: one node at a time works on a device."""

    @property
    def cache_key(self) -> str:
        """What results that are made with it depend on: everything but where it lies and computes."""

    @property
    def description(self) -> str:
        """What it is, for people; "" says nothing. May raise ValueError or OSError."""

    @property
    def code(self) -> Sequence[str]:
        """The modules that work with it and are looked up by name: no import statement leads to them."""


_OF_A_HANDLE = ("device", "cache_key", "description", "code")


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
        TypeError: when a handle lacks what `Handle` states.
    """

    def declare(python: Class) -> Class:
        known = _BY_NAME.get(name)
        if known and (known.python.__module__, known.python.__qualname__) != (
            python.__module__,
            python.__qualname__,
        ):
            raise ValueError(f"wire type {name!r} is already declared by {known.python.__module__}")
        missing = [part for part in _OF_A_HANDLE if not _states(python, part)] if handle else []
        if missing:
            raise TypeError(
                f"{python.__qualname__} is a handle without {', '.join(missing)}: expected what "
                f"graph.types.Handle states"
            )
        _BY_NAME[name] = _BY_CLASS[python] = WireType(name, title, colour, help, python, handle, look)
        return python

    return declare


def _states(python: type, part: str) -> bool:
    """Whether a class has an attribute: of its own, or as a field of its instances."""
    return hasattr(python, part) or any(
        part in getattr(base, "__annotations__", ()) for base in python.__mro__
    )


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
