"""Short cuts of the engine's tests: plan, check and run workflows of toy nodes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.cache.disk_tier import DiskCache
from graph.cache.memory_tier import MemoryCache
from graph.cache.results import Results
from graph.context import Environment
from graph.events import Event
from graph.files.allowed import Files
from graph.nodetypes.catalogue import Catalogue
from graph.planning.plan import Lookup, Plan, check, plan
from graph.problems import Problem
from graph.program import Program
from graph.running.execution import Outcome
from graph.types import wire_types
from graph.workflow.file import from_json
from tests.graph import toys

CATALOGUE = toys.catalogue()


def environment(folder: Path | None = None, **more: Any) -> Environment:
    return Environment(Files(folder), **more)


def plan_of(
    nodes: dict[str, Any], *, to: str | None = None, cache: Lookup | None = None, **more: Any
) -> Plan:
    """The plan of a workflow with these nodes."""
    workflow = from_json(toys.workflow(nodes, **more))
    return plan(workflow, CATALOGUE, environment(), to=to, cache=cache)


def problems_of(nodes: Any, catalogue: Catalogue = CATALOGUE, **more: Any) -> list[Problem]:
    """Everything that is wrong with a workflow with these nodes."""
    return check(from_json(toys.workflow(nodes, **more)), catalogue, environment())


def keys_of(nodes: dict[str, Any], **more: Any) -> dict[str, dict[str, str]]:
    return {id: step.keys for id, step in plan_of(nodes, **more).steps.items()}


@dataclass
class Ran:
    """What came of a run, and what it reported."""

    outcome: Outcome
    events: list[Event]

    @property
    def planned(self) -> dict[str, str]:
        return self.of("planned")[0]["nodes"]

    @property
    def origins(self) -> dict[str, str]:
        """Node -> "run", "memory" or "disk"."""
        return {event["node"]: event["from"] for event in self.of("finished")}

    @property
    def skipped(self) -> dict[str, str]:
        return {event["node"]: event["because"] for event in self.of("skipped")}

    @property
    def outputs(self) -> dict[str, Any]:
        return dict(self.outcome.outputs)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["event"] == kind]

    def by_node(self) -> dict[str, list[str]]:
        """Node -> the kinds of its events in order."""
        told = defaultdict(list)
        for event in self.events:
            if "node" in event:
                told[event["node"]].append(event["event"])
        return dict(told)


class Bench:
    """A place to run toy workflows: caches of its own, a folder for outputs, and the events of each run."""

    def __init__(self, folder: Path, disk: bool = False, memory_bytes: int = 2**26) -> None:
        self.folder = folder
        classes = {name: wire.python for name, wire in wire_types().items()}
        self.results = Results(
            MemoryCache(memory_bytes), DiskCache(folder / "cache", classes) if disk else None
        )
        self.output = folder / "outputs"

    def program(self, nodes: dict[str, Any], catalogue: Catalogue = CATALOGUE, **more: Any) -> Program:
        workflow = from_json(toys.workflow(nodes, **more))
        return Program(workflow, catalogue, environment(self.folder), self.results, self.output)

    def run(
        self,
        nodes: dict[str, Any],
        *,
        to: str | None = None,
        inputs: dict[str, Any] | None = None,
        catalogue: Catalogue = CATALOGUE,
        **more: Any,
    ) -> Ran:
        """Run a workflow with these nodes; `toys.calls` then says what ran."""
        toys.calls.clear()
        events: list[Event] = []
        run = self.program(nodes, catalogue, **more).start(inputs, to=to)
        run.listener = events.append
        return Ran(run.execute(), events)
