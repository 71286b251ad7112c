"""A function's signature read as ports and params: the annotations say it all."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from graph.context import Environment, OutputFolder, Progress, RunRecord, Wanted
from graph.nodetypes.node_type import (
    Choices,
    File,
    Fixed,
    Multiline,
    Param,
    Port,
    Range,
    Required,
    Seed,
    Storable,
)
from graph.types import WireType, wire_of

_INJECTED = {Progress, OutputFolder, Environment, RunRecord, Wanted}


def read_parameters(
    function: Callable[..., Any],
) -> tuple[dict[str, Port], dict[str, Param], dict[str, type]]:
    """The input ports, the params, and what the run fills in.

    Raises:
        TypeError: for a parameter that is none of these.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    inputs: dict[str, Port] = {}
    params: dict[str, Param] = {}
    wants: dict[str, type] = {}
    for parameter in inspect.signature(function).parameters.values():
        name = parameter.name
        if name not in hints:
            raise TypeError(f"{function.__name__}: parameter {name!r} has no annotation")
        required = parameter.default is parameter.empty
        if hints[name] in _INJECTED:
            wants[name] = hints[name]
            continue
        annotation = _Annotation.read(hints[name])
        if parameter.kind is parameter.KEYWORD_ONLY and annotation.plain:
            params[name] = annotation.param(name, parameter.default)
            complaint = _wrong_default(params[name], annotation, parameter)
            if complaint:
                raise TypeError(f"{function.__name__}: param {name!r} {complaint}")
        elif annotation.wire is not None:
            inputs[name] = annotation.port(name, required)
        else:
            raise TypeError(f"{function.__name__}: {name!r} has no wire type: {hints[name]}")
    return inputs, params, wants


def _wrong_default(param: Param, annotation: _Annotation, parameter: inspect.Parameter) -> str | None:
    """What is wrong with a param's default: in a file, null stands for it and the first choice is it."""
    if parameter.default is parameter.empty:
        return "needs a default"
    if annotation.nullable != (param.default is None):
        return "must have None as its default, and be annotated so, if it may be None"
    if param.choices and param.default not in (None, param.choices[0]):
        return "must have its first choice as its default"
    return None


def read_outputs(function: Callable[..., Any]) -> tuple[dict[str, Port], bool]:
    """The output ports, and whether they are the fields of a tuple.

    Raises:
        TypeError: for a return annotation that has no wire type.
    """
    returned = typing.get_type_hints(function, include_extras=True).get("return", type(None))
    if returned is type(None):
        return {}, False
    if isinstance(returned, type) and issubclass(returned, tuple) and hasattr(returned, "_fields"):
        hints = typing.get_type_hints(returned, include_extras=True)
        return {name: _output(function, name, hints[name]) for name in returned._fields}, True
    annotation = _Annotation.read(returned)
    if annotation.wire is None:
        raise TypeError(f"{function.__name__}: the return annotation has no wire type: {returned}")
    return {annotation.wire.name: _output(function, annotation.wire.name, returned)}, False


def _output(function: Callable[..., Any], name: str, hint: Any) -> Port:
    annotation = _Annotation.read(hint)
    if annotation.wire is None:
        raise TypeError(f"{function.__name__}: output {name!r} has no wire type: {hint}")
    return Port(name, annotation.wire, annotation.help, required=not annotation.nullable)


@dataclass(frozen=True)
class _Annotation:
    """An annotation taken apart: `Annotated[list[float] | None, Range(0, 1), "help"]`."""

    wire: WireType | None
    many: bool
    nullable: bool
    extras: tuple[Any, ...]

    @classmethod
    def read(cls, hint: Any) -> _Annotation:
        extras: tuple[Any, ...] = ()
        if get_origin(hint) is Annotated:
            hint, *rest = get_args(hint)
            extras = tuple(rest)
        nullable = get_origin(hint) in (typing.Union, types.UnionType) and type(None) in get_args(hint)
        if nullable:
            rest = [arg for arg in get_args(hint) if arg is not type(None)]
            hint = rest[0] if len(rest) == 1 else None
        choices = next((extra for extra in extras if isinstance(extra, Choices)), None)
        if choices is not None and {type(value) for value in choices.values} == set(get_args(hint)):
            hint = type(choices.values[0])  # several kinds of values, each of them listed
        many = get_origin(hint) is list
        if many:
            (hint,) = get_args(hint)
        return cls(wire_of(hint), many, nullable, extras)

    @property
    def plain(self) -> bool:
        return self.wire is not None and self.wire.name in ("string", "int", "float", "bool")

    @property
    def help(self) -> str:
        return " ".join(extra for extra in self.extras if isinstance(extra, str))

    def _extra(self, kind: Any) -> Any:
        return next((extra for extra in self.extras if isinstance(extra, kind)), None)

    def port(self, name: str, required: bool) -> Port:
        assert self.wire is not None
        handles = not any(isinstance(extra, Storable) for extra in self.extras)
        required = required or self._extra(Required) is not None
        return Port(name, self.wire, self.help, required, self.many, handles)

    def param(self, name: str, default: Any) -> Param:
        assert self.wire is not None
        choices = self._extra(Choices)
        widgets = {Multiline: "multiline", Seed: "seed", File: "file", Choices: "choices"}
        return Param(
            name=name,
            type=self.wire,
            default=default,
            help=self.help,
            many=self.many,
            range=self._extra(Range),
            choices=choices.values if choices else (),
            labels=choices.labels if choices else (),
            file=self._extra(File),
            fixed=self._extra(Fixed) is not None or self._extra(File) is not None,
            widget=next((widgets[type(e)] for e in self.extras if type(e) in widgets), "plain"),
        )
