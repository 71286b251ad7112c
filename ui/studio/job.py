"""One run for somebody: what it writes is theirs, and its events say where they can see it."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from graph.context import OutputFolder
from graph.events import Event, Listener
from graph.planning.record import record
from graph.running.execution import Outcome
from graph.running.run import Run
from graph.workflow import json_text
from graph.workflow.embedded import embed
from ui.studio.gallery import Gallery
from ui.studio.log import log_failure
from ui.studio.warm import import_all


class Job:
    """A run whose files go to the gallery.

    `finished` then carries `urls` beside `files`, and `done` has `urls` by interface name.

    Args:
        workflow_id: names the workflow whose gallery it is, whatever file it is saved in.
        keep_outputs: pictures among the interface's outputs become files, even if no node saves them.
    """

    def __init__(
        self, owner: str, run: Run, gallery: Gallery, workflow_id: str, keep_outputs: bool = False
    ) -> None:
        self.listener: Listener | None = None
        self._owner = owner
        self._run = run
        self._gallery = gallery
        self._workflow_id = workflow_id
        self._keep_outputs = keep_outputs
        self._record = ""
        self._urls: dict[str, str] = {}

    def execute(self) -> None:
        """Run, and tell the listener.

        Raises:
            InvalidWorkflow: when the workflow cannot be run, which is told as well.
        """
        import_all()
        held: list[Event] = []
        self._run.listener = lambda event: (
            held.append(event) if event["event"] == "done" else self._tell(event)
        )
        self._run.environment = replace(self._run.environment, tell=self._tell_download)
        outcome = self._run.execute()
        for done in held:
            try:
                done = self._with_outputs(done, outcome)
            except Exception as error:  # a full disk, say: what was made is there all the same
                log_failure(error)
            self._tell(done)

    @property
    def abandoned(self) -> threading.Thread | None:
        """The thread of the run, where that was given up."""
        return self._run.abandoned

    def cancel(self) -> None:
        """Stop at the next step."""
        self._run.cancel()

    def _tell(self, event: Event) -> None:
        if event["event"] == "finished":
            try:
                event = {**event, "outputs": self._with_urls(event)}
            except Exception as error:  # as above
                log_failure(error)
        if self.listener is not None:
            self.listener(event)

    def _tell_download(self, name: str, done: int, total: int) -> None:
        """An event of the canvas alone: the download of a checkpoint has come so far, in bytes."""
        self._tell({"event": "fetching", "time": 0.0, "name": name, "done": done, "total": total})

    def _with_urls(self, event: Event) -> dict[str, Any]:
        outputs = {}
        for port, summary in event["outputs"].items():
            urls = [self._register(event["run"], event["node"], path) for path in summary.get("files", ())]
            outputs[port] = {**summary, "urls": urls} if urls else summary
        return outputs

    def _with_outputs(self, done: Event, outcome: Outcome) -> Event:
        outputs, urls = dict(done["outputs"]), {}
        for name, told in outputs.items():
            if self._keep_outputs and isinstance(told, dict) and told.get("type") == "image":
                outputs[name] = told = self._save(name, outcome.outputs[name].image)
            if isinstance(told, list):
                node = self._run.planned.outputs[name].node if self._run.planned else name
                urls[name] = [self._register(done["run"], node, path) for path in told]
        return {**done, "outputs": outputs, **({"urls": urls} if urls else {})}

    def _save(self, name: str, pictures: Any) -> list[str]:
        """Save pictures as a node would that is called like the output."""
        from nodes.pixels.pictures import encode

        files = [embed(encode(row, "png"), self._recorded()) for row in pictures]
        return [str(path) for path in OutputFolder(self._run.output).write(name, "png", files)]

    def _register(self, run: str, node: str, path: str) -> str:
        if path not in self._urls:
            self._gallery.record(run, self._recorded())
            id = self._gallery.add(self._owner, run, self._workflow_id, node, Path(path))
            self._urls[path] = f"/kandinsky/result/{id}"
        return self._urls[path]

    def _recorded(self) -> str:
        """The workflow with the params that were really used."""
        if not self._record and self._run.planned is not None:
            workflow = record(self._run.planned, self._run.environment.files)
            workflow.pop("assets", None)
            self._record = json_text.write(workflow)
        return self._record
