"""Large workflows: nothing is recursive, and cost grows with the nodes. The benchmark has 100,000."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graph.cache.memory_tier import MemoryCache
from graph.cache.results import Results
from graph.context import Environment
from graph.files.allowed import Files
from graph.planning.plan import check
from graph.program import Program
from graph.workflow.file import from_json, loads, save
from tests.benchmarks.bench_engine import chain, count, gather, wide
from tests.graph import toys
from tests.graph.bench import Bench

TYPES = {kind.node_type.id: kind.node_type for kind in (count, gather)}  # type: ignore[attr-defined]
SIZE = 20_000


@pytest.mark.parametrize("shape", [chain, wide])
def test_many_nodes_are_saved_read_planned_run_and_reused(
    bench: Bench, shape: Callable[[int], dict[str, Any]]
) -> None:
    nodes = shape(SIZE)
    last = list(nodes)[-1]
    data = toys.workflow(nodes, interface={"inputs": {"by": "n0.by"}, "outputs": {"end": f"{last}.int"}})
    workflow = loads(save(from_json(data)))
    results = Results(MemoryCache(2**28))
    events: list[dict[str, Any]] = []
    program = Program(
        workflow,
        TYPES,
        Environment(Files(None)),
        results,
        bench.output,
        events.append,  # type: ignore[arg-type]
    )
    first = program.run()["end"]
    assert len(events) == 2 * len(nodes) + 2
    events.clear()
    assert program.run()["end"] == first
    assert {event.get("from") for event in events} == {None, "memory"}
    assert len(events) == len(nodes) + 2
    assert program.run(by=3)["end"] > first


def test_a_problem_at_the_end_of_a_long_chain() -> None:
    nodes = chain(SIZE)
    nodes[f"n{SIZE - 1}"]["inputs"]["a"] = f"n{SIZE - 2}.float"
    (problem,) = check(from_json(toys.workflow(nodes)), TYPES, Environment(Files(None)))  # type: ignore[arg-type]
    assert problem.node == f"n{SIZE - 1}"


def test_a_failure_at_the_start_of_a_long_chain(bench: Bench) -> None:
    nodes: dict[str, Any] = {"s": {"type": "start"}, "n0": {"type": "fail", "inputs": {"a": "s.int"}}}
    for number in range(1, 5000):
        nodes[f"n{number}"] = {"type": "add", "inputs": {"a": f"n{number - 1}.int"}}
    ran = bench.run(nodes)
    assert len(ran.skipped) == 4999
    assert set(ran.skipped.values()) == {"n0"}


@pytest.mark.parametrize("mode", ["muted", "bypassed"])
def test_a_long_chain_that_sleeps(bench: Bench, mode: str) -> None:
    nodes: dict[str, Any] = {"n0": {"type": "start", "mode": "active" if mode == "bypassed" else "muted"}}
    for number in range(1, 5000):
        nodes[f"n{number}"] = {"type": "add", "inputs": {"a": f"n{number - 1}.int"}, "mode": mode}
    ran = bench.run(nodes)
    assert list(ran.planned.values()).count("skip") >= 4999


def test_a_long_cycle() -> None:
    nodes = chain(SIZE)
    nodes["n0"]["inputs"] = {"a": f"n{SIZE - 1}.int"}
    (problem,) = check(from_json(toys.workflow(nodes)), TYPES, Environment(Files(None)))  # type: ignore[arg-type]
    assert problem.message.startswith("the wires form a cycle: n0 -> n1 -> ")
