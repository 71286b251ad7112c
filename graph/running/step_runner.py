"""Performing one step of a plan: the node runs, its outputs are kept, and events tell of it."""

from __future__ import annotations

import base64
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.cache.results import MEMORY, Results
from graph.context import Cancelled, Environment, OutputFolder, Progress, RunRecord
from graph.events import Reporter
from graph.planning.plan import Plan
from graph.planning.record import prompts_and_numbers, record
from graph.planning.step import Step, handles_of
from graph.problems import sentence
from graph.running.call import call
from graph.running.run_values import RunValues
from graph.running.summaries import Summary, tell, thumbnail, with_files
from graph.workflow import json_text
from graph.workflow.carried import with_bare_assets
from graph.workflow.document import Link

PREVIEW_INTERVAL = 0.2
"""Seconds between two previews of a node."""

_CANCEL_INTERVAL = 0.1
_device_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_holders: dict[str, threading.Event] = {}
"""Device -> what the run that locked it last is abandoned by."""


def release_devices(abandoned: threading.Event) -> None:
    """Let other runs have the devices of an abandoned one, which may never give them back."""
    for name, holder in list(_holders.items()):
        if holder is abandoned:
            _device_locks[name] = threading.Lock()


@dataclass(frozen=True)
class Failure:
    """Why a node failed."""

    node: str
    error: str
    details: str


@dataclass(frozen=True)
class RunServices:
    """Where a plan is executed."""

    environment: Environment
    results: Results
    output: Path
    previews: bool
    cancelled: threading.Event
    abandoned: threading.Event
    """Set when nobody waits for the run any more: nothing that it still makes is kept."""


class StepRunner:
    """Performs the steps of one run; several threads may do so at once."""

    def __init__(self, plan: Plan, held: RunValues, services: RunServices, reporter: Reporter) -> None:
        self.held = held
        self.services = services
        self.reporter = reporter
        self.failures: list[Failure] = []
        self.files: dict[str, list[Path]] = {}
        self.ran: list[str] = []
        self._plan = plan
        self._workflow: str | None = None

    def perform(self, step: Step, twins: list[str]) -> bool:
        """Run a node and report it, and its `twins` that do the same work; whether its outputs are there.

        Raises:
            Cancelled: when the run was cancelled meanwhile.
        """
        self._take_what_is_there(step)
        if not (step.wanted or step.type.effects) and step.needed:
            self._finished([step.id, *twins], MEMORY, 0.0, self._tell(step))
            return True
        try:
            seconds, told = self._run(step)
        except BaseException as error:
            if self._ends_the_run(error):
                raise
            self._failed(step, error)
            return False
        self._finished([step.id], "run", seconds, told)
        self._finished(twins, MEMORY, 0.0, told)
        return True

    def _run(self, step: Step) -> tuple[float, Summary]:
        """Run a node and keep what it made; the seconds that it took, and what is told of its outputs."""
        given = _Given(self, step)
        with self._devices(step):
            self.reporter.emit("started", node=step.id)
            start = time.perf_counter()
            outputs = call(step, self.held.get, given)
            seconds = time.perf_counter() - start
        self.ran.append(step.id)
        self._keep(step, outputs, seconds, given.warnings)
        if given.written:
            self.files[step.id] = given.written
        listening = self.reporter.listening
        told = with_files(step, self._tell(step), given.written, given.thumbnails) if listening else {}
        return seconds, told

    def _ends_the_run(self, error: BaseException) -> bool:
        """Whether an error is more than the failure of a node.

        A node may raise anything, SystemExit or the panic of a Rust library too. Ctrl-C is raised in the main
        thread alone.
        """
        if isinstance(error, KeyboardInterrupt):
            return threading.current_thread() is threading.main_thread()
        return isinstance(error, Cancelled) and self.services.cancelled.is_set()

    def record(self, node: str) -> RunRecord:
        """What files that a node saves may say of this run."""
        if self._workflow is None:
            recorded = record(self._plan, self.services.environment.files)
            self._workflow = json_text.write(with_bare_assets(recorded))
        return RunRecord(self._workflow, lambda: json_text.write(prompts_and_numbers(self._plan, node)))

    def _take_what_is_there(self, step: Step) -> None:
        """Another node of this run may have made one of the outputs in the meantime."""
        if step.type.unused is None or step.type.effects:
            return
        for port in step.wanted:
            value = self.services.results.get(step.keys[port], self.reporter.warns_of(step.id))
            if value is not None:
                warn_again(self.reporter, step.id, self.services.results.warnings(step.keys[port]))
                self.held.put(step.id, port, value)
                step.wanted -= {port}

    @contextmanager
    def _devices(self, step: Step) -> Iterator[None]:
        """One heavy computation per device at a time, in the whole process."""
        names = {handle.device for handle in handles_of(step)}
        with ExitStack() as locks:
            for name in sorted(names):
                # Looked up each time: there is another lock once the run that holds this one was given up.
                while not (lock := _device_locks[name]).acquire(timeout=_CANCEL_INTERVAL):
                    if self.services.cancelled.is_set():
                        raise Cancelled
                locks.callback(lock.release)
                _holders[name] = self.services.abandoned
            yield

    def check_abandoned(self) -> None:
        """Raise Cancelled where nobody waits for the run any more."""
        if self.services.abandoned.is_set():
            raise Cancelled

    def _keep(self, step: Step, outputs: Mapping[str, Any], seconds: float, warnings: list[str]) -> None:
        self.check_abandoned()
        provenance = {"node": step.type.id, "version": step.type.version, "seconds": round(seconds, 3)}
        if warnings:
            provenance["warnings"] = warnings
        for port, value in outputs.items():
            self.held.put(step.id, port, value)
            if not step.type.effects:
                key, type_name, warn = step.keys[port], step.types[port].name, self.reporter.warns_of(step.id)
                self.services.results.put(key, value, type_name, provenance, warn)

    def _failed(self, step: Step, error: BaseException) -> None:
        failure = Failure(step.id, sentence(error), "".join(traceback.format_exception(error)))
        self.failures.append(failure)
        self.reporter.emit("failed", node=step.id, error=failure.error, details=failure.details)

    def _tell(self, step: Step) -> Summary:
        told = {}
        for port in step.type.outputs:
            link, wire = Link(step.id, port), step.types[port]
            if self.held.has(link):
                value = self.held.get(link)
                told[port] = tell(value, wire) | (thumbnail(value, wire) if self.services.previews else {})
        return told

    def _finished(self, nodes: list[str], origin: str, seconds: float, told: Summary) -> None:
        for node in nodes:
            fields = {"from": origin, "outputs": told}
            self.reporter.emit("finished", node=node, seconds=round(seconds, 6), **fields)


class _Given:
    """What the run gives a node that asks for a class of `graph.context`, and what the node did with it."""

    def __init__(self, runner: StepRunner, step: Step) -> None:
        self._runner = runner
        self._step = step
        self._shown = 0.0
        self.written: list[Path] = []
        self.thumbnails: list[bytes] = []
        self.warnings: list[str] = []

    def __call__(self, kind: type) -> Any:
        if kind is Progress:
            cancelled = self._runner.services.cancelled
            return Progress(cancelled, self._on_step, self._warn, self.thumbnails)
        if kind is OutputFolder:
            return OutputFolder(self._runner.services.output, self.written, self._runner.check_abandoned)
        if kind is RunRecord:
            return self._runner.record(self._step.id)
        return self._runner.services.environment if kind is Environment else self._step.wanted

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        self._runner.reporter.warns_of(self._step.id)(message)

    def _on_step(self, number: int, total: int, preview: Callable[[], bytes] | None) -> None:
        reporter = self._runner.reporter
        if not reporter.listening:
            return
        extra = {}
        now = time.perf_counter()
        if preview is not None and self._runner.services.previews and now - self._shown >= PREVIEW_INTERVAL:
            self._shown = now
            extra["preview"] = base64.b64encode(preview()).decode("ascii")
        reporter.emit("progress", node=self._step.id, step=number, steps=total, **extra)


def warn_again(reporter: Reporter, node: str, warnings: Iterable[str]) -> None:
    """Report what the run that made a value warned of, for a node that reuses it."""
    for message in dict.fromkeys(warnings):
        reporter.emit("warning", node=node, message=message)
