"""Executing a plan on this machine.

Nodes that compute run one after the other in the calling thread; nodes that wait for files (`io=True`) run
beside them in a few threads. A failed node takes along only what depends on it.
"""

from __future__ import annotations

import base64
import queue
import threading
import time
import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from graph import json_text
from graph.call import call
from graph.context import Cancelled, Environment, OutputFolder, Progress, RunRecord
from graph.events import Reporter
from graph.plan import REUSE, RUN, Plan, record
from graph.results import MEMORY, Results
from graph.step import Step
from graph.values import summarise
from graph.workflow import Link

PREVIEW_INTERVAL = 0.2
"""Seconds between two previews of a node."""

_IO_THREADS = 4
_device_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class Failure:
    """Why a node failed."""

    node: str
    error: str
    details: str


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    status: str
    """ "ok", "failed" or "cancelled"."""
    outputs: Mapping[str, Any]
    """Interface name -> value."""
    files: Mapping[str, list[Path]]
    """Node -> the files it wrote."""
    failures: list[Failure]
    seconds: float


@dataclass(frozen=True)
class Setting:
    """Where a plan is executed."""

    environment: Environment
    results: Results
    output: Path
    previews: bool
    cancelled: threading.Event


class Execution:
    """The state of one run."""

    def __init__(
        self,
        plan: Plan,
        known: dict[tuple[str, str], Any],
        setting: Setting,
        reporter: Reporter,
    ) -> None:
        self.plan = plan
        self.values = known
        self.setting = setting
        self.cancelled = setting.cancelled
        self.reporter = reporter
        self.failures: list[Failure] = []
        self.files: dict[str, list[Path]] = {}
        self.lost: dict[str, str] = {}
        self.twins: dict[str, list[str]] = defaultdict(list)
        self.waiting: dict[str, int] = {}
        self.consumers: dict[str, list[str]] = defaultdict(list)
        self.readers: dict[str, int] = defaultdict(int)
        self.compute: deque[Step] = deque()
        self.io: deque[Step] = deque()
        self.done: queue.SimpleQueue[Step] = queue.SimpleQueue()
        self.beside = 0

    def outcome(self) -> Outcome:
        """Do the work."""
        self.reporter.emit("planned", nodes=self.plan.statuses)
        self._prepare()
        with _threads() as submit:
            self._loop(submit)
        status = "cancelled" if self.cancelled.is_set() else "failed" if self.failures else "ok"
        outputs = {name: self._value(link) for name, link in self.plan.outputs.items() if self._has(link)}
        seconds = self.reporter.elapsed()
        if self.reporter.listening:
            told = {name: self._told(link) for name, link in self.plan.outputs.items() if self._has(link)}
            self.reporter.emit("done", status=status, seconds=round(seconds, 6), outputs=told)
        return Outcome(status, outputs, self.files, self.failures, seconds)

    # Before the first node

    def _prepare(self) -> None:
        """Report what is reused or skipped, and count what each node has to wait for."""
        kept = {self._origin(link).node for link in self.plan.outputs.values()}
        for step in self.plan.steps.values():
            if step.because is not None:
                self.reporter.emit("skipped", node=step.id, because=step.because)
            elif step.same_as is not None and self.plan.steps[step.same_as].status == RUN:
                self.twins[step.same_as].append(step.id)
            elif step.folded is not None or step.status == REUSE:
                self._report_known(step)
            elif step.status == RUN:
                self._enlist(step, kept)

    def _enlist(self, step: Step, kept: set[str]) -> None:
        used = step.used()
        sources = {
            origin.node
            for name, links in step.links.items()
            if name in used
            for origin in map(self._origin, links)
            if self._computed(origin.node)
        }
        self.waiting[step.id] = len(sources)
        for source in sources:
            self.consumers[source].append(step.id)
            self.readers[source] += 1
        self.readers[step.id] += step.id in kept
        if not sources:
            self._ready(step)

    def _computed(self, id: str) -> bool:
        step = self.plan.steps[id]
        return step.status == RUN and step.folded is None

    def _report_known(self, step: Step) -> None:
        if not self.reporter.listening or step.status not in (RUN, REUSE):
            return
        origin, outputs = MEMORY, {}
        if step.folded is not None:
            if step.status == RUN:
                self.reporter.emit("started", node=step.id)
                origin = "run"
            outputs = {
                name: _folded_summary(value, step.types[name].name)
                for name, value in step.folded.items()
                if value is not None
            }
        else:
            for name, key in step.keys.items():
                if self.setting.results.has(key):
                    origin = self.setting.results.tier(key)
                    outputs[name] = self.setting.results.summary(key, step.types[name].name)
        self.reporter.emit("finished", node=step.id, seconds=0.0, **{"from": origin}, outputs=outputs)

    # The loop

    def _ready(self, step: Step) -> None:
        (self.io if step.type.io else self.compute).append(step)

    def _loop(self, submit: Callable[..., Any]) -> None:
        while not self.cancelled.is_set():
            while self.io:
                self.beside += 1
                submit(self._perform_beside, self.io.popleft())
            if self.compute:
                step = self.compute.popleft()
                self._perform(step)
                self._settle(step)
            elif self.beside:
                self._settle_beside(self.done.get())
            else:
                return
            while not self.done.empty():
                self._settle_beside(self.done.get())

    def _perform_beside(self, step: Step) -> None:
        try:
            if not self.cancelled.is_set():
                self._perform(step)
        finally:
            self.done.put(step)

    def _settle_beside(self, step: Step) -> None:
        self.beside -= 1
        self._settle(step)

    def _settle(self, step: Step) -> None:
        """Let those go on that waited for the step, and let go of what nobody reads any more."""
        if step.id in self.lost:
            self._lose(step.id)
            return
        for id in self.consumers[step.id]:
            self.waiting[id] -= 1
            if not self.waiting[id] and id not in self.lost:
                self._ready(self.plan.steps[id])
        for source in {self._origin(link).node for links in step.links.values() for link in links}:
            self._release(source)
        if not self.readers[step.id]:
            self._forget(step.id)

    def _release(self, source: str) -> None:
        if source in self.readers:
            self.readers[source] -= 1
            if not self.readers[source]:
                self._forget(source)

    def _forget(self, id: str) -> None:
        for port in self.plan.steps[id].type.outputs:
            self.values.pop((id, port), None)

    def _lose(self, failed: str) -> None:
        """Skip everything that depends on a failed node."""
        skipped = deque([failed])
        while skipped:
            for id in (*self.twins[skipped[0]], *self.consumers[skipped.popleft()]):
                if id not in self.lost:
                    self.lost[id] = failed
                    self.reporter.emit("skipped", node=id, because=failed)
                    skipped.append(id)

    # One node

    def _perform(self, step: Step) -> None:
        self.reporter.emit("started", node=step.id)
        start = time.perf_counter()
        folder = OutputFolder(self.setting.output)
        progress = Progress(self.cancelled, self._on_step(step), self._on_warning(step))
        try:
            self._skip_what_is_there(step)
            with self._device(step):
                outputs = call(
                    step, self._value, progress, self.setting.environment, folder, lambda: self._record
                )
        except Cancelled:
            self.lost[step.id] = step.id
            return
        except Exception as error:
            self._fail(step, error)
            return
        seconds = time.perf_counter() - start
        if folder.written:
            self.files[step.id] = folder.written
        self._keep(step, outputs, seconds)
        if self.reporter.listening:
            told = self._summaries(step, progress, folder)
            seconds = round(seconds, 6)
            self.reporter.emit("finished", node=step.id, seconds=seconds, **{"from": "run"}, outputs=told)
            for twin in self.twins.get(step.id, ()):
                same = {"from": MEMORY, "outputs": told}
                self.reporter.emit("finished", node=twin, seconds=0.0, **same)

    def _skip_what_is_there(self, step: Step) -> None:
        """Another node of this run may have made one of the outputs in the meantime."""
        if step.type.uses is None or step.type.effects:
            return
        for port in step.wanted:
            value = self.setting.results.get(step.keys[port])
            if value is not None:
                self.values[step.id, port] = value
                step.wanted -= {port}

    def _keep(self, step: Step, outputs: Mapping[str, Any], seconds: float) -> None:
        provenance = {"node": step.type.id, "version": step.type.version, "seconds": round(seconds, 3)}
        for port, value in outputs.items():
            self.values[step.id, port] = value
            if not step.type.effects:
                self.setting.results.put(step.keys[port], value, step.types[port].name, provenance)

    def _fail(self, step: Step, error: Exception) -> None:
        details = "".join(traceback.format_exception(error))
        failure = Failure(step.id, sentence(error), details)
        self.failures.append(failure)
        self.lost[step.id] = step.id
        self.reporter.emit("failed", node=step.id, error=failure.error, details=details)

    @contextmanager
    def _device(self, step: Step) -> Iterator[None]:
        """One heavy computation per device at a time, in the whole process."""
        devices = [value.device for value in step.known.values() if hasattr(value, "device")]
        lock = _device_locks[devices[0]] if devices else nullcontext()
        with lock:
            yield

    def _on_step(self, step: Step) -> Callable[[int, int, Callable[[], bytes] | None], None]:
        shown = 0.0

        def on_step(number: int, total: int, preview: Callable[[], bytes] | None) -> None:
            nonlocal shown
            if not self.reporter.listening:
                return
            extra = {}
            now = time.perf_counter()
            if preview is not None and self.setting.previews and now - shown >= PREVIEW_INTERVAL:
                shown = now
                extra["preview"] = base64.b64encode(preview()).decode("ascii")
            self.reporter.emit("progress", node=step.id, step=number, steps=total, **extra)

        return on_step

    def _on_warning(self, step: Step) -> Callable[[str], None]:
        return lambda message: self.reporter.emit("warning", node=step.id, message=message)

    # Values

    def _origin(self, link: Link) -> Link:
        same = self.plan.steps[link.node].same_as
        return link if same is None else Link(same, link.port)

    def _has(self, link: Link) -> bool:
        origin = self._origin(link)
        folded = self.plan.steps[origin.node].folded
        return folded is not None or (origin.node, origin.port) in self.values

    def _value(self, link: Link) -> Any:
        origin = self._origin(link)
        folded = self.plan.steps[origin.node].folded
        return folded[origin.port] if folded is not None else self.values[origin.node, origin.port]

    @cached_property
    def _record(self) -> RunRecord:
        return RunRecord(json_text.write(record(self.plan)))

    # What events tell

    def _summaries(self, step: Step, progress: Progress, folder: OutputFolder) -> dict[str, Any]:
        told = {
            port: summarise(self.values[step.id, port], step.types[port].name)
            for port in step.type.outputs
            if (step.id, port) in self.values
        }
        shown: dict[str, Any] = {}
        if folder.written:
            shown["files"] = [str(path) for path in folder.written]
            shown["file"] = shown["files"][0]
        if progress.thumbnails:
            shown["thumbnail"] = base64.b64encode(progress.thumbnails[0]).decode("ascii")
        if shown:
            port = next(iter(step.type.outputs), None) or next(iter(step.type.inputs))
            told[port] = {**told.get(port, {}), **shown}
        return told

    def _told(self, link: Link) -> Any:
        files = self.files.get(link.node)
        if files:
            return [str(path) for path in files]
        value = self._value(link)
        type_name = self.plan.steps[link.node].types[link.port].name
        return value if type(value) in (str, int, float, bool) else _folded_summary(value, type_name)


def _folded_summary(value: Any, type_name: str) -> dict[str, Any]:
    if hasattr(value, "cache_key"):
        return {"type": type_name, "handle": value.cache_key}
    return summarise(value, type_name)


def sentence(error: BaseException) -> str:
    """An error as one sentence for people."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = " ".join(str(error).split()) or "no reason given"
    return text if isinstance(error, ValueError) else f"{type(error).__name__}: {text}"


@contextmanager
def _threads() -> Iterator[Callable[..., Any]]:
    """Something that runs functions beside this thread; threads start when the first one is needed."""
    pool: list[ThreadPoolExecutor] = []

    def submit(function: Callable[..., Any], *arguments: Any) -> None:
        if not pool:
            pool.append(ThreadPoolExecutor(_IO_THREADS, thread_name_prefix="kandinsky-io"))
        pool[0].submit(function, *arguments)

    try:
        yield submit
    finally:
        for executor in pool:
            executor.shutdown(wait=True)
