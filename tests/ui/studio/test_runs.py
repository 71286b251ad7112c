"""Runs of several people: the log of each, whose turn it is, and that every run comes to an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from graph.events import Listener
from ui.studio import runs as limits
from ui.studio.event_log import EventLog
from ui.studio.runs import QueueFull, Runs, UnknownRun


class Work:
    """Says that it runs, waits to be let go, and says that it is done; `order` is who ran when."""

    order: list[str]
    abandoned: threading.Thread | None = None

    def __init__(self, name: str, order: list[str], error: BaseException | None = None) -> None:
        self.listener: Listener | None = None
        self.name, self.order, self.error = name, order, error
        self.running, self.go, self.cancelled = threading.Event(), threading.Event(), False

    def execute(self) -> None:
        self.order.append(self.name)
        self.running.set()
        assert self.listener is not None
        self.listener({"event": "started", "time": 0.0, "node": self.name})
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        status = "cancelled" if self.cancelled else "ok"
        self.listener({"event": "done", "time": 0.0, "status": status, "seconds": 0.0, "outputs": {}})

    def cancel(self) -> None:
        self.cancelled = True
        self.go.set()


@pytest.fixture
def runs() -> Iterator[Runs]:
    made = Runs()
    yield made
    made.close()


def awaited(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns; in a thread, since tests of a browser may have left a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def read(log: EventLog, since: int = 0) -> list[dict[str, Any]]:
    """Everything in a log, to its end."""

    async def follow() -> list[dict[str, Any]]:
        return [event for batch in [batch async for batch in log.follow(since)] for event in batch]

    return awaited(asyncio.wait_for(follow(), 10))


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def start(runs: Runs, owner: str, order: list[str], name: str) -> tuple[str, Work]:
    work = Work(name, order)
    return runs.start(owner, work, {"name": name}), work


def test_one_run_at_a_time_and_people_take_turns(runs: Runs) -> None:
    order: list[str] = []
    first, working = start(runs, "anna", order, "a1")
    assert working.running.wait(10)
    others = [start(runs, owner, order, name) for owner, name in (
        ("anna", "a2"), ("anna", "a3"), ("bert", "b1"), ("bert", "b2"), ("carl", "c1"))]  # fmt: skip
    assert order == ["a1"]
    assert [entry[2].get("name", "") for entry in runs.queue("bert")] == ["", "b1", "", "", "b2", ""]
    assert [mine for _, mine, _ in runs.queue("carl")] == [False, False, True, False, False, False]
    assert next(run for run, _, _ in runs.queue("anna")) == first
    for work in [working, *(work for _, work in others)]:
        work.go.set()
    logs = [read(runs.log(owner, run)) for owner, (run, _) in zip(
        ("anna", "anna", "bert", "bert", "carl"), others, strict=True)]  # fmt: skip
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]
    for events in logs:
        positions = [event["position"] for event in events if event["event"] == "queued"]
        # Who comes first is overtaken by those whose turn it is, and then everybody moves up.
        after = positions[positions.index(max(positions)) :]
        assert after == sorted(after, reverse=True)
        assert after[-1] == 0
        assert events[-1]["status"] == "ok"


def test_events_are_numbered_and_can_be_read_again_from_anywhere(runs: Runs) -> None:
    run, work = start(runs, "anna", [], "a")
    work.go.set()
    log = runs.log("anna", run)
    events = read(log)
    assert kinds(events) == ["queued", "started", "done"]
    assert [event["seq"] for event in events] == [0, 1, 2]
    assert {event["run"] for event in events} == {run}
    assert read(log, 1) == events[1:]
    assert read(log, 99) == []
    log.append({"event": "started", "node": "late"})
    assert read(log) == events


def test_several_readers_see_the_same_while_it_happens(runs: Runs) -> None:
    run, work = start(runs, "anna", [], "a")
    log = runs.log("anna", run)

    async def both() -> list[list[str]]:
        async def follow() -> list[str]:
            seen = []
            async for batch in log.follow():
                seen += kinds(batch)
                if "started" in seen:
                    work.go.set()
            return seen

        return await asyncio.gather(follow(), follow())

    assert awaited(both()) == [["queued", "started", "done"]] * 2


def test_who_waits_is_told_that_the_server_is_still_there() -> None:
    async def follow() -> list[Any]:
        return await anext(EventLog("run").follow(patience=0.01))

    assert awaited(follow()) == []


def test_of_the_previews_of_a_node_the_newest_is_kept() -> None:
    log = EventLog("run")
    for step in range(3):
        for node in ("a", "b"):
            picture = {"preview": f"{node}{step}"} if step < 2 else {}
            log.append({"event": "progress", "node": node, "step": step, **picture})
    events, _ = log.since(0)
    assert [event["step"] for event in events] == [0, 0, 1, 1, 2, 2]
    assert [event.get("preview") for event in events] == [None, None, "a1", "b1", None, None]
    held = events[2]
    log.append({"event": "finished", "node": "a", "outputs": {"image": {"thumbnail": "a"}}})
    log.append(
        {"event": "finished", "node": "b", "outputs": {"latents": {}}}
    )  # there is nothing else to show
    events, _ = log.since(0)
    assert [event.get("preview") for event in events] == [None, None, None, "b1", *[None] * 4]
    assert held["preview"] == "a1"  # what a reader holds does not change


def test_previews_do_not_queue_up_before_a_slow_reader() -> None:
    log = EventLog("run")

    def paint(steps: range) -> None:
        for step in steps:
            log.append({"event": "progress", "node": "a", "step": step, "preview": "x" * 10_000})

    async def read_slowly() -> list[list[dict[str, Any]]]:
        batches = log.follow()
        paint(range(2))
        read = [await anext(batches)]
        paint(range(2, 1000))  # while the first batch is on its way
        read.append(await anext(batches))
        return read

    first, second = awaited(read_slowly())
    assert [event["step"] for event in [*first, *second]] == list(range(1000))
    assert [sum("preview" in event for event in batch) for batch in (first, second)] == [1, 1]


def test_one_sees_and_cancels_only_ones_own(runs: Runs) -> None:
    run, work = start(runs, "anna", [], "a")
    for forbidden in (runs.log, runs.cancel):
        with pytest.raises(UnknownRun, match="not known"):
            forbidden("bert", run)
        with pytest.raises(UnknownRun):
            forbidden("anna", "nothing")
    assert runs.active("bert") == []
    assert runs.active("anna") == [(run, 0, {"name": "a"})]
    assert not work.cancelled
    runs.cancel("anna", run)
    assert read(runs.log("anna", run))[-1]["status"] == "cancelled"
    assert runs.active("anna") == []
    runs.cancel("anna", run)  # again: nothing more happens


def test_a_waiting_run_is_cancelled_at_once_and_the_others_move_up(runs: Runs) -> None:
    order: list[str] = []
    _, working = start(runs, "anna", order, "a")
    second, _ = start(runs, "anna", order, "b")
    third, last = start(runs, "anna", order, "c")
    assert working.running.wait(10)
    runs.cancel("anna", second)
    assert read(runs.log("anna", second))[-1]["status"] == "cancelled"
    assert [position for _, position, _ in runs.active("anna")] == [0, 1]
    working.go.set()
    last.go.set()
    positions = [e["position"] for e in read(runs.log("anna", third)) if e["event"] == "queued"]
    assert positions == [2, 1, 0]
    assert order == ["a", "c"]


@pytest.mark.parametrize("error", [RuntimeError("it broke"), MemoryError(), KeyboardInterrupt()])
def test_done_always_comes(runs: Runs, error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    work = Work("a", [], error)
    work.go.set()
    events = read(runs.log("anna", runs.start("anna", work)))
    assert events[-1]["event"] == "done"
    assert events[-1]["status"] == "failed"
    assert events[-1]["error"]
    again, fine = start(runs, "anna", [], "b")  # the next one runs all the same
    fine.go.set()
    assert read(runs.log("anna", again))[-1]["status"] == "ok"


def test_nobody_fills_the_queue(runs: Runs) -> None:
    _, working = start(runs, "anna", [], "a")
    assert working.running.wait(10)
    for number in range(limits.QUEUED_PER_OWNER):
        start(runs, "anna", [], str(number))
    with pytest.raises(QueueFull, match="8 runs waiting"):
        start(runs, "anna", [], "too many")
    start(runs, "bert", [], "b")


def test_old_runs_are_forgotten(runs: Runs) -> None:
    ids = []
    for number in range(limits.KEPT_PER_OWNER + 3):
        run, work = start(runs, "anna", [], str(number))
        work.go.set()
        read(runs.log("anna", run))
        ids.append(run)
    _, work = start(runs, "anna", [], "last")
    assert work.running.wait(10)  # whatever is forgotten is forgotten by now
    for old in ids[:3]:
        with pytest.raises(UnknownRun):
            runs.log("anna", old)
    assert read(runs.log("anna", ids[-1]))[-1]["event"] == "done"
    work.go.set()


def test_closing_ends_everything() -> None:
    runs = Runs()
    run, working = start(runs, "anna", [], "a")
    waiting, _ = start(runs, "anna", [], "b")
    assert working.running.wait(10)
    runs.close()
    assert read(runs.log("anna", run))[-1]["status"] == "cancelled"
    assert read(runs.log("anna", waiting))[-1]["status"] == "cancelled"


def test_behind_one_address_nobodys_many_runs_remove_anothers_few(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "KEPT_IN_ALL", 4)
    order: list[str] = []
    ids = []
    for owner in ("few", "many", "many", "many", "many"):
        work = Work(owner, order)
        work.go.set()
        ids.append(runs.start(owner, work, address="192.0.2.1"))
        read(runs.log(owner, ids[-1]))
    last = Work("last", order)
    last.go.set()
    read(runs.log("last", runs.start("last", last, address="192.0.2.2")))
    assert runs.log("few", ids[0]).ended
    with pytest.raises(UnknownRun):
        runs.log("many", ids[1])
