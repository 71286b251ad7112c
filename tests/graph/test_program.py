"""The Python call: `graph.load(path).run(prompt="...")`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import graph
from graph.program import Program, assemble
from graph.workflow.file import from_json
from tests.graph import toys
from tests.graph.bench import CATALOGUE

NODES = {
    "s": {"type": "start"},
    "b": {"type": "add", "inputs": {"a": "s.int"}},
    "e": {"type": "save", "inputs": {"value": "b.int"}},
}
INTERFACE = {"inputs": {"first": "s.value", "to": "b.amount", "self": "e.name"}, "outputs": {"sum": "b.int"}}


@pytest.fixture(autouse=True)
def _no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KANDINSKY_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("graph.program._memory", graph.program.MemoryCache(2**20))


def program(folder: Path, nodes: dict[str, Any] = NODES, **more: Any) -> Program:
    workflow = from_json(toys.workflow(nodes, interface=INTERFACE), folder)
    return assemble(workflow, CATALOGUE, output=folder / "outputs", cache=folder / "cache", **more)


def test_running_gives_outputs_by_interface_name(tmp_path: Path) -> None:
    made = program(tmp_path)
    assert made.run() == {"sum": 1}
    assert made.run(first=4) == {"sum": 5}
    assert made.run(**{"b.amount": 10, "first": 2}) == {"sum": 12}


def test_interface_names_may_be_any(tmp_path: Path) -> None:
    assert program(tmp_path).run(to=5, self="name", first=1) == {"sum": 6}
    assert (tmp_path / "outputs" / "name.txt").exists()


def test_a_run_that_is_started_by_hand(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    outcome = program(tmp_path, listener=events.append).start({"first": 3}, to="b").execute()
    assert outcome.status == "ok"
    assert [event["event"] for event in events] == ["planned", *["started", "finished"] * 2, "done"]


def test_a_failure_is_an_exception_that_names_the_node(tmp_path: Path) -> None:
    nodes = {
        **NODES,
        "f": {"type": "fail", "inputs": {"a": "s.int"}},
        "g": {"type": "save", "inputs": {"value": "f.int"}},
    }
    with pytest.raises(graph.RunFailed, match="f: it broke") as failed:
        program(tmp_path, nodes).run()
    assert [failure.node for failure in failed.value.failures] == ["f"]
    assert failed.value.outcome.outputs == {"sum": 1}


def test_unknown_inputs_are_refused_before_anything_runs(tmp_path: Path) -> None:
    toys.calls.clear()
    with pytest.raises(
        graph.InvalidWorkflow, match=r"nothing called 'frist' to set; .* \(did you mean 'first'\?\)"
    ):
        program(tmp_path).run(frist=1)
    assert toys.calls == []


def test_programs_of_a_process_share_the_memory_tier(tmp_path: Path) -> None:
    program(tmp_path).run()
    toys.calls.clear()
    workflow = from_json(toys.workflow(NODES, interface=INTERFACE))
    assemble(workflow, CATALOGUE, output=tmp_path / "outputs", cache=None).run()
    assert toys.calls == ["save"]


def test_without_a_cache_folder_nothing_is_written(tmp_path: Path) -> None:
    workflow = from_json(toys.workflow(NODES, interface=INTERFACE))
    assemble(workflow, CATALOGUE, output=tmp_path / "outputs", cache=None).run()
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


def test_loading_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.program.installed", lambda: CATALOGUE)
    path = tmp_path / "w.json"
    path.write_text(json.dumps(toys.workflow(NODES, interface=INTERFACE)))
    made = graph.load(path, output=tmp_path / "outputs", cache=tmp_path / "cache")
    assert made.run(first=1) == {"sum": 2}
    assert made.workflow.folder == tmp_path.resolve()
    assert list((tmp_path / "cache").rglob("*.safetensors"))
    without = graph.load(
        str(path), output=tmp_path / "outputs", no_cache=True, device="cpu", allow=[tmp_path]
    )
    assert without.results.disk is None
    assert without.environment.device == "cpu"


def test_a_file_that_is_wrong_in_part_can_be_loaded_and_says_so_when_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graph.program.installed", lambda: CATALOGUE)
    path = tmp_path / "w.json"
    path.write_text(json.dumps(toys.workflow({"s": {"type": "strat", "colour": 1}})))
    with pytest.raises(graph.InvalidWorkflow) as invalid:
        graph.load(path, no_cache=True).run()
    assert len(invalid.value.problems) == 2
    path.write_text("no workflow")
    with pytest.raises(graph.InvalidWorkflow, match="not JSON"):
        graph.load(path)
