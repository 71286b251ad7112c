"""Workflows as Gradio endpoints: `/text_to_image(prompt, seed, ...)`, typed by their interface.

"Use via API" shows them with Python, JavaScript and curl; `gradio_client` calls them.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from inspect import Parameter, Signature, cleandoc
from itertools import count
from types import GenericAlias
from typing import Any, Literal

import gradio as gr

from graph.node import Param
from graph.problems import InvalidWorkflow
from graph.workflow import json_text
from graph.workflow.file import Workflow
from graph.workflow.literals import expected
from ui.server.access_guard import owner_of
from ui.server.calls import Calls, Picture
from ui.server.gradio_private import result_file
from ui.server.workflow_requests import LARGE_BYTES, LARGE_NODES, work
from ui.studio.deadline import TakesLong
from ui.studio.interface import Field, fields, outputs
from ui.studio.library import LibraryError
from ui.studio.owners import NOBODY, Owner
from ui.studio.studio import Studio
from ui.studio.templates import templates

_PYTHON = {"string": str, "int": int, "float": float, "bool": bool}
_REQUEST = "_request"
_OTHER_SITES = "A page of another site may call it where the server was started with --allow-origin SITE."


def add_endpoints(blocks: gr.Blocks, studio: Studio, calls: Calls) -> None:
    """Add an endpoint for every template and every workflow that is saved now, and `/run_workflow`.

    They stay as they are now. With a login, what lies directly in the folder of saved workflows is
    everybody's to call.
    """
    taken = {"run_workflow"}
    for name, workflow in _workflows(studio):
        endpoint = _free(_identifier(name), taken)
        function = _endpoint(studio, calls, workflow)
        made = gr.api(function, api_name=endpoint, api_description=function.__doc__, concurrency_limit=None)
        # Gradio calls them "1st", "2nd"...
        for component, field in zip(
            blocks.fns[made["id"]].inputs, fields(workflow, studio.catalogue), strict=True
        ):
            component.label = field.title
    gr.api(_run_workflow(studio, calls), api_name="run_workflow", concurrency_limit=None)


def _workflows(studio: Studio) -> Iterator[tuple[str, Workflow]]:
    for template in templates():
        yield template.id, studio.read(template.workflow)
    library = studio.library(NOBODY)
    for saved in sorted(library.saved(), key=lambda item: item.name):
        with suppress(InvalidWorkflow, LibraryError):
            yield saved.name, studio.read(library.load(saved.name).workflow)


def _endpoint(studio: Studio, calls: Calls, workflow: Workflow) -> Callable[..., Any]:
    """A function with the parameters that the workflow's interface has."""
    asked = fields(workflow, studio.catalogue)
    given_back = outputs(workflow, studio.catalogue)
    taken = {_REQUEST}
    parameters = [
        Parameter(
            _free(_identifier(field.name), taken),
            Parameter.POSITIONAL_OR_KEYWORD,
            default=field.value,
            annotation=_type_of(field.param),
        )
        for field in asked
    ]

    async def call(*arguments: Any) -> Any:
        request, *given = arguments
        values = dict(zip((field.name for field in asked), given, strict=True))
        found = await _called(calls, owner_of(request), workflow, values)
        back = [_plain(found.get(output.name)) for output in given_back]
        return back[0] if len(back) == 1 else tuple(back) or None

    request = Parameter(_REQUEST, Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
    kinds: Any = tuple(_PYTHON.get(output.type.name, Any) for output in given_back)
    back = kinds[0] if len(kinds) == 1 else GenericAlias(tuple, kinds) if kinds else None
    _shape(call, [request, *parameters], back)
    call.__doc__ = _description(workflow, parameters, asked)
    return call


def _run_workflow(studio: Studio, calls: Calls) -> Callable[..., Any]:
    """Any workflow: by name, or as the text of its file."""

    async def run_workflow(_request: gr.Request, workflow: str, inputs: str = "{}") -> dict[str, Any]:
        """Run a workflow: a template's or saved workflow's name, or the text of a workflow file.

        `inputs` is the text of a JSON object: values by interface name. Gives back an object of outputs by
        interface name; pictures are files.
        """
        owner = owner_of(_request)
        values = _json(inputs, "inputs")
        if not isinstance(values, dict):
            raise gr.Error("inputs must be the text of a JSON object", print_exception=False)
        large = len(workflow) > LARGE_BYTES
        try:
            found = await work(large, _found, studio, calls, owner, workflow)
        except TakesLong as long:
            raise gr.Error(str(long), print_exception=False) from None
        back = await _called(calls, owner, found, values)
        return {key: _plain(value) for key, value in back.items()}

    run_workflow.__doc__ = f"{cleandoc(run_workflow.__doc__ or '')}\n\n{_OTHER_SITES}"
    run_workflow.__annotations__ = {"_request": gr.Request, "workflow": str, "inputs": str, "return": dict}
    return run_workflow


def _found(studio: Studio, calls: Calls, owner: Owner, workflow: str) -> Workflow:
    try:
        if workflow.lstrip().startswith("{"):
            return studio.read(studio.take_assets(owner, _json(workflow, "workflow")))
        return calls.find(owner, workflow)
    except gr.Error:
        raise
    except Exception as error:
        raise gr.Error(str(calls.refused(owner, error)), print_exception=False) from None


async def _called(calls: Calls, owner: Owner, workflow: Workflow, values: dict[str, Any]) -> dict[str, Any]:
    """Run it and wait; what goes wrong is told as it is."""
    try:
        run = await work(len(workflow.nodes) > LARGE_NODES, calls.start, owner, workflow, values)
        return await calls.outputs(owner, run)
    except Exception as error:
        raise gr.Error(str(calls.refused(owner, error)), print_exception=False) from None


def _plain(value: Any) -> Any:
    """An output as JSON: one picture as a file, several as a list of files."""
    if not (isinstance(value, list) and all(isinstance(item, Picture) for item in value)):
        return value
    files = [result_file(item.id, item.name) for item in value]
    return files[0] if len(files) == 1 else files


def _type_of(param: Param) -> Any:
    """A param's type as Python has it; a file is named by text, or is a file that was uploaded."""
    kind: Any = Literal[param.choices] if param.choices else _PYTHON[param.type.name]
    kind = str | dict[str, Any] if param.file is not None else kind
    kind = list[kind] if param.many else kind
    return kind | None if param.nullable else kind


def _description(workflow: Workflow, parameters: list[Parameter], asked: list[Field]) -> str:
    lines = [workflow.description or workflow.name]
    for parameter, field in zip(parameters, asked, strict=True):
        what = f" ({expected(field.param)})" if field.param.range or field.param.choices else ""
        what = " (handle_file(...) or sha256:...)" if field.param.file is not None else what
        lines.append(f"- {parameter.name}: {field.help}{what}")
    return "\n".join([*lines, "", _OTHER_SITES])


def _shape(function: Any, parameters: list[Parameter], back: Any) -> None:
    """Make a function look as if it was written with these parameters."""
    function.__signature__ = Signature(parameters, return_annotation=back)
    function.__annotations__ = {item.name: item.annotation for item in parameters} | {"return": back}


def _json(text: str, what: str) -> Any:
    try:
        return json_text.read(text)
    except json_text.JsonRefused as refused:
        raise gr.Error(f"{what}: {refused}", print_exception=False) from None


def _identifier(name: str) -> str:
    """The name with what Python names cannot have replaced."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII).lower() or "_"
    return f"_{plain}" if plain[0].isdigit() or keyword.iskeyword(plain) else plain


def _free(name: str, taken: set[str]) -> str:
    """The name, or the next free one like it; it is taken then."""
    names = (name if number == 1 else f"{name}_{number}" for number in count(1))
    free = next(candidate for candidate in names if candidate not in taken)
    taken.add(free)
    return free
