"""One run of a workflow: plan it, execute the plan, report."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graph.catalogue import Catalogue
from graph.context import Environment
from graph.events import Listener, Reporter
from graph.execute import Execution, Outcome, Setting
from graph.plan import REUSE, RUN, Plan, plan
from graph.problems import InvalidWorkflow
from graph.results import Results
from graph.workflow import Workflow


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
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Stop as soon as the running node reports its next step."""
        self._cancelled.set()

    def execute(self) -> Outcome:
        """Plan and run.

        Raises:
            InvalidWorkflow: when the workflow cannot be run; it is reported as the event `invalid` as well.
        """
        reporter = Reporter(self.listener)
        self.results.warn_through(lambda message: reporter.emit("warning", node=None, message=message))
        try:
            made, known = self._plan()
        except InvalidWorkflow as invalid:
            reporter.emit("invalid", problems=[problem.as_dict() for problem in invalid.problems])
            raise
        setting = Setting(self.environment, self.results, self.output, self.previews, self._cancelled)
        return Execution(made, known, setting, reporter).outcome()

    def _plan(self) -> tuple[Plan, dict[tuple[str, str], Any]]:
        """A plan, and the finished values that it builds on.

        A file of the cache may turn out to be damaged when it is read. It is gone then, so planning again
        settles it.
        """
        while True:
            made = plan(self.workflow, self.catalogue, self.environment, cache=self.results, to=self.to)
            known = {}
            for id, port in _frontier(made):
                value = self.results.get(made.steps[id].keys[port])
                if value is None:
                    break
                known[id, port] = value
            else:
                return made, known


def _frontier(made: Plan) -> Iterator[tuple[str, str]]:
    """The reused outputs that something needs: a node that runs, or the interface."""
    links = [
        link
        for step in made.steps.values()
        if step.status == RUN and step.folded is None
        for name in step.used() & step.links.keys()
        for link in step.links[name]
    ]
    for link in dict.fromkeys([*links, *made.outputs.values()]):
        step = made.steps[link.node]
        first = made.steps[step.same_as] if step.same_as is not None else step
        if first.status == REUSE and first.folded is None:
            yield first.id, link.port
