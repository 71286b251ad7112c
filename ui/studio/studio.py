"""What this server runs workflows with, and for whom.

A workflow comes from a browser: it reads the pictures of the templates, those that its owner uploaded, the
models folder, and what `--allow` says; nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from graph.cache.disk_tier import DiskCache
from graph.cache.history import History, HistoryFile
from graph.cache.memory_tier import MemoryCache
from graph.cache.older import remove_older
from graph.cache.results import MEMORY_LIMIT, Results
from graph.context import Environment
from graph.files.allowed import FileRefused, Files, FingerprintIndex, Privacy, models_folder
from graph.nodetypes.catalogue import Catalogue
from graph.patience import patiently
from graph.planning.explain import explain
from graph.planning.plan import plan
from graph.problems import InvalidWorkflow, Problem
from graph.running.run import Run
from graph.types import wire_types
from graph.workflow.file import FORMAT, VERSION, Workflow, from_json
from graph.workflow.migrate import up_to_date
from ui.studio import limits as most
from ui.studio.discretion import Discretion
from ui.studio.gallery import Gallery
from ui.studio.job import Job
from ui.studio.library import Library, Room
from ui.studio.library_index import workflow_id
from ui.studio.limits import Limits
from ui.studio.owners import Owner
from ui.studio.runs import Runs
from ui.studio.templates import FOLDER
from ui.studio.uploads import UploadRefused, Uploads, pixels_of

MOST_ASSET_PIXELS = 100_000_000
"""Of all the pictures that a workflow carries, and that are new here: each of them is decoded once."""
_TOO_MANY_PIXELS = Problem(
    f"the pictures in this file have more than {MOST_ASSET_PIXELS:,} pixels together",
    expected="fewer, or pictures that are uploaded one by one",
)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_WORKFLOW = from_json({"format": FORMAT, "version": VERSION, "nodes": {}})


@dataclass(frozen=True)
class Places:
    """Where the server keeps things."""

    output: Path
    workflows: Path
    inputs: Path
    cache: Path


class Studio:
    """Plans and runs workflows for their owners.

    Args:
        device: replaces the device "auto" of nodes.
        allow: more folders that every workflow may read.
        on_visit: is called when somebody opens the canvas.
        downloads: whether a click may agree to one.
        node_timeout: seconds after which a run whose node gives no sign of life is given up.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        places: Places,
        device: str = "auto",
        allow: Sequence[Path] = (),
        on_visit: Callable[[], None] = lambda: None,
        downloads: bool = False,
        limits: Limits | None = None,
        node_timeout: float | None = None,
    ) -> None:
        self._node_timeout = node_timeout
        self.limits = limits or Limits()
        self.catalogue = catalogue
        self.on_visit = on_visit
        self.downloads = downloads
        self.places = places
        self.runs = Runs()
        self.uploads = Uploads(places.inputs)
        self.gallery = Gallery(places.output)
        self.discretion = Discretion(
            [*vars(places).values(), *allow, Path.cwd(), Path.home(), Path(gettempdir()), models_folder()]
        )
        self._device = device
        self._allow = list(allow)
        self._libraries: dict[Path, Library] = {}
        classes = {name: wire.python for name, wire in wire_types().items()}
        remove_older(places.cache)
        self._results = Results(MemoryCache(MEMORY_LIMIT), DiskCache(places.cache, classes))

    @cached_property
    def _history_file(self) -> HistoryFile:
        return HistoryFile()

    @cached_property
    def _index(self) -> FingerprintIndex:
        return FingerprintIndex(self.places.cache / "fingerprints.sqlite")

    def has_data(self, owner: str) -> bool:
        """Whether somebody, by id, has a picture, a result or a run here."""
        return self.uploads.has(owner) or self.gallery.has(owner) or bool(self.runs.active(owner))

    def library(self, owner: Owner) -> Library:
        """The saved workflows: everybody's, or with a login each one's own."""
        folder = self.places.workflows / owner.user if owner.user else self.places.workflows
        if folder not in self._libraries:
            shared = None if owner.user else Room(most.SAVED_IN_ALL, most.SAVED_BYTES_IN_ALL)
            self._libraries[folder] = Library(folder, self.catalogue, shared)
        return self._libraries[folder]

    def output(self, owner: Owner) -> Path:
        """The folder that somebody's runs write to."""
        return self.places.output / owner.user if owner.user else self.places.output

    def read(self, data: Any) -> Workflow:
        """A workflow as the newest node types have it.

        Raises:
            InvalidWorkflow: when it is none at all.
        """
        return up_to_date(from_json(data, FOLDER), self.catalogue)

    def environment(self, owner: Owner, workflow: Workflow, download: bool = False) -> Environment:
        """What a workflow of somebody may read, which device it runs on, and whether it may download."""
        places = self.places
        closed = [places.inputs, places.output, places.workflows, places.cache]
        privacy = Privacy(closed, lambda sha256: self.uploads.owns(owner.id, sha256))
        files = Files(
            FOLDER,
            self._allow,
            workflow.assets,
            self._index,
            cwd=places.inputs.parent,
            privacy=privacy,
            names=workflow.file_names,
        )
        may_fetch = self.may_fetch(owner)
        return Environment(files, self._device, download and may_fetch, hub=may_fetch)

    def may_fetch(self, owner: Owner) -> bool:
        """Whether a request may cause look-ups on the hub and downloads: the machine's owner alone can."""
        return self.downloads and owner.of_machine

    def plan(
        self, owner: Owner, workflow: Workflow, to: str | None = None
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Node id -> "run", "reuse" or "skip", and node id -> why it will run.

        Raises:
            InvalidWorkflow: with everything that is wrong.
        """
        environment = self.environment(owner, workflow)
        made = plan(workflow, self.catalogue, environment, cache=self._results, to=to)
        history = self._history(owner, workflow)
        return made.statuses, {} if history is None else explain(made, history)

    def problems(self, owner: Owner, workflow: Workflow) -> list[dict[str, str]]:
        """Everything that is wrong with a workflow."""
        try:
            self.plan(owner, workflow)
        except InvalidWorkflow as invalid:
            return [problem.as_dict() for problem in invalid.problems]
        return []

    def start(
        self,
        owner: Owner,
        workflow: Workflow,
        to: str | None = None,
        keep_outputs: bool = False,
        download: bool = False,
    ) -> str:
        """Put a run into the queue; its id.

        Args:
            keep_outputs: pictures among the interface's outputs become files, even if no node saves them.
            download: the user agreed to fetch the checkpoints that are not here.

        Raises:
            QueueFull: when too many wait already.
        """
        environment = self.environment(owner, workflow, download)
        self._keep_pictures(owner, workflow, environment.files)
        run = Run(
            workflow,
            self.catalogue,
            environment,
            self._results,
            self.output(owner),
            to=to,
            previews=True,
            node_timeout=self._node_timeout,
            history=self._history(owner, workflow),
        )
        job = Job(owner.id, run, self.gallery, workflow_id(workflow.data), keep_outputs)
        about = {"workflow": workflow.data, "to": to, "name": workflow.name}
        address = owner.block if owner.user is None else ""
        return self.runs.start(owner.id, job, about, address, self.limits.queued_per_address)

    def picture(self, owner: Owner, sha256: str) -> Path | None:
        """The file of a picture that somebody may see: their own, or one that every workflow may read."""
        own = self.uploads.path(owner.id, sha256)
        if own is not None or not _SHA256.fullmatch(sha256):
            return own
        with suppress(FileRefused):
            return self.environment(owner, _NO_WORKFLOW).files.file(f"sha256:{sha256}").path
        return None

    def _keep_pictures(self, owner: Owner, workflow: Workflow, files: Files) -> None:
        """Keep what a workflow names by content, and is known from elsewhere, as its owner's pictures."""
        for node in patiently(workflow.nodes.values()):
            for value in node.params.values():
                prefix, _, sha256 = value.partition(":") if isinstance(value, str) else ("", "", "")
                if prefix != "sha256" or self.uploads.owns(owner.id, sha256):
                    continue
                with suppress(FileRefused, UploadRefused, OSError):  # planning says what is wrong
                    file = files.file(value)
                    if file.path is not None:
                        self.uploads.take(owner.id, file.read())

    def _history(self, owner: Owner, workflow: Workflow) -> History | None:
        """What the nodes of a workflow of somebody last ran with; None for a workflow without an id."""
        id = workflow_id(workflow.data)
        return History(self._history_file, owner.id, id) if id else None

    def take_assets(self, owner: Owner, data: dict[str, Any]) -> dict[str, Any]:
        """The workflow with the pictures that it carries kept as its owner's uploads instead.

        Raises:
            InvalidWorkflow: when they are too many to be looked at in one request.
        """
        assets = data.get("assets")
        if not isinstance(assets, dict):
            return data
        left = dict(assets)
        pixels = 0
        for sha256, text in patiently(assets.items(), every=1):
            content = _carried(sha256, text)
            if content is None:
                continue
            pixels += 0 if self.uploads.owns(owner.id, sha256) else pixels_of(content)
            if pixels > MOST_ASSET_PIXELS:
                raise InvalidWorkflow([_TOO_MANY_PIXELS])
            with suppress(UploadRefused):
                self.uploads.take(owner.id, content)
                del left[sha256]
        rest = {name: value for name, value in data.items() if name != "assets"}
        return {**rest, "assets": left} if left else rest


def _carried(sha256: str, text: object) -> bytes | None:
    """The content of an asset; None unless it is what its name says."""
    if not (isinstance(text, str) and _SHA256.fullmatch(sha256)):
        return None
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None
