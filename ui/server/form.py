"""The form: a workflow's interface for those who want no wires."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from html import escape
from inspect import Parameter, Signature
from typing import Any

import gradio as gr

from graph.node import Param
from graph.workflow.file import Workflow
from graph.workflow.json_text import excerpt, read
from ui.server.access_guard import owner_of
from ui.server.calls import CallRefused, Calls, Picture, given_back
from ui.server.markdown import to_html
from ui.server.workflow_requests import LARGE_NODES, work
from ui.studio.event_log import Event
from ui.studio.interface import Field, fields, outputs
from ui.studio.runs import UnknownRun
from ui.studio.studio import Studio
from ui.studio.templates import FIRST, templates

MOST_SLIDER_STEPS = 200
"""A slider with more steps than this cannot be set to the one that is meant."""

_EMPTY = "empty: what the checkpoint recommends"
_LINKS = '<nav class="form-links" aria-label="Pages"><a href="./">Canvas</a></nav>'

CSS = """
#form { max-width: 1100px; margin: 0 auto; padding: 16px; }
.form-links { display: flex; gap: 16px; justify-content: flex-end; }
/* However long the form is, Run and what it makes stay in sight; in what hides its overflow nothing would. */
.gradio-container { overflow: clip !important; }
.form-run { position: sticky; bottom: 0; z-index: 1000; padding: 8px 0;
  background: var(--body-background-fill); }
.form-results { position: sticky; top: 8px; align-self: flex-start; }
.form-status { min-height: 3em; }
.form-status progress { width: 100%; }
.form-status img { max-width: 256px; width: 100%; image-rendering: auto; border-radius: 6px; }
.form-pictures { display: flex; flex-wrap: wrap; gap: 12px; }
.form-pictures figure { margin: 0; max-width: 100%; }
.form-pictures img { max-width: 100%; max-height: 70vh; border-radius: 6px; display: block; }
.form-problem { color: var(--error-text-color); }
"""


def form(blocks: gr.Blocks, studio: Studio, calls: Calls) -> None:
    """The page: which workflow, then its form."""
    with gr.Column(elem_id="form"):
        gr.HTML(_LINKS)
        chosen = gr.Dropdown(label="Workflow", choices=[], value=None, interactive=True)

        def choose(request: gr.Request) -> Any:
            choices, value = _choices(studio, calls, request)
            return gr.Dropdown(choices=choices, value=value)

        blocks.load(choose, outputs=chosen, show_progress="hidden", api_visibility="private")

        @gr.render(inputs=chosen, triggers=[chosen.change], show_progress="hidden")
        def show(name: str | None, request: gr.Request) -> None:
            if not name:
                return
            owner = owner_of(request)
            try:
                workflow = calls.find(owner, name)
            except Exception as error:
                gr.HTML(_problem(str(calls.refused(owner, error))))
                return
            _show(studio, calls, workflow)


def _choices(studio: Studio, calls: Calls, request: gr.Request) -> tuple[list[tuple[str, str]], str]:
    """What can be chosen, and what is chosen first."""
    owner = owner_of(request)
    choices = [(template.title, f"template:{template.id}") for template in templates()]
    choices += [(saved.name, f"saved:{saved.name}") for saved in studio.library(owner).saved()]
    draft = f"draft:{request.query_params.get('draft', '')}"
    try:
        workflow = calls.find(owner, draft)
    except CallRefused:
        return choices, f"template:{FIRST}"
    return [(f"{workflow.name or 'Workflow'} (as it is on the canvas)", draft), *choices], draft


def _show(studio: Studio, calls: Calls, workflow: Workflow) -> None:
    known = fields(workflow, studio.catalogue)
    titles = {output.name: output.title for output in outputs(workflow, studio.catalogue)}
    gr.HTML(f"<h2>{escape(workflow.name or 'Workflow')}</h2>{to_html(workflow.description)}")
    with gr.Row():
        with gr.Column():
            widgets = [_widget(field) for field in known]
            if not known:
                gr.Markdown(
                    "The form of this workflow is empty: its author puts params on it, on the canvas."
                )
            with gr.Row(elem_classes="form-run"):
                start = gr.Button("Run", variant="primary")
                stop = gr.Button("Cancel", interactive=False)
        with gr.Column(elem_classes="form-results"):
            status = gr.HTML(_status(""))
            given = gr.HTML("")
    run = gr.State("")
    start.click(
        _runner(calls, workflow, known, titles),
        inputs=widgets,
        outputs=[run, status, given, start, stop],
        preprocess=False,
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )

    def cancel(id: str, request: gr.Request) -> None:
        try:
            calls.cancel(owner_of(request), id)
        except UnknownRun as unknown:
            gr.Warning(str(unknown))

    stop.click(cancel, inputs=run, show_progress="hidden", concurrency_limit=None, api_visibility="private")


def _widget(field: Field) -> gr.components.Component:
    """The widget of a field, made from its param."""
    param, title, help = field.param, field.title, field.help
    if param.nullable:
        help = help if "recommend" in help else f"{help} ({_EMPTY})"
    if param.many:
        value = "" if not field.value else json.dumps(field.value)[1:-1]
        return gr.Textbox(value, label=title, info=f"{help} Numbers with commas between.", interactive=True)
    if param.file is not None and param.file.kind in ("image", "mask"):
        return _picture(field)
    if param.choices:
        choices = [(label, _text(choice)) for label, choice in _labelled(param)]
        choices = [("as the checkpoint recommends", ""), *choices] if param.nullable else choices
        value = "" if field.value is None else _text(field.value)
        return gr.Dropdown(choices, value=value, label=title, info=help, interactive=True)
    if param.type.name == "bool":
        return gr.Checkbox(bool(field.value), label=title, info=help, interactive=True)
    if param.type.name == "string":
        lines = 3 if param.widget == "multiline" else 1
        return gr.Textbox(field.value, label=title, info=help, lines=lines, max_lines=12, interactive=True)
    return _number(field, help)


def _number(field: Field, help: str) -> gr.components.Component:
    param = field.param
    if param.nullable:  # Gradio's number shows 0 where it is empty
        value = "" if field.value is None else f"{field.value}"
        return gr.Textbox(
            value, label=field.title, info=help, placeholder="as the checkpoint recommends", interactive=True
        )
    whole = param.type.name == "int"
    low, high = (param.range.low, param.range.high) if param.range else (None, None)
    step = (param.range.step if param.range else None) or (1 if whole else 0.01)
    if low is not None and high is not None and (high - low) / step <= MOST_SLIDER_STEPS:
        return gr.Slider(
            low, high, value=field.value, step=step, label=field.title, info=help, interactive=True
        )
    return gr.Number(
        field.value,
        label=field.title,
        info=help,
        minimum=low,
        maximum=high,
        step=step,
        precision=0 if whole else None,
        interactive=True,
    )


def _picture(field: Field) -> gr.components.Component:
    """A place for a picture; left empty, the workflow's own is taken, which is shown above it."""
    if isinstance(field.value, str) and field.value:
        kind, colon, rest = field.value.partition(":")
        own = (
            f"kandinsky/picture/{rest}"
            if colon and kind == "sha256"
            else f"kandinsky/template/picture/{kind}"
        )
        shown = f'<img src="{escape(own)}" alt="" style="max-height: 96px; border-radius: 6px">'
        gr.HTML(f"{escape(field.title)}, as long as there is no other: {shown}")
    label = f"{field.title}: {field.help}" if field.help else field.title
    return gr.Image(
        label=label, type="filepath", sources=["upload", "clipboard"], height=240, interactive=True
    )


def _runner(
    calls: Calls, workflow: Workflow, known: list[Field], titles: dict[str, str]
) -> Callable[..., AsyncIterator[list[Any]]]:
    """What Run does: start, show how far it is, show what came out."""

    async def run(*arguments: Any) -> AsyncIterator[list[Any]]:
        *given, request = arguments
        owner = owner_of(request)
        idle = [gr.Button(interactive=True), gr.Button(interactive=False)]
        try:
            values = {field.name: _value(field, value) for field, value in zip(known, given, strict=True)}
            id = await work(len(workflow.nodes) > LARGE_NODES, calls.start, owner, workflow, values)
        except Exception as error:
            yield ["", _problem(str(calls.refused(owner, error))), gr.skip(), *idle]
            return
        busy = [gr.Button(interactive=False), gr.Button(interactive=True)]
        yield [id, _status("Starting…"), gr.skip(), *busy]
        progress = _Progress()
        async for events in calls.follow(owner, id):
            for event in events:
                progress.see(event)
            done = events[-1]
            if done["event"] == "done":
                back = _pictures(given_back(done), titles) if done["status"] == "ok" else gr.skip()
                yield ["", progress.html(), back, *idle]
            else:
                yield [id, progress.html(), gr.skip(), *busy]

    return _with_request(run, len(known))


def _with_request(function: Any, count: int) -> Any:
    """Tell Gradio that the function takes so many values, and then the request."""
    kind = Parameter.POSITIONAL_OR_KEYWORD
    parameters = [Parameter(f"value_{number}", kind) for number in range(count)]
    function.__signature__ = Signature([*parameters, Parameter("request", kind, annotation=gr.Request)])
    function.__annotations__ = {"request": gr.Request}
    return function


def _value(field: Field, value: Any) -> Any:
    """What a widget says, as a value of the param: lists and numbers may come as text."""
    if isinstance(value, str) and field.param.choices and not field.param.many:
        return next((choice for choice in field.param.choices if _text(choice) == value), value)
    if isinstance(value, str) and field.param.many:
        return read(f"[{value}]")
    if isinstance(value, str) and field.param.type.name in ("int", "float"):
        try:
            return json.loads(value) if value.strip() else None
        except ValueError:
            return value  # which is told to be no number
    return value


def _labelled(param: Param) -> list[tuple[str, str | bool]]:
    """The choices of a param, each with what people read."""
    return list(zip(param.labels or map(_text, param.choices), param.choices, strict=True))


def _text(choice: Any) -> str:
    """A choice as the text that stands for it in a widget."""
    return choice if isinstance(choice, str) else json.dumps(choice)


class _Progress:
    """How far a run is, in one line, with the newest preview."""

    def __init__(self) -> None:
        self.line = "Starting…"
        self.share: float | None = None
        self.preview = ""
        self.errors: list[str] = []

    def see(self, event: Event) -> None:
        """Take note of an event."""
        kind = event["event"]
        if kind == "queued" and event["position"]:
            before = event["position"]
            self.line = f"Waiting: {before} {'run is' if before == 1 else 'runs are'} before this one."
        elif kind == "started":
            self.line, self.share = f"{event['node']}…", None
        elif kind == "progress":
            self.line = f"{event['node']}: step {event['step']} of {event['steps']}"
            self.share = event["step"] / max(event["steps"], 1)
            self.preview = event.get("preview") or self.preview
        elif kind == "failed":
            self.errors.append(f"{event['node']}: {event['error']}")
        elif kind == "done":
            self.preview, self.share = "", None
            words = {"ok": "Done in", "failed": "Failed after", "cancelled": "Cancelled after"}
            self.line = f"{words[event['status']]} {event['seconds']:.1f} s."
            if event.get("error") and not self.errors:
                self.errors.append(event["error"])

    def html(self) -> str:
        """As the page shows it."""
        share = "" if self.share is None else f'<progress value="{self.share:.3f}" max="1"></progress>'
        picture = ""
        if self.preview:
            kind = "webp" if self.preview.startswith("UklG") else "jpeg"
            source = f"data:image/{kind};base64,{self.preview}"
            picture = f'<img src="{source}" alt="How the picture looks so far">'
        errors = "".join(f'<p class="form-problem">{escape(error)}</p>' for error in self.errors)
        return _status(f"<p>{escape(self.line)}</p>{share}{errors}{picture}")


def _status(content: str) -> str:
    return f'<div class="form-status" role="status" aria-live="polite">{content}</div>'


def _problem(message: str) -> str:
    return f'<div class="form-status form-problem" role="alert">{escape(message)}</div>'


def _pictures(back: dict[str, Any], titles: dict[str, str]) -> str:
    """The outputs: pictures as they are, values as text."""
    parts = []
    for name, value in back.items():
        title = escape(titles.get(name, name))
        if isinstance(value, list) and all(isinstance(item, Picture) for item in value):
            figures = "".join(map(_figure, value))
            parts.append(f'<h3>{title}</h3><div class="form-pictures">{figures}</div>')
        elif not isinstance(value, dict):
            parts.append(f"<p>{title}: {escape(excerpt(value))}</p>")
    return "".join(parts)


def _figure(picture: Picture) -> str:
    # Below wherever the page is: a proxy may have put it somewhere else.
    address, name = escape(picture.url.lstrip("/")), escape(picture.name)
    if not name.endswith((".png", ".webp", ".jpeg")):
        return f'<a href="{address}" download="{name}">{name}</a>'
    return f'<figure><a href="{address}" target="_blank"><img src="{address}" alt="{name}"></a></figure>'
