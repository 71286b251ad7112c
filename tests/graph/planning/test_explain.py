"""Why a node runs: in what it differs from its last run in the workflow."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graph.cache import history
from graph.cache.history import LONGEST_VALUE, History, HistoryFile, LastRun
from graph.context import Environment
from graph.files.allowed import Files
from graph.planning.explain import explain
from graph.planning.plan import plan
from graph.workflow.file import from_json
from tests.graph import toys
from tests.graph.bench import CATALOGUE, Bench


@pytest.fixture
def file(tmp_path: Path) -> HistoryFile:
    return HistoryFile(tmp_path / "history.sqlite")


class Explained:
    """A workflow that is run and explained."""

    def __init__(self, folder: Path, file: HistoryFile) -> None:
        self.bench = Bench(folder)
        self.history = History(file, "", "here")

    def run(self, nodes: dict[str, Any], **more: Any) -> None:
        program = self.bench.program(nodes, **more)
        replace(program, history=self.history).start().execute()

    def why(self, nodes: dict[str, Any], **more: Any) -> dict[str, str]:
        program = self.bench.program(nodes, **more)
        made = plan(program.workflow, program.catalogue, program.environment, cache=self.bench.results)
        return explain(made, self.history)


@pytest.fixture
def explained(tmp_path: Path, file: HistoryFile) -> Explained:
    return Explained(tmp_path, file)


def nodes(text: str = "a", amount: int = 1, source: str = "s") -> dict[str, Any]:
    return {
        "s": {"type": "start", "params": {"value": 1}},
        "t": {"type": "start", "params": {"value": 1}},
        "n": {"type": "add", "inputs": {"a": f"{source}.int"}, "params": {"amount": amount}},
        "w": {"type": "warn", "inputs": {"a": "n.int"}, "params": {"message": text}},
        "save": {"type": "save", "inputs": {"value": "w.int"}},
    }


def test_what_never_ran_is_new(explained: Explained) -> None:
    assert explained.why(nodes()) == {"s": "new", "n": "new", "w": "new", "save": "new"}


def test_a_param_that_changed(explained: Explained) -> None:
    explained.run(nodes())
    why = explained.why(
        nodes(text="b"), interface={"inputs": {"prompt": {"targets": ["w.message"], "title": "Prompt"}}}
    )
    assert why["w"] == 'Prompt changed from "a" to "b"'
    assert why["save"] == "Value changed: w"
    assert why["s"] == why["n"] == "made just now"
    assert explained.why(nodes(amount=2))["n"] == "Amount changed from 1 to 2"


def test_an_input_that_comes_from_elsewhere(explained: Explained) -> None:
    explained.run(nodes())
    assert explained.why({**nodes(source="t"), "t": {"type": "start", "params": {"value": 2}}})["n"] == (
        "A comes from t now"
    )


def test_what_runs_each_time(explained: Explained) -> None:
    explained.run(nodes())
    assert explained.why(nodes())["save"] == "made just now; it runs each time"


def test_when_it_was_made(explained: Explained, monkeypatch: pytest.MonkeyPatch) -> None:
    explained.run(nodes())
    explained.bench.results.memory.clear()
    past = {id: replace(last, time=last.time - 200) for id, last in explained.history.read().items()}
    explained.history.write(past)
    assert explained.why(nodes())["n"] == "made 3 minutes ago, and no longer in the cache"


def test_code_and_version_that_changed(explained: Explained) -> None:
    explained.run(nodes())
    past = explained.history.read()
    explained.history.write({"n": replace(past["n"], code="another"), "w": replace(past["w"], version=0)})
    explained.bench.results.memory.clear()
    why = explained.why(nodes())
    assert why["n"] == "its code changed"
    assert why["w"] == "version 0 of this node became 1"


def test_a_file_that_changed(tmp_path: Path, explained: Explained) -> None:
    read = {"n": {"type": "read", "params": {"path": "a.txt"}}}

    def why(run: bool = False) -> dict[str, str]:
        workflow = from_json(toys.workflow(read), tmp_path)
        environment = Environment(Files(tmp_path, cwd=tmp_path))
        program = replace(explained.bench.program(read), workflow=workflow, environment=environment)
        if run:
            replace(program, history=explained.history).start().execute()
        made = plan(workflow, CATALOGUE, environment, cache=explained.bench.results)
        return explain(made, explained.history)

    (tmp_path / "a.txt").write_text("one")
    assert why(run=True) == {"n": "made just now"}
    (tmp_path / "a.txt").write_text("another")
    assert why() == {"n": "Path: the content of a.txt changed"}
    (tmp_path / "b.txt").write_text("another")
    read["n"]["params"]["path"] = "b.txt"  # type: ignore[index]
    assert why()["n"].startswith("Path changed from a.txt")


def test_a_node_that_failed_did_not_run(explained: Explained) -> None:
    failing = {"s": {"type": "start"}, "f": {"type": "fail", "inputs": {"a": "s.int"}}}
    explained.run(failing)
    assert explained.why(failing) == {"s": "made just now", "f": "new"}


def test_long_values_are_cut_and_still_told_apart(explained: Explained) -> None:
    explained.run(nodes(text="x" * 1000))
    assert max(map(len, explained.history.read()["w"].values.values())) <= LONGEST_VALUE
    assert explained.why(nodes(text="x" * 1000))["w"] == "made just now"
    assert explained.why(nodes(text="x" * 1001))["w"] == "Message changed"


# The file


def last(value: str = "1") -> LastRun:
    return LastRun({"value": value}, "content", "code", 1, 0.0)


def test_owners_and_workflows_have_rows_of_their_own(file: HistoryFile) -> None:
    file.write("me", "one", {"n": last("1")})
    file.write("you", "one", {"n": last("2")})
    file.write("me", "two", {"n": last("3")})
    file.write("me", "one", {"m": last("4")})
    assert {id: row.values["value"] for id, row in file.read("me", "one").items()} == {"n": "1", "m": "4"}
    assert file.read("you", "two") == {}


def test_the_oldest_rows_go_first(file: HistoryFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write("", "old", {"n": last(), "m": last()})
    file.write("", "new", {str(number): last() for number in range(history.MOST_ROWS - 1)})
    assert len(file.read("", "new")) == history.MOST_ROWS - 1
    assert file.read("", "old").keys() == {"m"}


def test_a_damaged_file_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_text("rubbish" * 1000)
    file = HistoryFile(path)
    assert file.read("", "w") == {}
    file.write("", "w", {"n": last()})
    assert HistoryFile(path).read("", "w") == {"n": last()}
    with sqlite3.connect(path) as database:
        database.execute("""UPDATE history SET "values" = '{'""")
    assert file.read("", "w") == {}


def test_a_folder_that_cannot_be_written_forgets(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = HistoryFile(tmp_path / "file" / "history.sqlite")
    file.write("", "w", {"n": last()})
    assert HistoryFile(tmp_path / "file" / "history.sqlite").read("", "w") == {}
