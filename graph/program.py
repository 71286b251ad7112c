"""Workflows as Python callables: `graph.load(path).run(prompt="a red cube")`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graph.cache.disk_tier import DiskCache, default_folder
from graph.cache.history import History, HistoryFile
from graph.cache.memory_tier import MemoryCache
from graph.cache.older import remove_older
from graph.cache.results import MEMORY_LIMIT, Results
from graph.context import Environment
from graph.events import Listener
from graph.files.allowed import Files, FingerprintIndex
from graph.nodetypes.catalogue import Catalogue, installed
from graph.running.execution import Outcome
from graph.running.run import Run
from graph.running.step_runner import Failure
from graph.types import wire_types
from graph.workflow.file import Workflow
from graph.workflow.file import load as load_workflow
from graph.workflow.overrides import override

_memory = MemoryCache(MEMORY_LIMIT)
"""The memory tier, shared by all runs of this process."""


class RunFailed(RuntimeError):
    """A node failed; `failures` names each, `outcome` has what was finished all the same."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.failures: list[Failure] = outcome.failures
        super().__init__("; ".join(f"{failure.node}: {failure.error}" for failure in outcome.failures))


@dataclass(frozen=True)
class Program:
    """A workflow that is ready to run on this machine."""

    workflow: Workflow
    catalogue: Catalogue
    environment: Environment
    results: Results
    output: Path
    listener: Listener | None = None
    history: History | None = None
    """Where it is remembered with what nodes ran; None remembers nothing."""

    def start(
        self, inputs: Mapping[str, Any] | None = None, *, to: str | None = None, previews: bool = False
    ) -> Run:
        """A run that is yet to be executed.

        Args:
            inputs: values by interface name or `node.param`.
            to: run just to this node.
            previews: send previews with the events of progress, and a look at what came out.

        Raises:
            InvalidWorkflow: for inputs that the workflow does not have.
        """
        workflow = override(self.workflow, self.catalogue, inputs or {}, self.environment.files)
        return Run(
            workflow,
            self.catalogue,
            self.environment,
            self.results,
            self.output,
            to=to,
            listener=self.listener,
            previews=previews,
            history=self.history,
        )

    def run(self, /, **inputs: Any) -> dict[str, Any]:
        """Run the workflow; its outputs by interface name.

        Raises:
            InvalidWorkflow: when the workflow cannot be run.
            RunFailed: when a node failed; what was finished is kept in the cache.
        """
        outcome = self.start(inputs).execute()
        if outcome.status == "failed":
            raise RunFailed(outcome)
        return dict(outcome.outputs)


def load(
    path: str | Path,
    *,
    output: str | Path = "outputs",
    cache: str | Path | None = None,
    no_cache: bool = False,
    device: str = "auto",
    allow: Sequence[str | Path] = (),
    download: bool = False,
    listener: Listener | None = None,
) -> Program:
    """Load a workflow from a JSON file, a picture that carries one, or `template:NAME`.

    Args:
        output: the folder that nodes save to.
        cache: the folder of the disk cache; the user's cache folder if None.
        no_cache: neither read nor write the disk cache.
        device: replaces the device "auto" of nodes.
        allow: more folders that the workflow may read.
        download: agree to downloads.
        listener: is called with each event.

    Raises:
        InvalidWorkflow: when it is no workflow at all; anything less is told by running it.
        OSError: when the file cannot be read.
    """
    program = assemble(
        load_workflow(path),
        installed(),
        output=Path(output),
        cache=None if no_cache else Path(cache or default_folder()),
        device=device,
        allow=[Path(folder) for folder in allow],
        download=download,
        listener=listener,
    )
    return program if no_cache else replace(program, history=history_of(path))


def history_of(path: str | Path) -> History:
    """The history of a workflow file of the machine's user."""
    return History(HistoryFile(), "", str(Path(path).absolute()))


def assemble(
    workflow: Workflow,
    catalogue: Catalogue,
    *,
    output: Path,
    cache: Path | None,
    device: str = "auto",
    allow: Sequence[Path] = (),
    download: bool = False,
    listener: Listener | None = None,
) -> Program:
    """A workflow with everything it needs to run here; without `cache`, results stay in memory only."""
    if cache is not None:
        remove_older(cache)
    index = FingerprintIndex(cache / "fingerprints.sqlite") if cache is not None else None
    files = Files(workflow.folder, allow, workflow.assets, index, names=workflow.file_names)
    classes = {name: wire.python for name, wire in wire_types().items()}
    disk = DiskCache(cache, classes) if cache is not None else None
    environment = Environment(files, device, download)
    return Program(workflow, catalogue, environment, Results(_memory, disk), output, listener)
