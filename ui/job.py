"""One run for somebody: what it writes is theirs, and its events say where they can see it."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from graph import json_text
from graph.events import Event, Listener
from graph.plan import record
from graph.run import Run
from ui.gallery import Gallery


class Job:
    """A run whose files go to the gallery.

    Args:
        workflow_id: names the workflow whose gallery it is, whatever file it is saved in.
    """

    def __init__(self, owner: str, run: Run, gallery: Gallery, workflow_id: str) -> None:
        self.listener: Listener | None = None
        self.written: dict[str, str] = {}
        """The path of each written file -> the id of its result."""
        self._owner = owner
        self._run = run
        self._gallery = gallery
        self._workflow_id = workflow_id
        self._recorded = False

    def execute(self) -> None:
        """Run, and tell the listener.

        Raises:
            InvalidWorkflow: when the workflow cannot be run, which is told as well.
        """
        self._run.listener = self._tell
        self._run.execute()

    def cancel(self) -> None:
        """Stop at the next step."""
        self._run.cancel()

    def _tell(self, event: Event) -> None:
        if event["event"] == "finished":
            try:
                event = {**event, "outputs": self._with_urls(event)}
            except Exception:  # a full disk, say: the run itself goes on
                traceback.print_exc()
        if self.listener is not None:
            self.listener(event)

    def _with_urls(self, event: Event) -> dict[str, Any]:
        outputs = {}
        for port, summary in event["outputs"].items():
            urls = [self._register(event["run"], event["node"], path) for path in summary.get("files", ())]
            outputs[port] = {**summary, "urls": urls} if urls else summary
        return outputs

    def _register(self, run: str, node: str, path: str) -> str:
        if not self._recorded and self._run.planned is not None:
            workflow = record(self._run.planned)
            workflow.pop("assets", None)
            self._gallery.record(run, json_text.write(workflow))
            self._recorded = True
        if path not in self.written:
            self.written[path] = self._gallery.add(self._owner, run, self._workflow_id, node, Path(path))
        return f"/kandinsky/result/{self.written[path]}"
