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
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from graph.context import Environment, OutputFolder, Progress, RunRecord, Wanted
from graph.nodetypes.node_type import (
    Choices,
    Complaint,
    File,
    Fixed,
    Multiline,
    NodeType,
    Param,
    Port,
    Range,
    Required,
    Seed,
    Storable,
    Wiring,
)
from graph.nodetypes.signature import read_outputs, read_parameters
from graph.types import WireType

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
    "Required",
    "RunRecord",
    "Seed",
    "Storable",
    "Wanted",
    "Wiring",
    "node",
]

Function = TypeVar("Function", bound=Callable[..., Any])


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
    unused: Callable[[str, Wiring], Iterable[str]] | None = None,
    types: Callable[[Wiring], Mapping[str, WireType]] | None = None,
    facts: Callable[[Wiring], Mapping[str, Any]] | None = None,
    migrations: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] | None = None,
    uses: object = None,
) -> Callable[[Function], Function]:
    """Make a node type of a function; the function stays as it is and can be called directly.

    Args:
        title: what people see.
        group: where the palette shows it.
        version: counts up whenever the meaning of its inputs, params or outputs changes.
        id: the type's id in files; the function's name if left out.
        effects: it acts on the world (saves, shows), so it always runs and its outputs are not cached.
        folds: it runs while planning if its params and inputs are known then (constants and handles); one
            that makes handles always does.
        io: it waits more than it computes, so it may run beside other nodes.
        resolve: gives the values of params that are null, from what planning knows.
        check: finds what the types cannot say ("this checkpoint needs a mask").
        unused: the inputs and params that do not matter for one output; all matter if left out. They must
            have defaults, which is what the function gets where no wanted output uses them.
        types: the types of outputs that only a file can tell.
        facts: what is known of outputs before they are made, for the checks of nodes that they are linked to;
            a node that passes on any type passes facts on, too.
        migrations: version -> function that turns a node (as in the file) of that version into the next.

        uses: refused: the first edition listed what does matter, and a new param was easily forgotten.

    Raises:
        TypeError: when the signature cannot be a node.
    """

    def declare(function: Function) -> Function:
        if uses is not None:
            raise TypeError(
                f"{function.__name__}: uses= is not known any more; state what does not matter for an output "
                f"instead: unused=lambda port, wiring: ('mask',) if port == 'image' else ()"
            )
        inputs, params, wants = read_parameters(function)
        outputs, returns_tuple = read_outputs(function)
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
            without_default=_without_default(function, inputs),
            wants=wants,
            returns_tuple=returns_tuple,
            effects=effects,
            folds=folds,
            io=io,
            resolve=resolve,
            check=check,
            unused=unused,
            types=types,
            facts=facts,
            migrations=dict(migrations or {}),
        )
        function.node_type = declared  # type: ignore[attr-defined]
        return function

    return declare


def _without_default(function: Callable[..., Any], inputs: Iterable[str]) -> frozenset[str]:
    parameters = inspect.signature(function).parameters
    return frozenset(name for name in inputs if parameters[name].default is inspect.Parameter.empty)
