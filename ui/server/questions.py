"""What the browser may ask for, and the answers: the server's side of `frontend/src/core/bridge.ts`.

Each method takes who asks and the fields of the question, which anybody can fill with anything; it returns
what JSON can hold. What goes wrong is a `Refused` with one sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from inspect import signature
from typing import Any, get_type_hints

from graph.nodetypes.catalogue_json import describe
from graph.patience import interruptible, patiently
from graph.problems import InvalidWorkflow
from graph.workflow import json_text
from graph.workflow.file import Workflow, save
from graph.workflow.json_text import excerpt
from ui.server.calls import CallRefused, Calls
from ui.studio.deadline import TakesLong
from ui.studio.edits import Edits, Superseded
from ui.studio.gallery import Result
from ui.studio.library import Conflict, LibraryError
from ui.studio.owners import Owner
from ui.studio.portable import with_pictures
from ui.studio.runs import QueueFull, UnknownRun
from ui.studio.studio import Studio
from ui.studio.templates import templates

QUESTIONS = (
    "hello",
    "plan",
    "start",
    "cancel",
    "active",
    "queue",
    "saved",
    "load",
    "save",
    "remove",
    "versions",
    "old_version",
    "file_text",
    "results",
    "result_workflow",
    "draft",
)
_NO_PLAN: dict[str, Any] = {"problems": [], "nodes": {}, "because": {}}
BASE = "template"
"""Where relative paths start: the pictures of the templates are all there is."""


class Refused(Exception):
    """A question that has no answer; the message is one sentence for people."""


class Questions:
    """Answers questions about a studio."""

    def __init__(self, studio: Studio, calls: Calls) -> None:
        self._studio = studio
        self._calls = calls
        self._edits = Edits()

    def answer(self, question: str, owner: Owner, fields: dict[str, Any]) -> Any:
        """The answer to one of QUESTIONS.

        Raises:
            Refused: when there is none.
        """
        if question not in QUESTIONS:
            raise Refused(f"nobody can ask for {question[:40]!r} here")
        method = getattr(self, question)
        _check_fields(method, owner, fields)
        try:
            return method(owner, **fields)
        except (CallRefused, LibraryError, QueueFull, Refused, TakesLong, UnknownRun) as error:
            raise Refused(self._studio.discretion.text(owner, str(error))) from None
        except InvalidWorkflow as invalid:
            raise Refused(self._studio.discretion.text(owner, str(invalid.problems[0]))) from None

    def fault(self, owner: Owner, error: Exception) -> str:
        """What to say where answering went wrong in a way that nobody foresaw."""
        return self._studio.discretion.fault(owner, "the server could not answer", error)

    def hello(self, owner: Owner) -> dict[str, Any]:
        """What the canvas needs to begin."""
        self._studio.on_visit()
        return {
            "catalogue": describe(self._studio.catalogue),
            "templates": [
                {
                    "id": item.id,
                    "title": item.title,
                    "description": item.description,
                    "thumbnail": f"/kandinsky/template/{item.id}/thumbnail" if item.thumbnail else "",
                    "workflow": item.workflow,
                    "base": BASE,
                }
                for item in templates()
            ],
            "user": owner.user,
            "version": version("kandinsky-canvas"),
            "devices": _devices(),
            "downloads": self._studio.may_fetch(owner),
        }

    # Runs

    def plan(
        self, owner: Owner, workflow: Any, base: str = "", to: str | None = None, tab: str = ""
    ) -> dict[str, Any]:
        """What would run; nothing, where a newer edit of the same tab is asked for meanwhile."""
        del base  # there is one place only where relative paths start
        try:
            with interruptible(self._edits.begin(owner.id, tab)):
                read = self._studio.read(workflow)
                nodes, because = self._studio.plan(owner, read, to)
                return {"problems": [], "nodes": nodes, "because": because}
        except Superseded:
            return {**_NO_PLAN, "superseded": True}
        except TakesLong as long:
            return {**_NO_PLAN, "problems": [{"message": str(long)}]}
        except InvalidWorkflow as invalid:
            problems = [problem.as_dict() for problem in invalid.problems]
            return {**_NO_PLAN, "problems": self._studio.discretion.problems(owner, problems)}

    def start(
        self, owner: Owner, workflow: Any, base: str = "", to: str | None = None, download: bool = False
    ) -> dict[str, Any]:
        """Run a workflow; with `download`, checkpoints that are not here are fetched first."""
        del base
        if download and not self._studio.may_fetch(owner):
            raise Refused("checkpoints are fetched by the owner of the server's machine alone")
        if isinstance(workflow, dict):
            workflow = self._studio.take_assets(owner, workflow)
        return {"run": self._studio.start(owner, self._studio.read(workflow), to, download=download)}

    def cancel(self, owner: Owner, run: str) -> None:
        """Stop a run."""
        self._studio.runs.cancel(owner.id, run)

    def active(self, owner: Owner) -> list[dict[str, Any]]:
        """One's own runs that are not done."""
        return [
            {
                "run": run,
                "workflow": about["workflow"],
                "to": about["to"],
                "base": BASE,
                "position": position,
            }
            for run, position, about in self._studio.runs.active(owner.id)
        ]

    def queue(self, owner: Owner) -> list[dict[str, Any]]:
        """What runs and what waits."""
        return [
            {"run": run, "name": about.get("name", ""), "mine": mine, "position": position}
            for position, (run, mine, about) in enumerate(self._studio.runs.queue(owner.id))
        ]

    # Saved workflows

    def saved(self, owner: Owner) -> list[dict[str, Any]]:
        """The saved workflows."""
        newest = self._studio.gallery.newest(owner.id)
        return [
            {
                "name": entry.name,
                "modified": entry.modified,
                "revision": entry.revision,
                "description": entry.description,
                "nodes": entry.nodes,
                "thumbnail": f"/kandinsky/result/{id}/thumbnail"
                if (id := newest.get(entry.workflow_id))
                else "",
            }
            for entry in self._studio.library(owner).saved()
        ]

    def load(self, owner: Owner, name: str) -> dict[str, Any]:
        """A saved workflow."""
        saved = self._studio.library(owner).load(name)
        workflow = self._studio.read(saved.workflow).data
        return {"workflow": workflow, "revision": saved.revision, "base": BASE}

    def save(self, owner: Owner, name: str, workflow: Any, revision: str | None) -> dict[str, Any]:
        """Save a workflow, unless somebody else did in the meantime."""
        if isinstance(workflow, dict):
            workflow = self._studio.take_assets(owner, workflow)
        saved = self._studio.library(owner).save(name, workflow, revision)
        if isinstance(saved, Conflict):
            return {"status": "conflict", **asdict(saved)}
        return {"status": "saved", "revision": saved}

    def remove(self, owner: Owner, name: str) -> None:
        """Remove a saved workflow."""
        self._studio.library(owner).remove(name)

    def versions(self, owner: Owner, name: str) -> list[dict[str, Any]]:
        """The versions of a saved workflow before the one that is there."""
        return [asdict(version) for version in self._studio.library(owner).versions(name)]

    def old_version(self, owner: Owner, name: str, id: str) -> dict[str, Any]:
        """One of them."""
        return self._studio.library(owner).version(name, id)

    # Files

    def file_text(self, owner: Owner, workflow: Any, base: str = "", pictures: bool = False) -> str:
        """The text of the file, with its pictures inside or without."""
        del base
        read = self._studio.read(workflow)
        if pictures:
            files = self._studio.environment(owner, read).files
            read = with_pictures(read, self._studio.catalogue, files)
        return save(read, self._studio.catalogue)

    def opened(self, owner: Owner, read: Workflow) -> dict[str, Any]:
        """A workflow that was in a file."""
        read = self._studio.read(self._studio.take_assets(owner, read.data))
        return {"workflow": read.data}

    def results(self, owner: Owner, workflow: str) -> list[dict[str, Any]]:
        """The pictures that a workflow made, newest first."""
        if not workflow:
            return []
        params: dict[str, dict[str, Any]] = {}
        return [
            self._result(found, params)
            for found in patiently(self._studio.gallery.pictures(owner.id, workflow[:100]), every=1)
        ]

    def draft(self, owner: Owner, workflow: Any, base: str = "") -> dict[str, Any]:
        """Keep a workflow for its form."""
        del base
        if isinstance(workflow, dict):
            workflow = self._studio.take_assets(owner, workflow)
        return {"draft": self._calls.draft(owner, workflow)}

    def result_workflow(self, owner: Owner, id: str) -> dict[str, Any]:
        """The workflow that made a result."""
        found = self._studio.gallery.get(owner.id, id)
        workflow = self._studio.gallery.workflow(found.run) if found is not None else None
        if workflow is None:
            raise Refused("this result is not there (any more)")
        return workflow

    def _result(self, found: Result, params: dict[str, dict[str, Any]]) -> dict[str, Any]:
        if found.run not in params:
            params[found.run] = _params(self._studio.gallery.workflow(found.run) or {})
        return {
            "id": found.id,
            "time": found.time,
            "node": found.node,
            "url": f"/kandinsky/result/{found.id}",
            "thumbnail": f"/kandinsky/result/{found.id}/thumbnail",
            "width": found.width,
            "height": found.height,
            "params": params[found.run],
        }


def _check_fields(method: Callable[..., Any], owner: Owner, fields: dict[str, Any]) -> None:
    """Refuse a question with fields that are missing, too many, or of another type."""
    try:
        signature(method).bind(owner, **fields)
    except TypeError as wrong:
        raise Refused(f"{method.__name__} cannot be asked like this: {wrong}") from None
    hints = get_type_hints(method)
    for name, value in fields.items():
        if hints[name] is not Any and not isinstance(value, hints[name]):
            raise Refused(f"{method.__name__} cannot be asked with {excerpt(value)} as {name}")


def _params(workflow: dict[str, Any]) -> dict[str, Any]:
    nodes = workflow.get("nodes", {})
    return {
        f"{id}.{name}": value for id, node in nodes.items() for name, value in node.get("params", {}).items()
    }


def _devices() -> list[str]:
    from nodes.checkpoints.devices import cuda_devices, has_mps

    gpus = [f"cuda:{number}" for number in range(cuda_devices())]
    return ["auto", "cpu", *gpus, *(["mps"] if has_mps() else [])]


def fields_of(text: object) -> dict[str, Any]:
    """The fields of a question, which arrive as a JSON text.

    Raises:
        Refused: when they do not.
    """
    try:
        read = json_text.read(text) if isinstance(text, str) else None
    except json_text.JsonRefused as refused:
        raise Refused(str(refused)) from None
    if not isinstance(read, dict):
        raise Refused("a question is asked with the text of a JSON object")
    return read
