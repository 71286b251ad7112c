"""Nothing that a run does, and no folder that goes away, ends the server's work."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from graph.node import node
from graph.nodetypes.catalogue import Catalogue, node_types_of
from tests.ui import toy_pack
from tests.ui.browser import Browser, Refusal
from tests.ui.server.test_privacy import picture, saving
from tests.ui.serving import places, served, toys_and_pictures
from tests.ui.studio.test_runs import Work
from ui.studio.runs import MOST_ABANDONED, QueueFull, Runs
from ui.studio.studio import Studio

LET_GO = threading.Event()


class Broken(StringIO):
    """A stream that was closed."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@node(title="Hang", group="Toys")
def hang() -> int:
    """Do nothing until the test is over."""
    LET_GO.wait(60)
    return 1


@pytest.fixture(autouse=True)
def let_go() -> Iterator[None]:
    LET_GO.clear()
    yield
    LET_GO.set()


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(7), KeyboardInterrupt(), GeneratorExit()])
def test_the_queue_goes_on_whatever_a_run_raises_and_where_the_log_is_broken(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Broken())
    runs, order = Runs(), []
    first, second = Work("first", order, error), Work("second", order)
    ids = [runs.start("a", first), runs.start("a", second)]
    first.go.set()
    second.go.set()
    assert second.running.wait(10)
    deadline = time.monotonic() + 10
    while not runs.log("a", ids[1]).ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert runs.log("a", ids[0]).since(0)[0][-1]["status"] == "failed"
    assert runs.works
    runs.close()


def test_after_three_runs_that_hang_the_server_asks_to_be_restarted(tmp_path: Path) -> None:
    catalogue = Catalogue([*node_types_of(toy_pack), hang.node_type])  # type: ignore[attr-defined]
    studio = Studio(catalogue, places(tmp_path), node_timeout=0.2)
    stuck = {"format": "kandinsky-workflow", "version": 1, "nodes": {"a": {"type": "hang"}}}
    fine = {**stuck, "nodes": {"a": {"type": "toys/number"}}}
    with served(studio) as url:
        browser = Browser(url).enter()
        for _ in range(MOST_ABANDONED):
            assert browser.run(fine)[-1]["status"] == "ok"
            events = browser.run(stuck)
            assert [event["event"] for event in events][-2:] == ["failed", "done"]
            assert "no sign of life" in events[-2]["error"]
        with pytest.raises(Refusal, match="3 runs hang: the server has to be restarted"):
            browser.run(fine)
        health = browser.http.get("/kandinsky/health")
        assert (health.status_code, health.json()) == (503, {"queue": "stopped"})
        LET_GO.set()  # they come to an end after all
        deadline = time.monotonic() + 10
        while not studio.runs.works:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert browser.run(fine)[-1]["status"] == "ok"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def browser(home: Path) -> Iterator[Browser]:
    with served(Studio(toys_and_pictures(), places(home))) as url:
        yield Browser(url).enter()


@pytest.mark.parametrize("gone", ["outputs", "inputs", "saved", "cache"])
def test_a_folder_that_is_removed_is_made_again(browser: Browser, home: Path, gone: str) -> None:
    def everything(tag: int) -> None:
        ref = browser.http.post("/kandinsky/picture", content=picture(tag)).json()["ref"]
        workflow = saving(ref, "w")
        assert browser.run(workflow)[-1]["status"] == "ok"
        assert len(browser.ask("results", workflow="w")) >= 1
        browser.ask("save", name=f"n{tag}", workflow=workflow, revision=None)
        assert f"n{tag}" in [entry["name"] for entry in browser.ask("saved")]

    everything(1)
    shutil.rmtree(home / gone)
    everything(2)


@pytest.mark.parametrize("blocked", ["outputs", "inputs", "saved"])
def test_while_a_folder_cannot_be_used_a_sentence_says_so(browser: Browser, home: Path, blocked: str) -> None:
    ref = browser.http.post("/kandinsky/picture", content=picture(1)).json()["ref"]
    shutil.rmtree(home / blocked, ignore_errors=True)
    (home / blocked).write_text("a file in the folder's place")
    answers: list[Any] = [browser.http.post("/kandinsky/picture", content=picture(2))]
    for question, fields in (
        ("save", {"name": "a", "workflow": saving(ref, "w"), "revision": None}),
        ("saved", {}),
        ("results", {"workflow": "w"}),
    ):
        answers.append(browser.call(question, **fields))
    assert all(answer.status_code in (200, 507) for answer in answers), [answer.text for answer in answers]
    assert any("error" in answer.text for answer in answers)
    assert all("Traceback" not in answer.text for answer in answers)
    events = browser.run(saving(ref, "w")) if blocked == "outputs" else []
    assert not events or events[-1]["status"] == "failed"
    (home / blocked).unlink()
    ref = browser.http.post("/kandinsky/picture", content=picture(3)).json()["ref"]
    assert browser.run(saving(ref, "w"))[-1]["status"] == "ok"


def test_a_full_disk_is_a_sentence_until_there_is_room(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def refuse(*_: object) -> int:
        raise full

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", refuse)
        answer = browser.http.post("/kandinsky/picture", content=picture(1))
        assert answer.status_code == 507
        assert (
            answer.json()["error"] == "this cannot be stored or read at the moment: No space left on device"
        )
        with pytest.raises(Refusal, match="No space left on device"):
            browser.ask("save", name="a", workflow=saving("scene.png", "w"), revision=None)
    assert browser.http.post("/kandinsky/picture", content=picture(1)).status_code == 200
    browser.ask("save", name="a", workflow=saving("scene.png", "w"), revision=None)


def test_a_queue_that_hangs_refuses_what_comes_and_ends_what_waits() -> None:
    runs, order, hanging = Runs(), [], []
    for number in range(MOST_ABANDONED):
        work = Work(str(number), order)
        work.abandoned = threading.Thread(target=LET_GO.wait, daemon=True)
        work.abandoned.start()
        hanging.append(work)
        runs.start("a", work)
    last = runs.log("a", runs.start("a", Work("waits longer", order)))
    for work in hanging:
        work.go.set()
    deadline = time.monotonic() + 10
    while not last.ended:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not runs.works and "waits longer" not in order
    done = last.since(0)[0][-1]
    assert (done["status"], done["error"]) == ("failed", "3 runs hang: the server has to be restarted")
    with pytest.raises(QueueFull, match="restarted"):
        runs.start("a", Work("one more", order))
    runs.close()


def test_garbage_is_rarely_searched_for_in_all_there_is() -> None:
    """A workflow of 100,000 nodes had everybody wait for half a second, ten times."""
    program = (
        "import gc; from ui.memory import rarely_search_for_garbage; rarely_search_for_garbage(); "
        "before = gc.get_stats()[2]['collections']; kept = [[] for _ in range(2_000_000)]; "
        "print(gc.get_freeze_count() > 1000, gc.get_stats()[2]['collections'] - before)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True", "0"]
