"""`@node`: a typed Python function becomes a node type.

Positional parameters with a wire type are input ports, keyword-only ones with a plain type are params
(inputs with a widget), the return annotation names the output ports, and the docstring is the help text:

    @node(title="Blend", group="Picture")
    def blend(image: Image, over: Image | None = None, *,
              amount: Annotated[float, Range(0.0, 1.0), "How much of the second picture."] = 0.5) -> Image:
        '''Mix two pictures.'''

Parameters annotated with a class of `graph.context` are filled in by the run.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar, get_args, get_origin

from graph.context import Environment, OutputFolder, Progress, RunRecord, Wanted
from graph.types import WireType, wire_of

Function = TypeVar("Function", bound=Callable[..., Any])

__all__ = [
    "Choices",
    "Complaint",
    "Environment",
    "File",
    "Fixed",
    "Multiline",
    "NodeType",
    "OutputFolder",
    "Param",
    "Port",
    "Progress",
    "Range",
    "RunRecord",
    "Seed",
    "Storable",
    "Wanted",
    "Wiring",
    "node",
]


@dataclass(frozen=True)
class Range:
    """The smallest and largest value of a number (of each item of a list)."""

    low: float
    high: float
    step: float | None = None


@dataclass(frozen=True, init=False)
class Choices:
    """The values that a param may have; the first is the default, unless that is None."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class Multiline:
    """A text that deserves a text area."""


@dataclass(frozen=True)
class Seed:
    """A number that a person wants to roll and to lock."""


@dataclass(frozen=True)
class File:
    """A path of a file to read; the node gets a `graph.files.LocalFile`, or None where it is empty."""

    kind: str
    """"image", "mask" or "tensors": what the widget offers."""


@dataclass(frozen=True)
class Fixed:
    """May be linked to a constant only, because planning needs the value."""


@dataclass(frozen=True)
class Storable:
    """On an input of any type: takes every type but handles."""


@dataclass(frozen=True)
class Port:
    """An input or output that carries a wire type."""

    name: str
    type: WireType
    help: str = ""
    required: bool = True
    many: bool = False
    """A list port: takes several links, in order."""
    handles: bool = True
    """Whether a port of any type takes handles as well."""


@dataclass(frozen=True)
class Param:
    """An input with a widget."""

    name: str
    type: WireType
    default: Any
    help: str = ""
    many: bool = False
    range: Range | None = None
    choices: tuple[str, ...] = ()
    file: File | None = None
    fixed: bool = False
    widget: str = "plain"

    @property
    def nullable(self) -> bool:
        """Whether it may be null, which stands for what the node finds best."""
        return self.default is None


@dataclass(frozen=True)
class Complaint:
    """What a node's own check found: a port or param, what is wrong, and what was expected."""

    where: str
    message: str
    expected: str = ""


@dataclass(frozen=True)
class Wiring:
    """What planning knows of one node before anything runs."""

    params: Mapping[str, Any]
    """Params by name; those linked to something that has yet to run are absent."""
    values: Mapping[str, Any]
    """Inputs whose value is known already: handles and constants."""
    linked: frozenset[str]
    """The ports and params that have a link."""


@dataclass(frozen=True, eq=False)
class NodeType:
    """Everything the engine knows of a node type."""

    id: str
    title: str
    group: str
    version: int
    help: str
    function: Callable[..., Any]
    inputs: Mapping[str, Port]
    params: Mapping[str, Param]
    outputs: Mapping[str, Port]
    wants: Mapping[str, type]
    """Parameters that the run fills in, by name, with the class they are annotated with."""
    returns_tuple: bool
    effects: bool
    folds: bool
    io: bool
    resolve: Callable[[Wiring], Mapping[str, Any]] | None
    check: Callable[[Wiring], Iterable[Complaint]] | None
    uses: Callable[[str, Wiring], Iterable[str]] | None
    types: Callable[[Wiring], Mapping[str, WireType]] | None
    migrations: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]

    # Planning asks for these once for every node of a workflow.

    @cached_property
    def makes_handles(self) -> bool:
        """Whether an output is a handle, which planning has to know."""
        return any(port.type.handle for port in self.outputs.values())

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The value of each param that is neither written nor linked."""
        return {name: param.default for name, param in self.params.items()}

    @cached_property
    def required(self) -> tuple[Port, ...]:
        """The inputs that must be linked."""
        return tuple(port for port in self.inputs.values() if port.required)

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The params that are paths of files."""
        return tuple(name for name, param in self.params.items() if param.file is not None)

    @cached_property
    def output_types(self) -> dict[str, WireType]:
        """The declared type of each output."""
        return {name: port.type for name, port in self.outputs.items()}

    @cached_property
    def all_outputs(self) -> frozenset[str]:
        """The names of the outputs."""
        return frozenset(self.outputs)


def node(
    *,
    title: str,
    group: str,
    version: int = 1,
    id: str | None = None,
    effects: bool = False,
    folds: bool = False,
    io: bool = False,
    resolve: Callable[[Wiring], Mapping[str, Any]] | None = None,
    check: Callable[[Wiring], Iterable[Complaint]] | None = None,
    uses: Callable[[str, Wiring], Iterable[str]] | None = None,
    types: Callable[[Wiring], Mapping[str, WireType]] | None = None,
    migrations: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] | None = None,
) -> Callable[[Function], Function]:
    """Make a node type of a function; the function stays as it is and can be called directly.

    Args:
        title: what people see.
        group: where the palette shows it.
        version: counts up whenever the meaning of its inputs, params or outputs changes.
        id: the type's id in files; the function's name if left out.
        effects: it acts on the world (saves, shows), so it always runs and its outputs are not cached.
        folds: it runs while planning if its params are constants; one that makes handles always does.
        io: it waits more than it computes, so it may run beside other nodes.
        resolve: gives the values of params that are null, from what planning knows.
        check: finds what the types cannot say ("this checkpoint needs a mask").
        uses: the inputs and params that one output depends on; all of them if left out.
        types: the types of outputs that only a file can tell.
        migrations: version -> function that turns a node (as in the file) of that version into the next.

    Raises:
        TypeError: when the signature cannot be a node.
    """

    def declare(function: Function) -> Function:
        inputs, params, wants = _read_parameters(function)
        outputs, returns_tuple = _read_outputs(function)
        declared = NodeType(
            id=id or function.__name__,
            title=title,
            group=group,
            version=version,
            help=inspect.cleandoc(function.__doc__ or ""),
            function=function,
            inputs=inputs,
            params=params,
            outputs=outputs,
            wants=wants,
            returns_tuple=returns_tuple,
            effects=effects,
            folds=folds,
            io=io,
            resolve=resolve,
            check=check,
            uses=uses,
            types=types,
            migrations=dict(migrations or {}),
        )
        function.node_type = declared  # type: ignore[attr-defined]
        return function

    return declare


_INJECTED = {Progress, OutputFolder, Environment, RunRecord, Wanted}


def _read_parameters(
    function: Callable[..., Any],
) -> tuple[dict[str, Port], dict[str, Param], dict[str, type]]:
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


def _read_outputs(function: Callable[..., Any]) -> tuple[dict[str, Port], bool]:
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
            file=self._extra(File),
            fixed=self._extra(Fixed) is not None or self._extra(File) is not None,
            widget=next((widgets[type(e)] for e in self.extras if type(e) in widgets), "plain"),
        )
