"""A workflow called like a function: values in by interface name, pictures and values out.

The form and the API call workflows like this; what they start goes through the same queue as everybody's
runs, and may read no more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.problems import InvalidWorkflow
from graph.workflow.file import Workflow, loads, save
from graph.workflow.json_text import JsonRefused
from graph.workflow.overrides import override
from ui.server.uploaded_files import UploadedFiles
from ui.studio.deadline import TakesLong
from ui.studio.drafts import DraftRefused, Drafts
from ui.studio.event_log import Event
from ui.studio.interface import fields, values
from ui.studio.library import LibraryError
from ui.studio.owners import Owner
from ui.studio.runs import QueueFull
from ui.studio.studio import Studio
from ui.studio.templates import templates
from ui.studio.uploads import UploadRefused


class CallRefused(Exception):
    """A call that does not start, or that failed; the message is one sentence."""


@dataclass(frozen=True)
class Picture:
    """A file that a call gave back."""

    id: str
    name: str

    @property
    def url(self) -> str:
        """Where its owner sees it."""
        return f"/kandinsky/result/{self.id}"


class Calls:
    """Finds workflows by name, and calls them."""

    def __init__(self, studio: Studio, uploaded: UploadedFiles) -> None:
        self._studio = studio
        self._uploaded = uploaded
        self._drafts = Drafts(studio.limits.drafts_per_address)

    def draft(self, owner: Owner, workflow: Any) -> str:
        """Keep a workflow as it is on somebody's canvas for their form; its id.

        Raises:
            CallRefused: when there is no room for it.
        """
        try:
            return self._drafts.add(owner, save(self._studio.read(workflow)))
        except DraftRefused as refused:
            raise CallRefused(str(refused)) from None

    def find(self, owner: Owner, name: str) -> Workflow:
        """A draft, a template or a saved workflow: `draft:id`, `template:id`, `saved:name`, or a name alone.

        Raises:
            CallRefused: when there is none.
        """
        kind, colon, rest = name.partition(":")
        if not colon:
            kind, rest = "", name
        try:
            if kind == "draft":
                text = self._drafts.get(owner, rest)
                if text is not None:
                    return self._studio.read(loads(text).data)
            if kind in ("", "template"):
                for template in templates():
                    if template.id == rest:
                        return self._studio.read(template.workflow)
            if kind in ("", "saved"):
                return self._studio.read(self._studio.library(owner).load(rest).workflow)
        except (LibraryError, InvalidWorkflow) as refused:
            raise self.refused(owner, refused) from None
        raise CallRefused(f"there is no workflow called {rest[:90]!r} (any more)")

    def start(self, owner: Owner, workflow: Workflow, given: Mapping[str, Any]) -> str:
        """Start a workflow with values by interface name; the run.

        Raises:
            CallRefused: for values that it does not take, and when too many runs wait.
        """
        studio = self._studio
        try:
            known = fields(workflow, studio.catalogue)
            files = {field.name for field in known if field.param.file is not None}
            filled = {
                name: self._file(owner, name, value) if name in files else value
                for name, value in values(given, known).items()
            }
            # Nothing that is set may be read because it was set: who asks is not the machine's user.
            changed = override(workflow, studio.catalogue, filled, files=None)
            problems = studio.problems(owner, changed)
            if problems:
                problems = studio.discretion.problems(owner, problems[:5])
                raise CallRefused("; ".join(map(_sentence, problems)))
            return studio.start(owner, changed, keep_outputs=True)
        except (InvalidWorkflow, QueueFull, UploadRefused) as refused:
            raise self.refused(owner, refused) from None

    def refused(self, owner: Owner, error: Exception) -> CallRefused:
        """What somebody may read of an error: one that was foreseen, or any other."""
        discretion = self._studio.discretion
        if isinstance(error, CallRefused):
            return error
        known = InvalidWorkflow | JsonRefused | LibraryError | QueueFull | TakesLong | UploadRefused
        if isinstance(error, known):
            return CallRefused(discretion.text(owner, str(error)))
        return CallRefused(discretion.fault(owner, "the workflow could not be called", error))

    async def follow(self, owner: Owner, run: str) -> AsyncIterator[list[Event]]:
        """The events of a run."""
        async for events in self._studio.runs.log(owner.id, run).follow():
            yield [self._studio.discretion.event(owner, event) for event in events]

    async def outputs(self, owner: Owner, run: str) -> dict[str, Any]:
        """Wait for a run; its outputs by interface name: lists of `Picture`, values, or summaries.

        Raises:
            CallRefused: when it failed or was cancelled.
        """
        errors: list[str] = []
        async for events in self.follow(owner, run):
            for event in events:
                if event["event"] == "failed":
                    errors.append(f"{event['node']}: {event['error']}")
                if event["event"] == "done":
                    if event["status"] != "ok":
                        why = "; ".join(errors) or event.get("error") or "it was cancelled"
                        raise CallRefused(f"the workflow did not finish: {why}")
                    return given_back(event)
        raise CallRefused("the run ended without a word")

    def cancel(self, owner: Owner, run: str) -> None:
        """Stop a run."""
        self._studio.runs.cancel(owner.id, run)

    def _file(self, owner: Owner, name: str, value: Any) -> Any:
        """What a file field was given, as a path; a file that was uploaded through Gradio is kept first."""
        if not isinstance(value, dict):
            return value
        path = value.get("path")
        if not (isinstance(path, str) and self._uploaded.owns(owner, path) and Path(path).is_file()):
            raise CallRefused(f"{name} is not a file that you uploaded")
        return f"sha256:{self._studio.uploads.take(owner.id, Path(path).read_bytes()).sha256}"


def given_back(done: Event) -> dict[str, Any]:
    """The outputs of the event `done`, with its files as pictures."""
    urls: dict[str, list[str]] = done.get("urls", {})
    back = dict(done["outputs"])
    for name, addresses in urls.items():
        names = [Path(path).name for path in done["outputs"][name]]
        back[name] = [
            Picture(url.rpartition("/")[2], file) for url, file in zip(addresses, names, strict=True)
        ]
    return back


def _sentence(problem: dict[str, str]) -> str:
    place = ".".join(problem[key] for key in ("node", "port", "param") if key in problem)
    expected = f"; expected {problem['expected']}" if "expected" in problem else ""
    return (f"{place}: " if place else "") + problem["message"] + expected
