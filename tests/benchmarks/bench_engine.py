"""How long the engine takes for a node that does nothing: `python -m tests.benchmarks.bench_engine`.

Each row is a workflow of N trivial nodes (x + 1), run three times: cold, again with everything cached, and
again with the first node changed. Validation, keys, memory tier and events are part of it; reading the file
has a column of its own. CPU time counts, because a machine has other work to do as well; wall time is in
brackets. The best of several runs stands, for small N of many.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from graph.cache.memory_tier import MemoryCache
from graph.cache.results import Results
from graph.context import Environment
from graph.files.allowed import Files
from graph.node import node
from graph.program import Program
from graph.workflow.file import from_json

Nodes = dict[str, dict[str, Any]]


@node(title="Count", group="Benchmark")
def count(a: int | None = None, *, by: int = 1) -> int:
    """a + by."""
    return (a or 0) + by


@node(title="Gather", group="Benchmark")
def gather(items: list[int]) -> int:
    """The sum."""
    return sum(items)


class Cost(NamedTuple):
    """Milliseconds a node."""

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:.4f} ({self.wall:.4f})"


def chain(size: int) -> Nodes:
    """Each node reads the one before."""
    nodes: Nodes = {"n0": {"type": "count"}}
    for number in range(1, size):
        nodes[f"n{number}"] = {"type": "count", "inputs": {"a": f"n{number - 1}.int"}}
    return nodes


def wide(size: int) -> Nodes:
    """All nodes read the first; every thousand of them are summed up."""
    nodes: Nodes = {"n0": {"type": "count"}}
    for number in range(1, size - 1 - size // 1000):
        nodes[f"n{number}"] = {"type": "count", "inputs": {"a": "n0.int"}, "params": {"by": number}}
    names = list(nodes)
    sums = range(0, len(names), 1000)
    for start in sums:
        links = [f"{name}.int" for name in names[start : start + 1000]]
        nodes[f"sum{start}"] = {"type": "gather", "inputs": {"items": links}}
    nodes["end"] = {"type": "gather", "inputs": {"items": [f"sum{start}.int" for start in sums]}}
    return nodes


def measure(work: Callable[[], Any], size: int) -> Cost:
    """What one call costs."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(cpu * 1000 / size, wall * 1000 / size)


def costs(shape: Callable[[int], Nodes], size: int) -> list[Cost]:
    """Reading, cold, all cached, first node changed."""
    nodes = shape(size)
    last = list(nodes)[-1]
    data = {
        "format": "kandinsky-workflow",
        "version": 1,
        "nodes": nodes,
        "interface": {"inputs": {"start": "n0.by"}, "outputs": {"end": f"{last}.int"}},
    }
    read = measure(lambda: from_json(data), size)
    events: list[dict[str, Any]] = []
    catalogue = {kind.node_type.id: kind.node_type for kind in (count, gather)}  # type: ignore[attr-defined]
    results = Results(MemoryCache(2**30))
    environment = Environment(Files(None))
    program = Program(
        from_json(data),
        catalogue,
        environment,
        results,
        Path("outputs"),
        events.append,  # type: ignore[arg-type]
    )
    changed = program.start({"start": 5})
    runs = [program.start(), program.start(), changed]
    return [read, *(measure(run.execute, size) for run in runs)]


def best(shape: Callable[[int], Nodes], size: int, repeat: int) -> list[Cost]:
    """The best of several measurements of each."""
    measured = [costs(shape, size) for _ in range(repeat)]
    return [min(column) for column in zip(*measured, strict=True)]


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, default=[30, 1_000, 10_000, 100_000])
    sizes = parser.parse_args(arguments).sizes
    print("CPU (wall) ms a node; aims: 0.1 cold, 0.05 all cached\n")
    print(f"{'':6} {'N':>7}  " + "".join(f"{name:20}" for name in ("read", "cold", "cached", "changed")))
    costs(chain, 30)  # imports and first calls
    for shape in (chain, wide):
        for size in sizes:
            found = best(shape, size, max(1, min(50, 20_000 // size)))
            print(f"{shape.__name__:6} {size:>7}  " + "".join(f"{cost!s:20}" for cost in found), flush=True)


if __name__ == "__main__":
    main()
