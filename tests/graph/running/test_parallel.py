"""What runs beside what, and how a run is cancelled. No timings: events and barriers prove it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from graph.context import Cancelled, Environment
from graph.events import Event
from graph.node import NodeType, Progress, node
from graph.nodetypes.catalogue import Catalogue
from graph.running.execution import Outcome
from graph.running.run import Run
from tests.graph import toys
from tests.graph.bench import CATALOGUE, Bench

WAIT = 20.0
START = {"type": "start"}


def types(*functions: Any) -> Catalogue:
    declared: list[NodeType] = [function.node_type for function in functions]
    return Catalogue([*CATALOGUE.values(), *declared])


def in_a_thread(run: Run) -> tuple[threading.Thread, list[Outcome]]:
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(run.execute()))
    thread.start()
    return thread, outcomes


def test_nodes_that_wait_run_beside_one_that_computes(bench: Bench) -> None:
    """The computing node ends only after both waiting ones have met, which they do in threads."""
    met = threading.Barrier(3)

    @node(title="Wait", group="Toy", io=True)
    def wait(*, number: int = 0) -> int:
        met.wait(WAIT)
        return number

    @node(title="Compute", group="Toy")
    def compute() -> int:
        met.wait(WAIT)
        return 0

    nodes = {"c": {"type": "compute"}, "v": {"type": "wait"}, "w": {"type": "wait", "params": {"number": 1}}}
    assert bench.run(nodes, catalogue=types(wait, compute)).outcome.status == "ok"


def test_what_waits_for_a_computation_saves_beside_the_next_one(bench: Bench) -> None:
    saving, computing = threading.Event(), threading.Event()

    @node(title="Store", group="Toy", effects=True, io=True)
    def store(a: int) -> None:
        saving.set()
        assert computing.wait(WAIT)

    @node(title="Next", group="Toy")
    def follow(a: int) -> int:
        assert saving.wait(WAIT)
        computing.set()
        return a

    nodes = {
        "s": START,
        "e": {"type": "store", "inputs": {"a": "s.int"}},
        "n": {"type": "follow", "inputs": {"a": "s.int"}},
    }
    ran = bench.run(nodes, catalogue=types(store, follow), interface={"outputs": {"x": "n.int"}})
    assert ran.outcome.status == "ok"


def test_nodes_that_compute_run_one_after_the_other_in_the_calling_thread(bench: Bench) -> None:
    threads = []

    @node(title="Where", group="Toy")
    def where(*, number: int = 0) -> int:
        threads.append(threading.current_thread())
        return number

    nodes = {f"n{number}": {"type": "where", "params": {"number": number}} for number in range(5)}
    bench.run(nodes, catalogue=types(where))
    assert threads == [threading.current_thread()] * 5


def test_one_heavy_computation_per_device_at_a_time_in_all_runs(tmp_path: Path) -> None:
    """Two runs at once: the nodes of one device never overlap, those of two devices meet."""
    inside: dict[str, int] = {"one": 0, "two": 0}
    most: dict[str, int] = {"one": 0, "two": 0}
    met = threading.Barrier(2)
    lock = threading.Lock()

    @node(title="Load", group="Toy", folds=True)
    def loader(*, device: str = "one") -> toys.ToyHandle:
        return toys.ToyHandle(device, device)

    @node(title="Heavy", group="Toy")
    def heavy(handle: toys.ToyHandle, *, number: int = 0) -> int:
        with lock:
            inside[handle.device] += 1
            most[handle.device] = max(most[handle.device], inside[handle.device])
        if number == 0:
            met.wait(WAIT)
        threading.Event().wait(0.01)
        with lock:
            inside[handle.device] -= 1
        return number

    def run(name: str, device: str, first: int) -> Run:
        nodes: dict[str, Any] = {"h": {"type": "loader", "params": {"device": device}}}
        for number in range(first, first + 5):
            nodes[f"n{number}"] = {
                "type": "heavy",
                "inputs": {"handle": "h.toy_handle"},
                "params": {"number": number},
            }
        return Bench(tmp_path / name).program(nodes, types(loader, heavy)).start()

    runs = [run("a", "one", 0), run("b", "two", 0), run("c", "one", 100), run("d", "two", 100)]
    started = [in_a_thread(one) for one in runs]
    for thread, _ in started:
        thread.join(WAIT)
    assert [outcome.status for _, outcomes in started for outcome in outcomes] == ["ok"] * 4
    assert most == {"one": 1, "two": 1}


def test_cancelling_while_another_run_has_the_device(tmp_path: Path) -> None:
    busy, let_go = threading.Event(), threading.Event()

    @node(title="Hold", group="Toy")
    def hold(handle: toys.ToyHandle) -> int:
        busy.set()
        assert let_go.wait(WAIT)
        return 0

    nodes = {"h": {"type": "load"}, "n": {"type": "hold", "inputs": {"handle": "h.toy_handle"}}}
    catalogue = types(hold)
    first, first_outcome = in_a_thread(Bench(tmp_path / "a").program(nodes, catalogue).start())
    assert busy.wait(WAIT)
    waiting = Bench(tmp_path / "b").program(nodes, catalogue).start()
    second, second_outcome = in_a_thread(waiting)
    waiting.cancel()
    second.join(WAIT)
    assert second_outcome[0].status == "cancelled"
    let_go.set()
    first.join(WAIT)
    assert first_outcome[0].status == "ok"


def slow(steps: int) -> dict[str, Any]:
    return {
        "s": START,
        "n": {"type": "slow", "inputs": {"a": "s.int"}, "params": {"steps": steps}},
        "b": {"type": "add", "inputs": {"a": "n.int"}},
    }


def test_cancelling_from_another_thread_takes_effect_within_a_step(bench: Bench) -> None:
    events: list[Event] = []
    run = bench.program(slow(100_000)).start()
    reached, cancelled = threading.Event(), threading.Event()

    def listen(event: Event) -> None:
        events.append(event)
        if event["event"] == "progress" and event["step"] == 3:
            reached.set()
            assert cancelled.wait(WAIT)

    run.listener = listen
    thread, outcomes = in_a_thread(run)
    assert reached.wait(WAIT)
    run.cancel()
    cancelled.set()
    thread.join(WAIT)
    assert outcomes[0].status == "cancelled"
    assert [event["step"] for event in events if event["event"] == "progress"] == [1, 2, 3]
    assert events[-1]["event"] == "done"
    assert events[-1]["status"] == "cancelled"
    assert not any(event["event"] in ("failed", "skipped") for event in events)


def test_a_cancelled_run_leaves_the_cache_whole(tmp_path: Path) -> None:
    bench = Bench(tmp_path, disk=True)
    run = bench.program(slow(100_000)).start()
    run.listener = lambda event: run.cancel() if event["event"] == "progress" else None
    assert run.execute().status == "cancelled"
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    again = Bench(tmp_path, disk=True).run(slow(100_000), to="s")
    assert again.planned["s"] == "reuse"
    assert again.of("warning") == []


def test_a_run_cancelled_before_it_starts_runs_nothing(bench: Bench) -> None:
    toys.calls.clear()
    run = bench.program(slow(1)).start()
    run.cancel()
    assert run.execute().status == "cancelled"
    assert toys.calls == []


def test_cancelling_after_the_last_node_cancels_nothing(bench: Bench) -> None:
    run = bench.program({"s": START}).start()
    run.listener = lambda event: run.cancel() if event["event"] == "finished" else None
    assert run.execute().status == "ok"


def test_cancelling_waits_for_the_threads_and_keeps_what_they_finished(bench: Bench) -> None:
    reading, cancelled = threading.Event(), threading.Event()

    @node(title="Wait", group="Toy", io=True)
    def wait() -> int:
        reading.set()
        assert cancelled.wait(WAIT)
        return 5

    @node(title="Compute", group="Toy")
    def compute(*, progress: Progress) -> int:
        assert reading.wait(WAIT)
        run.cancel()
        cancelled.set()
        progress.check()
        return 0

    catalogue = types(wait, compute)
    nodes = {"w": {"type": "wait"}, "c": {"type": "compute"}}
    run = bench.program(nodes, catalogue).start()
    assert run.execute().status == "cancelled"
    assert bench.run({"w": {"type": "wait"}}, catalogue=catalogue).planned == {"w": "reuse"}


def test_a_node_that_says_cancelled_though_nobody_did_has_failed(bench: Bench) -> None:
    @node(title="Odd", group="Toy")
    def odd() -> int:
        raise Cancelled

    ran = bench.run({"n": {"type": "odd"}}, catalogue=types(odd))
    assert ran.outcome.status == "failed"


def test_an_interrupt_ends_the_run_and_its_threads(bench: Bench) -> None:
    (bench.folder / "text").write_text("hello")

    @node(title="Stop", group="Toy")
    def stop() -> int:
        raise KeyboardInterrupt

    nodes = {"n": {"type": "stop"}, "r": {"type": "read", "params": {"path": "text"}}}
    run = bench.program(nodes, types(stop, toys.read)).start()
    with pytest.raises(KeyboardInterrupt):
        run.execute()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("kandinsky-io")]


@pytest.mark.parametrize("type_id", ["start", "read"])
def test_a_listener_that_fails_ends_the_run_and_says_so(bench: Bench, type_id: str) -> None:
    run = bench.program({"n": {"type": type_id}}).start()

    def listen(event: Event) -> None:
        if event["event"] == "finished":
            raise BrokenPipeError("nobody reads this")

    run.listener = listen
    with pytest.raises(BrokenPipeError, match="nobody reads this"):
        run.execute()


def test_a_failure_in_a_thread_is_like_any_other(bench: Bench) -> None:
    (bench.folder / "text").write_text("hello")
    nodes = {
        "r": {"type": "read", "params": {"path": "text"}},
        "p": {"type": "pick", "inputs": {"value": "r.string"}},
        "free": START,
    }
    program = bench.program(nodes)
    events: list[Event] = []
    run = program.start()

    def listen(event: Event) -> None:
        events.append(event)
        if event["event"] == "started" and event["node"] == "r":
            (bench.folder / "text").write_text("another text")

    run.listener = listen
    outcome = run.execute()
    assert outcome.status == "failed"
    assert "changed while the workflow ran" in outcome.failures[0].error
    assert [event["because"] for event in events if event["event"] == "skipped"] == ["r"]
    assert "free" in [event["node"] for event in events if event["event"] == "finished"]


def test_many_runs_share_the_tiers(tmp_path: Path) -> None:
    bench = Bench(tmp_path, disk=True, memory_bytes=20_000)
    nodes: dict[str, Any] = {"m0": {"type": "make", "params": {"size": 500, "fill": 1}}}
    for number in range(1, 15):
        nodes[f"m{number}"] = {"type": "scribble", "inputs": {"toy": f"m{number - 1}.toy_array"}}
    interface = {"outputs": {"x": "m14.toy_array"}}
    runs = [bench.program(nodes, interface=interface).start() for _ in range(4)]
    started = [in_a_thread(run) for run in runs]
    for thread, _ in started:
        thread.join(WAIT)
    values = [outcome.outputs["x"].numbers for _, outcomes in started for outcome in outcomes]
    assert [value.tolist() for value in values] == [[15.0] * 500] * 4


def test_a_run_is_cancelled_while_a_node_is_asked_for_its_plan(bench: Bench) -> None:
    """A loader that downloads does so while planning."""
    events: list[Event] = []

    @node(title="Fetch", group="Toy", folds=True)
    def fetch(*, environment: Environment) -> int:
        """Waits to be cancelled."""
        run.cancel()
        environment.check()
        return 1

    run = bench.program({"f": {"type": "fetch"}}, types(fetch)).start()
    run.listener = events.append
    assert run.execute().status == "cancelled"
    (event,) = events
    assert (event["event"], event["status"], event["outputs"]) == ("done", "cancelled", {})
