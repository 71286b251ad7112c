"""Nodes that raise anything at all, and nodes that hang."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import graph.program
from graph.cache.memory_tier import MemoryCache
from graph.cache.results import MEMORY_LIMIT
from graph.context import OutputFolder, Progress
from graph.node import node
from graph.nodetypes.catalogue import Catalogue
from graph.program import assemble
from graph.running.watch import Watch
from graph.workflow.file import from_json
from tests.graph import toys

LET_GO = threading.Event()


class PanicException(BaseException):
    """What a Rust library raises when it panics."""


RAISED: dict[str, BaseException] = {
    "exit": SystemExit(7),
    "interrupt": KeyboardInterrupt(),
    "generator": GeneratorExit(),
    "asyncio": asyncio.CancelledError(),
    "rust": PanicException("index out of bounds"),
    "memory": MemoryError(),
    "recursion": RecursionError("too deep"),
}


@node(title="Raise", group="Toys")
def raises(*, what: str = "exit") -> int:
    """Raise something."""
    raise RAISED[what]


@node(title="Raise beside", group="Toys", io=True)
def raises_beside(*, what: str = "exit") -> int:
    """Raise something in a thread for files."""
    raise RAISED[what]


@node(title="One", group="Toys")
def one() -> int:
    """Work."""
    return 1


@node(title="Keep", group="Toys", effects=True)
def keep(a: int, *, outputs: OutputFolder) -> int:
    """Write a file."""
    outputs.write("kept", "txt", [str(a).encode()])
    return a


@node(title="Hang", group="Toys")
def hang(*, progress: Progress) -> int:
    """Give no sign of life until the test lets go, then go on as if nothing had been."""
    LET_GO.wait(30)
    progress.warn("too late")
    return 2


@node(title="Hang and write", group="Toys", effects=True, io=True)
def hang_and_write(*, outputs: OutputFolder) -> int:
    """The same, with a file."""
    LET_GO.wait(30)
    outputs.write("late", "txt", [b"late"])
    return 3


@node(title="Pass on", group="Toys")
def pass_on(a: int) -> int:
    """The same number."""
    return a


@node(title="Handle", group="Toys", folds=True)
def handle() -> toys.ToyHandle:
    """Something on a device."""
    return toys.ToyHandle("toy", "test_hanging")


@node(title="Hang with", group="Toys")
def hang_with(h: toys.ToyHandle) -> int:
    """Keep a device until the test lets go."""
    LET_GO.wait(30)
    return 4


@node(title="Use", group="Toys")
def use(h: toys.ToyHandle) -> int:
    """Use a device."""
    return 5


NODES = (raises, raises_beside, one, keep, hang, hang_and_write, pass_on, handle, hang_with, use)
CATALOGUE = Catalogue(function.node_type for function in NODES)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def let_go(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(graph.program, "_memory", MemoryCache(MEMORY_LIMIT))
    LET_GO.clear()
    yield
    LET_GO.set()


def started(
    tmp_path: Path, nodes: dict[str, Any], limit: float | None = None
) -> tuple[Any, list[dict[str, Any]]]:
    data = {"format": "kandinsky-workflow", "version": 1, "nodes": nodes}
    program = assemble(
        from_json(data, tmp_path), CATALOGUE, output=tmp_path / "out", cache=tmp_path / "cache"
    )
    run, events = program.start(), []
    run.listener, run.node_timeout = events.append, limit
    return run, events


@pytest.mark.parametrize("type", ["raises", "raises_beside"])
@pytest.mark.parametrize("what", RAISED)
def test_whatever_a_node_raises_fails_that_node_only(tmp_path: Path, what: str, type: str) -> None:
    nodes = {
        "bad": {"type": type, "params": {"what": what}},
        "after": {"type": "keep", "inputs": {"a": "bad.int"}},
        "good": {"type": "one"},
        "kept": {"type": "keep", "inputs": {"a": "good.int"}},
    }
    run, events = started(tmp_path, nodes)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(run.execute()))  # Ctrl-C is for the main thread
    thread.start()
    thread.join(20)
    (outcome,) = found
    assert outcome.status == "failed"
    (failed,) = [event for event in events if event["event"] == "failed"]
    assert failed["node"] == "bad" and failed["error"]
    assert [event["node"] for event in events if event["event"] == "skipped"] == ["after"]
    assert events[-1]["event"] == "done" and events[-1]["status"] == "failed"
    assert [path.name for path in outcome.files["kept"]] == ["kept.txt"]


def test_ctrl_c_in_the_main_thread_still_ends_the_run(tmp_path: Path) -> None:
    run, _ = started(tmp_path, {"bad": {"type": "raises", "params": {"what": "interrupt"}}})
    with pytest.raises(KeyboardInterrupt):
        run.execute()


def test_a_run_whose_node_hangs_is_given_up(tmp_path: Path) -> None:
    nodes = {
        "stuck": {"type": "hang"},
        "after": {"type": "keep", "inputs": {"a": "stuck.int"}},
        "beside": {"type": "hang_and_write"},
    }
    run, events = started(tmp_path, nodes, limit=0.2)
    start = time.monotonic()
    outcome = run.execute()
    assert time.monotonic() - start < 10
    assert outcome.status == "failed" and run.abandoned is not None and run.abandoned.is_alive()
    assert [event["event"] for event in events][-3:] in (
        ["failed", "skipped", "done"],
        ["started", "failed", "done"],
    )
    assert "no sign of life for 0.2 s" in outcome.failures[0].error
    told = len(events)
    LET_GO.set()
    run.abandoned.join(20)
    assert not run.abandoned.is_alive()
    assert len(events) == told  # nothing that came later is reported, kept or written
    assert not list(tmp_path.glob("out/*")) and not list(tmp_path.glob("cache/*/*.safetensors"))
    again, later = started(tmp_path, {"stuck": {"type": "hang"}}, limit=5)
    assert again.execute().status == "ok" and later[-1]["status"] == "ok"


def test_a_cancelled_run_whose_node_hangs_is_reported_as_cancelled(tmp_path: Path) -> None:
    run, events = started(tmp_path, {"stuck": {"type": "hang"}}, limit=0.2)
    run.cancel()
    run._cancelled.clear()  # as if it was cancelled once the node had begun
    threading.Timer(0.05, run.cancel).start()
    assert run.execute().status == "cancelled"
    assert [event["event"] for event in events if event["event"] == "failed"] == []


def test_everything_that_depends_on_a_node_that_hangs_is_skipped_once(tmp_path: Path) -> None:
    nodes = {
        "stuck": {"type": "hang"},
        "next": {"type": "pass_on", "inputs": {"a": "stuck.int"}},
        "last": {"type": "keep", "inputs": {"a": "next.int"}},
        "muted": {"type": "keep", "inputs": {"a": "stuck.int"}, "mode": "muted"},
    }
    run, events = started(tmp_path, nodes, limit=0.2)
    assert run.execute().status == "failed"
    skipped = [(event["node"], event["because"]) for event in events if event["event"] == "skipped"]
    assert skipped == [("muted", "muted"), ("next", "stuck"), ("last", "stuck")]


def test_a_warning_of_a_node_that_only_waits_is_no_sign_of_work() -> None:
    watch = Watch(None, limit=0.1)

    def work() -> None:
        watch.listener({"event": "warning", "node": "later", "message": "its file was damaged"})
        time.sleep(0.4)

    thread, silent = watch.run(work)
    assert silent is None and not thread.is_alive()


def test_who_waits_for_the_device_of_an_abandoned_run_gets_it(tmp_path: Path) -> None:
    nodes = {"h": {"type": "handle"}, "stuck": {"type": "hang_with", "inputs": {"h": "h.toy_handle"}}}
    hanging, _ = started(tmp_path, nodes, limit=0.5)
    waiting, _ = started(tmp_path, {**nodes, "stuck": {"type": "use", "inputs": {"h": "h.toy_handle"}}})
    statuses: list[str] = []
    began = threading.Event()
    hanging.listener = lambda event: began.set() if event["event"] == "started" else None
    first = threading.Thread(target=lambda: statuses.append(hanging.execute().status), daemon=True)
    first.start()
    assert began.wait(10)
    second = threading.Thread(target=lambda: statuses.append(waiting.execute().status), daemon=True)
    second.start()
    for thread in (first, second):
        thread.join(10)
    assert sorted(statuses) == ["failed", "ok"]


def test_nodes_that_report_steps_are_not_hanging(tmp_path: Path) -> None:
    @node(title="Steps", group="Toys")
    def steps(*, progress: Progress) -> int:
        for number in range(20):
            time.sleep(0.03)
            progress.step(number + 1, 20)
        return 1

    data = {"format": "kandinsky-workflow", "version": 1, "nodes": {"a": {"type": "steps"}}}
    catalogue = Catalogue([steps.node_type])  # type: ignore[attr-defined]
    run = assemble(from_json(data, tmp_path), catalogue, output=tmp_path, cache=None).start()
    run.node_timeout = 0.4
    assert run.execute().status == "ok"
