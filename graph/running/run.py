"""One run of a workflow: plan it, execute the plan, report."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from graph.cache.history import History
from graph.cache.layout import is_private
from graph.cache.results import Results
from graph.context import Cancelled, Environment
from graph.events import Listener, Reporter
from graph.nodetypes.catalogue import Catalogue
from graph.planning.explain import remember
from graph.planning.plan import Plan, plan
from graph.planning.step import SKIP
from graph.problems import InvalidWorkflow
from graph.running.execution import Execution, Outcome
from graph.running.step_runner import Failure, RunServices, release_devices
from graph.running.watch import Watch
from graph.workflow.document import Link, Workflow


@dataclass(eq=False)
class Run:
    """One run; `execute` does it in the calling thread, `cancel` may be called from any other."""

    workflow: Workflow
    catalogue: Catalogue
    environment: Environment
    results: Results
    output: Path
    to: str | None = None
    listener: Listener | None = None
    previews: bool = False
    history: History | None = None
    """Where it is remembered with what nodes ran."""
    planned: Plan | None = None
    """What is being executed; None before it is planned."""
    node_timeout: float | None = None
    """Seconds that a node may be without a sign of life before the run is given up; None for ever."""
    abandoned: threading.Thread | None = None
    """The thread of a run that was given up, which may still be at work."""
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Stop as soon as the running node reports its next step; a download stops at once."""
        self._cancelled.set()

    def execute(self) -> Outcome:
        """Plan and run.

        Raises:
            InvalidWorkflow: when the workflow cannot be run; it is reported as the event `invalid` as well.
        """
        if self.node_timeout is None:
            return self._execute(Reporter(self.listener), threading.Event())
        return self._watched(self.node_timeout)

    def _watched(self, limit: float) -> Outcome:
        """Execute in a thread of its own, which is abandoned when a node hangs."""
        watch = Watch(self.listener, limit)
        reporter = Reporter(watch.listener)
        ended: list[Outcome | BaseException] = []

        def work() -> None:
            try:
                ended.append(self._execute(reporter, watch.abandoned))
            except BaseException as error:  # raised again where it is waited for
                ended.append(error)

        thread, silent = watch.run(work)
        if silent is not None:
            self.abandoned = thread
            return self._give_up(reporter, watch, silent, limit)
        (end,) = ended
        if isinstance(end, BaseException):
            raise end
        return end

    def _give_up(self, reporter: Reporter, watch: Watch, node: str, limit: float) -> Outcome:
        """Report a run whose node hangs: as failed, or as cancelled if it was."""
        status = "cancelled" if self._cancelled.is_set() else "failed"
        self._cancelled.set()
        release_devices(watch.abandoned)
        ending = Reporter(self.listener, reporter)
        failures = []
        if status == "failed":
            error = f"there was no sign of life for {limit:g} s, which is the limit (--node-timeout)"
            failures.append(Failure(node, error, ""))
            ending.emit("failed", node=node, error=error, details="")
            for id in _depending_on(node, self.planned) if self.planned is not None else ():
                if id not in watch.reported:
                    ending.emit("skipped", node=id, because=node)
        seconds = ending.elapsed()
        ending.emit("done", status=status, seconds=round(seconds, 6), outputs={})
        return Outcome(status, {}, {}, failures, seconds)

    def _execute(self, reporter: Reporter, abandoned: threading.Event) -> Outcome:
        try:
            made, known = self._plan(reporter)
            self.planned = made
            _warn_of_changes(made, reporter)
        except InvalidWorkflow as invalid:
            reporter.emit("invalid", problems=[problem.as_dict() for problem in invalid.problems])
            raise
        except Cancelled:
            seconds = reporter.elapsed()
            reporter.emit("done", status="cancelled", seconds=round(seconds, 6), outputs={})
            return Outcome("cancelled", {}, {}, [], seconds)
        services = RunServices(
            self.environment, self.results, self.output, self.previews, self._cancelled, abandoned
        )
        outcome = Execution(made, known, services, reporter).outcome()
        if self.history is not None and not abandoned.is_set():
            remember(made, self.history, outcome.ran)
        return outcome

    def _plan(self, reporter: Reporter) -> tuple[Plan, dict[Link, Any]]:
        """A plan, and the finished values that it builds on.

        A file of the cache may turn out to be damaged when it is read. It is gone then, so planning again
        decides it.
        """
        environment = replace(self.environment, cancelled=self._cancelled.is_set)
        while True:
            made = plan(self.workflow, self.catalogue, environment, cache=self.results, to=self.to)
            known = self._read(made, reporter)
            if known is not None:
                return made, known

    def _read(self, made: Plan, reporter: Reporter) -> dict[Link, Any] | None:
        """The needed outputs that need not be made; None if one is not there after all."""
        known = {}
        for step in made.steps.values():
            if step.folded is not None or step.same_as is not None or step.type.effects:
                continue
            for port in step.needed - step.wanted:
                value = self.results.get(step.keys[port], reporter.warns_of(step.id))
                if value is None:
                    return None
                known[Link(step.id, port)] = value
        return known


def _depending_on(node: str, plan: Plan) -> list[str]:
    """What would have run or been reused after a node, in order."""
    lost = {node}
    for step in plan.steps.values():  # each after those that it is linked to
        needs = {link.node for name in step.used & step.links.keys() for link in step.links[name]}
        if step.status != SKIP and (step.same_as in lost or lost & needs):
            lost.add(step.id)
    return [id for id in plan.steps if id in lost - {node}]


def _warn_of_changes(made: Plan, reporter: Reporter) -> None:
    """Say once that files are not the code that runs, for the first node that it concerns."""
    if not made.changed:
        return
    private = [id for id, step in made.steps.items() if any(map(is_private, step.keys.values()))]
    if private:
        first, *others = sorted(made.changed)
        names = f"{first} and {len(others)} more" if others else first
        message = (
            f"the source of {names} changed after this process started: restart to use it; until then what "
            f"depends on it is kept in memory only"
        )
        reporter.emit("warning", node=private[0], message=message)
