"""Executing a plan on this machine: what runs when.

Nodes that compute run one after the other in the calling thread; nodes that wait for files (`io=True`) run
beside them in a few threads. A failed node takes along only what depends on it.
"""

from __future__ import annotations

import queue
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from graph.cache.results import MEMORY
from graph.context import Cancelled
from graph.events import Reporter
from graph.planning.plan import REUSE, RUN, Plan
from graph.planning.step import Step
from graph.running.run_values import RunValues
from graph.running.step_runner import Failure, RunServices, StepRunner, warn_again
from graph.running.summaries import tell_folded, tell_output, thumbnail
from graph.types import WireType
from graph.workflow.document import Link

_IO_THREADS = 4


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
    ran: list[str] = field(default_factory=list)
    """The nodes that made something anew."""


class Execution:
    """The state of one run.

    Args:
        known: the finished values that the plan builds on.
    """

    def __init__(
        self, plan: Plan, known: Mapping[Link, Any], services: RunServices, reporter: Reporter
    ) -> None:
        self.plan = plan
        self.services = services
        self.reporter = reporter
        self.held = RunValues(plan, known)
        self.runner = StepRunner(plan, self.held, services, reporter)
        self.cancelled = False
        self.lost: set[str] = set()
        self.twins: defaultdict[str, list[str]] = defaultdict(list)
        self.sources: dict[str, set[str]] = {}
        self.waiting: dict[str, int] = {}
        self.consumers: defaultdict[str, list[str]] = defaultdict(list)
        self.compute: deque[Step] = deque()
        self.beside = 0
        self.done: queue.SimpleQueue[Future[tuple[Step, bool]]] = queue.SimpleQueue()

    def outcome(self) -> Outcome:
        """Do the work."""
        self.reporter.emit("planned", nodes=self.plan.statuses)
        try:
            self._prepare()
            self._loop()
        except Cancelled:
            self.cancelled = True
        except BaseException:
            self.services.cancelled.set()  # or the threads would go on
            raise
        finally:
            self._end_threads()
        failures = self.runner.failures
        status = "cancelled" if self.cancelled else "failed" if failures else "ok"
        links = {name: link for name, link in self.plan.outputs.items() if self.held.has(link)}
        outputs = {name: self.held.get(link) for name, link in links.items()}
        seconds = self.reporter.elapsed()
        told = {name: self._tell_output(link, outputs[name]) for name, link in links.items()}
        self.reporter.emit("done", status=status, seconds=round(seconds, 6), outputs=told)
        return Outcome(status, outputs, self.runner.files, failures, seconds, self.runner.ran)

    # Before the first node

    def _prepare(self) -> None:
        """Report what is reused or skipped, and count what each node has to wait for."""
        ready = []
        for step in self.plan.steps.values():
            if step.because is not None:
                self.reporter.emit("skipped", node=step.id, because=step.because)
            elif step.status == RUN and step.folded is None:
                if not self._enlist(step):
                    ready.append(step)
            elif step.status == REUSE and step.same_as is not None and self._runs(step.same_as):
                self.twins[step.same_as].append(step.id)
            elif step.status in (RUN, REUSE) and self.reporter.listening:
                self._report_known(step)
        for step in ready:
            self._start(step)

    def _enlist(self, step: Step) -> int:
        """Count the nodes that a step has to wait for."""
        sources = self.sources[step.id] = self.held.sources(step)
        self.waiting[step.id] = len(sources)
        for source in sources:
            self.consumers[source].append(step.id)
            self.held.expect(source)
        return len(sources)

    def _runs(self, id: str) -> bool:
        return self.plan.steps[id].status == RUN

    def _report_known(self, step: Step) -> None:
        origin = MEMORY
        if step.folded is not None:
            outputs = tell_folded(step)
            if step.status == RUN:
                self.reporter.emit("started", node=step.id)
                origin = "run"
        else:
            results = self.services.results
            known = {name: key for name, key in step.keys.items() if results.has(key)}
            origin = next((results.tier(key) for key in known.values()), MEMORY)
            warn = self.reporter.warns_of(step.id)
            outputs = {name: self._tell_known(key, step.types[name], warn) for name, key in known.items()}
            warn_again(self.reporter, step.id, chain.from_iterable(map(results.warnings, known.values())))
        self.reporter.emit("finished", node=step.id, seconds=0.0, **{"from": origin, "outputs": outputs})

    def _tell_known(self, key: str, wire: WireType, warn: Callable[[str], None]) -> dict[str, Any]:
        told = self.services.results.summary(key, wire.name, warn)
        if self.services.previews and wire.look is not None:
            value = self.services.results.get(key, warn)
            told |= thumbnail(value, wire) if value is not None else {}
        return told

    # The loop

    def _start(self, step: Step) -> None:
        if step.type.io:
            self.beside += 1
            self._threads.submit(self._perform, step).add_done_callback(self.done.put)
        else:
            self.compute.append(step)

    def _perform(self, step: Step) -> tuple[Step, bool]:
        if self.services.cancelled.is_set():
            raise Cancelled
        return step, self.runner.perform(step, self.twins.get(step.id, []))

    def _loop(self) -> None:
        while self.compute or self.beside:
            if self.compute:
                self._finish(*self._perform(self.compute.popleft()))
            else:
                self._finish_beside()
            while not self.done.empty():
                self._finish_beside()

    def _finish_beside(self) -> None:
        future = self.done.get()
        self.beside -= 1
        self._finish(*future.result())

    def _finish(self, step: Step, made: bool) -> None:
        """Let those go on that waited for the step, and let go of what nobody reads any more."""
        for source in self.sources[step.id]:
            self.held.release(source)
        if not made:
            self._lose(step.id)
            return
        self.held.drop_unread(step.id)
        for id in self.consumers[step.id]:
            self.waiting[id] -= 1
            if not self.waiting[id] and id not in self.lost:
                self._start(self.plan.steps[id])

    def _lose(self, failed: str) -> None:
        """Skip everything that depends on a failed node."""
        queue = deque([failed])
        while queue:
            for id in (*self.twins[queue[0]], *self.consumers[queue.popleft()]):
                if id not in self.lost:
                    self.lost.add(id)
                    self.reporter.emit("skipped", node=id, because=failed)
                    queue.append(id)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """Threads for nodes that wait; there are none before the first such node."""
        return ThreadPoolExecutor(_IO_THREADS, thread_name_prefix="kandinsky-io")

    def _end_threads(self) -> None:
        if "_threads" in vars(self):
            self._threads.shutdown(wait=True)

    def _tell_output(self, link: Link, value: Any) -> Any:
        wire = self.plan.steps[link.node].types[link.port]
        return tell_output(value, wire, self.runner.files.get(link.node))
