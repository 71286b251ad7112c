"""Runs: only stale work is done, values reach whom they should unchanged, events tell of it all."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.node import Progress, node
from graph.nodetypes.catalogue import Catalogue
from graph.planning import digest, sources
from graph.problems import InvalidWorkflow
from graph.workflow.file import loads
from tests.graph import toys
from tests.graph.bench import CATALOGUE, Bench, Ran

START = {"type": "start"}
OUT = {"outputs": {"x": "c.int"}}
FIELDS = {
    "planned": {"nodes"},
    "started": {"node"},
    "progress": {"node", "step", "steps"},
    "warning": {"node", "message"},
    "finished": {"node", "seconds", "from", "outputs"},
    "failed": {"node", "error", "details"},
    "skipped": {"node", "because"},
    "done": {"status", "seconds", "outputs"},
}


def add(a: str = "s.int", b: str | None = None, **params: Any) -> dict[str, Any]:
    return {"type": "add", "inputs": {"a": a, **({"b": b} if b else {})}, "params": params}


def chain(first: int = 0) -> dict[str, Any]:
    return {
        "s": {"type": "start", "params": {"value": first}},
        "a": add("s.int"),
        "b": add("a.int"),
        "c": add("b.int"),
    }


def with_nodes(*functions: Any) -> Catalogue:
    return Catalogue([*CATALOGUE.values(), *(function.node_type for function in functions)])


def check_events(ran: Ran) -> None:
    """Every event has the contract's fields and no others."""
    assert ran.events[0]["event"] == "planned"
    assert ran.events[-1]["event"] == "done"
    times = [event["time"] for event in ran.events]
    assert times == sorted(times)
    assert len({event["run"] for event in ran.events}) == 1
    for event in ran.events:
        assert event.keys() - {"event", "run", "time", "preview"} == FIELDS[event["event"]]


# Only stale work runs


def test_a_chain(bench: Bench) -> None:
    ran = bench.run(chain(), interface=OUT)
    assert ran.outputs == {"x": 3}
    assert toys.calls == ["start", "add", "add", "add"]
    assert ran.planned == dict.fromkeys("sabc", "run")
    assert ran.by_node() == {id: ["started", "finished"] for id in "sabc"}
    assert ran.origins == dict.fromkeys("sabc", "run")
    assert ran.of("done")[0]["outputs"] == {"x": 3}
    check_events(ran)


def test_the_second_time_everything_is_reused(bench: Bench) -> None:
    bench.run(chain(), interface=OUT)
    ran = bench.run(chain(), interface=OUT)
    assert toys.calls == []
    assert ran.outputs == {"x": 3}
    assert ran.planned == dict.fromkeys("sabc", "reuse")
    assert ran.by_node() == {id: ["finished"] for id in "sabc"}
    assert ran.origins == dict.fromkeys("sabc", "memory")
    check_events(ran)


def test_a_changed_param_runs_just_the_nodes_below_it(bench: Bench) -> None:
    nodes = {**chain(), "side": add("s.int", amount=7)}
    interface = {"outputs": {"x": "c.int", "y": "side.int"}}
    bench.run(nodes, interface=interface)
    nodes["b"] = add("a.int", amount=2)
    ran = bench.run(nodes, interface=interface)
    assert ran.planned == {"s": "reuse", "a": "reuse", "b": "run", "c": "run", "side": "reuse"}
    assert toys.calls == ["add", "add"]
    assert ran.outputs == {"x": 4, "y": 7}


def test_what_feeds_a_reused_value_is_not_run(bench: Bench) -> None:
    bench.run(chain(), interface={"outputs": {"x": "b.int"}})
    keys = bench.program(chain())
    assert keys.results is bench.results
    bench.results.memory._entries.popitem(last=False)  # start's value, the oldest
    ran = bench.run(chain(), interface=OUT)
    assert toys.calls == ["add"]
    assert ran.planned == {"s": "skip", "a": "reuse", "b": "reuse", "c": "run"}


def test_the_same_work_under_another_id_is_reused(bench: Bench) -> None:
    bench.run(chain(), interface=OUT)
    renamed = {"u": START, "v": add("u.int"), "c": add("v.int")}
    ran = bench.run(renamed, interface=OUT)
    assert toys.calls == []
    assert ran.outputs == {"x": 2}


def test_the_same_work_twice_runs_once_and_the_second_reports_memory(bench: Bench) -> None:
    nodes = {"s": START, "t": START, "a": add("s.int"), "b": add("t.int"), "c": add("a.int", "b.int")}
    ran = bench.run(nodes, interface=OUT)
    assert toys.calls == ["start", "add", "add"]
    assert ran.outputs == {"x": 3}
    assert ran.origins == {"s": "run", "t": "memory", "a": "run", "b": "memory", "c": "run"}
    assert ran.by_node()["b"] == ["finished"]
    check_events(ran)


def test_the_same_work_twice_without_a_memory_tier(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_bytes=0)
    nodes = {"s": START, "a": add("s.int"), "b": add("s.int"), "c": add("a.int", "b.int")}
    assert bench.run(nodes, interface={"outputs": {"x": "c.int", "y": "b.int"}}).outputs == {"x": 3, "y": 1}
    assert toys.calls == ["start", "add", "add"]


def test_two_nodes_that_share_one_output_make_it_once(bench: Bench) -> None:
    def split(at: int, other: str) -> dict[str, Any]:
        return {
            "type": "split",
            "inputs": {"toy": "m.toy_array", "other": f"{other}.toy_array"},
            "params": {"at": at},
        }

    nodes = {
        "m": {"type": "make"},
        "k": {"type": "make", "params": {"size": 3}},
        "x": split(1, "k"),
        "y": split(2, "k"),
        "t": {"type": "total", "inputs": {"toys": ["x.low", "x.high", "y.low", "y.high"]}},
        "u": {"type": "total", "inputs": {"toys": ["y.high"]}, "params": {"weights": [1]}},
    }
    ran = bench.run(nodes)
    assert toys.calls.count("high") == 1
    assert toys.calls.count("low") == 2
    assert ran.outcome.status == "ok"
    only_high = {id: nodes[id] for id in "mkxyu"}
    only_high["x2"] = {"type": "total", "inputs": {"toys": ["x.high"]}, "params": {"weights": [2]}}
    fresh = Bench(bench.folder).run(only_high)
    assert toys.calls.count("high") == 1
    assert fresh.origins["y"] == "memory"
    assert fresh.by_node()["y"] == ["finished"]


def test_an_output_that_is_there_and_another_that_is_not(bench: Bench) -> None:
    nodes = {
        "m": {"type": "make", "params": {"fill": 1}},
        "k": {"type": "make", "params": {"size": 3, "fill": 1}},
        "x": {"type": "split", "inputs": {"toy": "m.toy_array", "other": "k.toy_array"}},
        "t": {"type": "total", "inputs": {"toys": ["x.low"]}},
        "u": {"type": "total", "inputs": {"toys": ["x.low", "x.high"]}},
    }
    assert bench.run(nodes, interface={"outputs": {"x": "t.float"}}).outputs == {"x": 2.0}
    ran = bench.run(nodes, interface={"outputs": {"x": "u.float"}})
    assert ran.outputs == {"x": 5.0}
    assert toys.calls == ["make", "high", "total"]
    assert ran.planned == {"m": "reuse", "k": "run", "x": "run", "t": "skip", "u": "run"}


def test_an_input_that_is_not_used_is_not_taken_from_those_who_use_it(bench: Bench) -> None:
    nodes = {
        "m": {"type": "make", "params": {"fill": 1}},
        "k": {"type": "make", "params": {"size": 3, "fill": 1}},
        "x": {"type": "split", "inputs": {"toy": "m.toy_array", "other": "k.toy_array"}},
        "t": {"type": "total", "inputs": {"toys": ["x.low"]}},
        "late": {"type": "total", "inputs": {"toys": ["k.toy_array", "y.toy_array"]}},
        "y": {"type": "scribble", "inputs": {"toy": "x.low"}},
    }
    bench = Bench(bench.folder, memory_bytes=0)
    ran = bench.run(nodes, interface={"outputs": {"x": "t.float", "y": "late.float"}})
    assert ran.outputs == {"x": 2.0, "y": 7.0}


def test_nodes_with_effects_always_run_and_what_feeds_them_is_reused(bench: Bench) -> None:
    nodes = {"s": START, "e": {"type": "save", "inputs": {"value": "s.int"}}}
    for number in ("", "-2", "-3"):
        ran = bench.run(nodes)
        assert ran.outcome.files == {"e": [bench.output / f"toy{number}.txt"]}
    assert toys.calls == ["save"]
    assert ran.planned == {"s": "reuse", "e": "run"}


def test_running_to_a_node(bench: Bench) -> None:
    nodes = {**chain(), "e": {"type": "save", "inputs": {"value": "c.int"}}}
    ran = bench.run(nodes, to="a", interface=OUT)
    assert toys.calls == ["start", "add"]
    assert ran.outputs == {}
    assert ran.planned == {"s": "run", "a": "run", "b": "skip", "c": "skip", "e": "skip"}


def test_constants_and_handles(bench: Bench) -> None:
    nodes = {
        "i": {"type": "integer", "params": {"value": 7}},
        "h": {"type": "load", "params": {"source": "b"}},
        "m": {"type": "make", "inputs": {"handle": "h.toy_handle", "size": "i.value"}},
    }
    interface = {"outputs": {"x": "m.toy_array", "i": "i.value"}}
    ran = bench.run(nodes, interface=interface)
    assert ran.outputs["x"].note == "b"
    assert len(ran.outputs["x"].numbers) == ran.outputs["i"] == 7
    assert ran.of("finished")[1]["outputs"] == {"toy_handle": {"type": "toy_handle", "handle": "b"}}
    assert ran.of("done")[0]["outputs"] == {
        "x": {"type": "toy_array", "shape": [7], "shapes": {"numbers": [7]}},
        "i": 7,
    }
    check_events(ran)
    again = bench.run(nodes, interface=interface)
    assert toys.calls == []
    assert again.planned == {
        "i": "run",
        "h": "reuse",
        "m": "reuse",
    }  # a result is asked of the constant itself
    check_events(again)


# Nobody can change what others read


def test_a_node_that_writes_into_its_input_changes_nobody_elses(bench: Bench) -> None:
    nodes = {
        "m": {"type": "make", "params": {"fill": 1}},
        "x": {"type": "scribble", "inputs": {"toy": "m.toy_array"}},
        "y": {"type": "scribble", "inputs": {"toy": "m.toy_array"}, "params": {"by": 2}},
        "z": {"type": "scribble", "inputs": {"toy": "x.toy_array"}},
        "t": {
            "type": "total",
            "inputs": {"toys": ["m.toy_array", "x.toy_array", "y.toy_array", "z.toy_array"]},
        },
    }
    interface = {"outputs": {"sum": "t.float", "m": "m.toy_array"}}
    first = bench.run(nodes, interface=interface)
    assert first.outputs["sum"] == 4 * (1 + 2 + 3 + 3)
    nodes["again"] = {"type": "scribble", "inputs": {"toy": "m.toy_array"}, "params": {"by": 5}}
    interface["outputs"]["again"] = "again.toy_array"
    second = bench.run(nodes, interface=interface)
    assert second.outputs["again"].numbers.tolist() == [6] * 4
    assert second.outputs["m"].numbers.tolist() == [1] * 4
    with pytest.raises(ValueError, match="read-only"):
        second.outputs["m"].numbers[0] = 9


def test_a_node_that_writes_into_its_lists_changes_nobody_elses(bench: Bench) -> None:
    @node(title="Both", group="Toy")
    def both(toys: list[toys.Toy], *, weights: list[float] = []) -> int:  # noqa: B006
        toys[0].numbers[:] = 5
        weights.append(1.0)
        return int(toys[1].numbers.sum())

    nodes = {
        "m": {"type": "make", "params": {"fill": 1}},
        "b": {"type": "both", "inputs": {"toys": ["m.toy_array", "m.toy_array"]}},
    }
    interface = {"outputs": {"x": "b.int", "m": "m.toy_array"}}
    ran = bench.run(nodes, catalogue=with_nodes(both), interface=interface)
    assert ran.outputs["x"] == 4  # of a value that is linked twice there are two copies
    assert ran.outputs["m"].numbers.tolist() == [1] * 4
    assert both.node_type.params["weights"].default == []  # type: ignore[attr-defined]


def test_a_node_cannot_change_its_output_afterwards(bench: Bench) -> None:
    kept: list[np.ndarray[Any, Any]] = []

    @node(title="Keeper", group="Toy")
    def keeper() -> toys.Toy:
        whole = np.zeros(8, np.float32)
        kept.append(whole)
        return toys.Toy(whole[:4])

    nodes = {"k": {"type": "keeper"}}
    ran = bench.run(nodes, catalogue=with_nodes(keeper), interface={"outputs": {"x": "k.toy_array"}})
    kept[0][:] = 7
    assert ran.outputs["x"].numbers.tolist() == [0] * 4


def test_a_whole_number_arrives_as_a_float_where_one_is_wanted(bench: Bench) -> None:
    seen: list[Any] = []

    @node(title="Look", group="Toy")
    def look(a: float, b: list[float], *, c: float = 0.0) -> int:
        seen.extend([a, *b, c])
        return 0

    nodes = {
        "s": {"type": "start", "params": {"value": 3}},
        "i": {"type": "integer", "params": {"value": 4}},
        "n": {"type": "look", "inputs": {"a": "s.int", "b": ["i.value", "s.int"], "c": "s.int"}},
    }
    bench.run(nodes, catalogue=with_nodes(look))
    assert [repr(value) for value in seen] == ["3.0", "4.0", "3.0", "3.0"]


# Failures


def test_a_failure_stops_what_depends_on_it_and_nothing_else(bench: Bench) -> None:
    nodes = {
        "s": START,
        "f": {"type": "fail", "inputs": {"a": "s.int"}, "params": {"message": "no  luck\nat all"}},
        "below": add("f.int"),
        "further": add("below.int", "s.int"),
        "twin": {"type": "fail", "inputs": {"a": "s.int"}, "params": {"message": "no  luck\nat all"}},
        "of_twin": add("twin.int"),
        "free": add("s.int", amount=5),
        "free2": add("free.int"),
    }
    ran = bench.run(nodes)
    assert ran.outcome.status == "failed"
    (failure,) = ran.outcome.failures
    assert (failure.node, failure.error) == ("f", "no luck at all")
    assert "Traceback" in failure.details
    (event,) = ran.of("failed")
    assert (event["node"], event["error"], event["details"]) == ("f", "no luck at all", failure.details)
    assert ran.skipped == dict.fromkeys(["below", "further", "twin", "of_twin"], "f")
    assert set(ran.origins) == {"s", "free", "free2"}
    assert ran.of("done")[0]["status"] == "failed"
    check_events(ran)


def test_what_was_finished_before_a_failure_is_kept(bench: Bench) -> None:
    nodes = {**chain(), "f": {"type": "fail", "inputs": {"a": "c.int"}}}
    bench.run(nodes)
    ran = bench.run(nodes)
    assert ran.planned == {**dict.fromkeys("sabc", "reuse"), "f": "run"}
    assert toys.calls == []


def test_a_node_below_two_failures_is_skipped_once(bench: Bench) -> None:
    nodes = {
        "s": START,
        "f": {"type": "fail", "inputs": {"a": "s.int"}},
        "g": {"type": "fail", "inputs": {"a": "s.int"}, "params": {"message": "other"}},
        "n": add("f.int", "g.int"),
    }
    ran = bench.run(nodes)
    assert len(ran.of("failed")) == 2
    assert len(ran.of("skipped")) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("the mask is too small"), "the mask is too small"),
        (ValueError(), "no reason given"),
        (RuntimeError("it broke"), "RuntimeError: it broke"),
        (KeyError("x"), "KeyError: 'x'"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (FileNotFoundError(2, "No such file or directory", "/a"), "No such file or directory: /a"),
    ],
)
def test_what_errors_say(bench: Bench, error: Exception, said: str) -> None:
    @node(title="Raise", group="Toy")
    def raising() -> int:
        raise error

    ran = bench.run({"n": {"type": "raising"}}, catalogue=with_nodes(raising))
    assert ran.of("failed")[0]["error"] == said


def test_a_linked_param_out_of_range_is_a_failure_of_the_node(bench: Bench) -> None:
    nodes = {
        "s": {"type": "start", "params": {"value": 5000}},
        "n": {"type": "add", "inputs": {"a": "s.int", "amount": "s.int"}},
        "h": {"type": "half", "inputs": {"a": "s.int"}},
        "p": {"type": "make", "inputs": {"fill": "h.float"}},
    }
    ran = bench.run(nodes)
    assert {failure.node: failure.error for failure in ran.outcome.failures} == {
        "n": "amount: 5000 is out of range; expected a whole number from -1000 to 1000",
        "p": "fill: 2500.0 is out of range; expected a number from 0 to 9, or null",
    }


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("text", "WrongOutput: it returned a str as int, not a int"),
        (None, "WrongOutput: it returned a NoneType as int, not a int"),
        (1.5, "WrongOutput: it returned a float as int, not a int"),
        (True, "WrongOutput: it returned a bool as int, not a int"),
        ((1,), "WrongOutput: it returned a tuple as int, not a int"),
    ],
)
def test_wrong_outputs(bench: Bench, returned: Any, said: str) -> None:
    @node(title="Wrong", group="Toy")
    def wrong() -> int:
        return returned  # type: ignore[no-any-return]

    ran = bench.run({"n": {"type": "wrong"}}, catalogue=with_nodes(wrong))
    assert ran.of("failed")[0]["error"] == said


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (3, "WrongOutput: it returned a int, not its 2 outputs"),
        ((1, 2, 3), "WrongOutput: it returned a tuple, not its 2 outputs"),
        (toys.Split(toys.Toy(np.zeros(1)), None), "WrongOutput: it returned a NoneType as high, not a Toy"),  # type: ignore[arg-type]
    ],
)
def test_wrong_numbers_of_outputs(bench: Bench, returned: Any, said: str) -> None:
    @node(title="Wrong", group="Toy")
    def wrong() -> toys.Split:
        return returned  # type: ignore[no-any-return]

    ran = bench.run({"n": {"type": "wrong"}}, catalogue=with_nodes(wrong))
    assert ran.of("failed")[0]["error"] == said


def test_numpy_scalars_become_plain_ones(bench: Bench) -> None:
    @node(title="Mean", group="Toy")
    def mean() -> float:
        return np.float64(0.5)

    ran = bench.run(
        {"n": {"type": "mean"}}, catalogue=with_nodes(mean), interface={"outputs": {"x": "n.float"}}
    )
    assert type(ran.outputs["x"]) is float


# Muted nodes, warnings, progress


def test_skipped_nodes_say_because_of_whom(bench: Bench) -> None:
    nodes = {"s": START, "m": {**add(), "mode": "muted"}, "n": add("m.int"), "o": add("s.int", amount=3)}
    ran = bench.run(nodes)
    assert ran.skipped == {"m": "m", "n": "m"}
    assert ran.planned == {"s": "run", "m": "skip", "n": "skip", "o": "run"}
    assert ran.outcome.status == "ok"
    check_events(ran)


def test_progress_and_warnings(bench: Bench) -> None:
    @node(title="Talk", group="Toy")
    def talk(*, progress: Progress) -> int:
        progress.warn("two words are unknown")
        progress.step(1, 2, lambda: b"one")
        progress.step(2, 2, lambda: b"two")
        progress.show(b"picture")
        return 0

    ran = bench.run({"n": {"type": "talk"}}, catalogue=with_nodes(talk))
    assert ran.by_node() == {"n": ["started", "warning", "progress", "progress", "finished"]}
    assert ran.of("warning")[0]["message"] == "two words are unknown"
    assert [(event["step"], event["steps"]) for event in ran.of("progress")] == [(1, 2), (2, 2)]
    assert not any("preview" in event for event in ran.events)
    assert ran.of("finished")[0]["outputs"]["int"]["thumbnail"] == "cGljdHVyZQ=="
    check_events(ran)


def test_previews_are_sent_if_somebody_looks_and_not_all_of_them(bench: Bench) -> None:
    events: list[dict[str, Any]] = []
    run = bench.program(
        {"s": START, "n": {"type": "slow", "inputs": {"a": "s.int"}, "params": {"steps": 50}}}
    ).start(previews=True)
    run.listener = events.append
    run.execute()
    progress = [event for event in events if event["event"] == "progress"]
    assert len(progress) == 50
    assert progress[0]["preview"] == "anBlZw=="
    assert 1 <= sum("preview" in event for event in progress) < 50


def test_files_are_told_where_the_node_has_no_output(bench: Bench) -> None:
    nodes = {"s": START, "e": {"type": "save", "inputs": {"value": "s.int"}, "params": {"name": "sub/x"}}}
    ran = bench.run(nodes)
    path = str(bench.output / "sub" / "x.txt")
    assert ran.of("finished")[-1]["outputs"] == {"value": {"file": path, "files": [path]}}
    check_events(ran)


def test_an_invalid_workflow_is_an_event_and_an_exception(bench: Bench) -> None:
    events: list[dict[str, Any]] = []
    run = bench.program({"s": {"type": "add", "params": {"amuont": 1}}}).start()
    run.listener = events.append
    with pytest.raises(InvalidWorkflow) as invalid:
        run.execute()
    (event,) = events
    assert event["event"] == "invalid"
    assert event["problems"] == [problem.as_dict() for problem in invalid.value.problems]
    assert event["problems"][0].keys() == {"node", "param", "message", "expected", "nearest"}


def test_the_record_in_a_saved_file_runs_to_the_same_keys(bench: Bench) -> None:
    nodes = {
        "m": {"type": "make", "params": {"fill": 2}},
        "e": {"type": "save", "inputs": {"value": "m.toy_array"}},
    }
    ran = bench.run(nodes, inputs={"m.size": 3})
    (path,) = ran.outcome.files["e"]
    saved = path.read_text().split("\n", 1)[1]
    workflow = loads(saved)
    assert workflow.data["nodes"]["m"]["params"] == {"fill": 2.0, "size": 3}
    again = bench.run(workflow.data["nodes"])
    assert again.planned == {"m": "reuse", "e": "run"}
    assert again.outcome.files["e"][0].read_text().split("\n", 1)[1] == saved


# The tiers


def test_values_that_do_not_fit_into_memory_still_reach_their_readers(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_bytes=1)
    ran = bench.run(chain(), interface=OUT)
    assert ran.outputs == {"x": 3}
    assert len(bench.results.memory) == 0


def test_memory_may_let_go_of_anything_at_any_time(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_bytes=6000)
    nodes: dict[str, Any] = {"m0": {"type": "make", "params": {"size": 1000, "fill": 1}}}
    for number in range(1, 8):
        nodes[f"m{number}"] = {"type": "scribble", "inputs": {"toy": f"m{number - 1}.toy_array"}}
    nodes["t"] = {"type": "total", "inputs": {"toys": [f"m{number}.toy_array" for number in range(8)]}}
    interface = {"outputs": {"x": "t.float"}}
    expected = 1000.0 * sum(range(1, 9))
    assert bench.run(nodes, interface=interface).outputs == {"x": expected}
    assert len(bench.results.memory) < 4
    nodes["t"]["params"] = {"weights": [1]}
    assert bench.run(nodes, interface=interface).outputs == {"x": expected + 1}


def test_an_eviction_in_the_middle_of_a_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    @node(title="Forget", group="Toy")
    def forget(toy: toys.Toy) -> toys.Toy:
        bench.results.memory.clear()
        return toys.Toy(toy.numbers)

    nodes = {
        "m": {"type": "make", "params": {"fill": 1}},
        "n": {"type": "forget", "inputs": {"toy": "m.toy_array"}},
        "t": {"type": "total", "inputs": {"toys": ["m.toy_array", "n.toy_array"]}},
    }
    bench.run({"m": nodes["m"]})
    ran = bench.run(nodes, catalogue=with_nodes(forget), interface={"outputs": {"x": "t.float"}})
    assert ran.planned["m"] == "reuse"
    assert ran.outputs == {"x": 8.0}


def arrays() -> dict[str, Any]:
    return {
        "m": {"type": "make", "params": {"fill": 1}},
        "n": {"type": "scribble", "inputs": {"toy": "m.toy_array"}},
        "t": {"type": "total", "inputs": {"toys": ["m.toy_array", "n.toy_array"]}},
    }


def test_everything_comes_from_disk_the_next_time(tmp_path: Path) -> None:
    first = Bench(tmp_path, disk=True).run(
        arrays(), interface={"outputs": {"x": "t.float", "m": "m.toy_array"}}
    )
    second = Bench(tmp_path, disk=True).run(
        arrays(), interface={"outputs": {"x": "t.float", "m": "m.toy_array"}}
    )
    assert toys.calls == []
    assert second.planned == dict.fromkeys("mnt", "reuse")
    assert second.origins == {"m": "disk", "n": "disk", "t": "disk"} or second.origins["n"] == "disk"
    assert second.outputs["x"] == first.outputs["x"] == 12.0
    summaries = {event["node"]: event["outputs"] for event in second.of("finished")}
    assert summaries == {event["node"]: event["outputs"] for event in first.of("finished")}
    check_events(second)


def test_a_new_process_takes_everything_from_disk(tmp_path: Path) -> None:
    Bench(tmp_path, disk=True).run(arrays(), interface={"outputs": {"x": "t.float"}})
    program = (
        "import sys\nfrom pathlib import Path\nfrom tests.graph import toys\n"
        "from tests.graph.bench import Bench\n"
        "from tests.graph.running.test_run import arrays\n"
        "ran = Bench(Path(sys.argv[1]), disk=True).run(arrays(), interface={'outputs': {'x': 't.float'}})\n"
        "print(toys.calls, ran.outputs, set(ran.planned.values()))\n"
        "assert not {'torch', 'PIL'} & sys.modules.keys()\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert found.stderr == ""
    assert found.stdout == "[] {'x': 12.0} {'reuse'}\n"


@pytest.mark.parametrize("damage", ["truncate", "garbage", "empty", "flip"])
def test_a_damaged_file_is_a_warning_and_made_anew_in_the_same_run(tmp_path: Path, damage: str) -> None:
    Bench(tmp_path, disk=True).run(arrays(), interface={"outputs": {"x": "n.toy_array"}})
    bench = Bench(tmp_path, disk=True)
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        data = path.read_bytes()
        path.write_bytes(
            {
                "truncate": data[: len(data) - 3],
                "garbage": b"\xff" * 100,
                "empty": b"",
                "flip": data[:-1] + bytes([data[-1] ^ 1]),
            }[damage]
        )
    ran = bench.run(arrays(), interface={"outputs": {"x": "t.float"}})
    assert ran.outputs == {"x": 12.0}
    assert ran.outcome.status == "ok"
    warnings = ran.of("warning")
    assert {event["node"] for event in warnings} == {"m", "n"}
    assert all("it is made anew" in event["message"] for event in warnings)
    assert toys.calls == ["make", "scribble", "total"]
    assert (
        Bench(tmp_path, disk=True).run(arrays(), interface={"outputs": {"x": "t.float"}}).of("warning") == []
    )
    assert toys.calls == []
    # The disk tier serves the same process again, too, once memory has let go.
    bench.results.memory.clear()
    again = bench.run(arrays(), interface={"outputs": {"x": "n.toy_array"}})
    assert again.planned["n"] == "reuse"


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    bench = Bench(tmp_path, disk=True)
    (tmp_path / "cache").write_text("a file where the folder should be")
    ran = bench.run(arrays(), interface={"outputs": {"x": "t.float"}})
    assert ran.outputs == {"x": 12.0}
    (warning,) = ran.of("warning")
    assert "cannot be kept" in warning["message"]


# What a reused node reports


def test_a_reused_node_reports_its_warnings_again(tmp_path: Path) -> None:
    nodes = {
        "s": {"type": "start", "params": {"value": 1}},
        "w": {"type": "warn", "inputs": {"a": "s.int"}},
        "n": {"type": "add", "inputs": {"a": "w.int"}},
    }
    warning = ("w", "it is late")

    def warnings(ran: Ran) -> list[tuple[str, str]]:
        return [(event["node"], event["message"]) for event in ran.of("warning")]

    first = Bench(tmp_path, disk=True)
    assert warnings(first.run(nodes)) == [warning, warning]
    again = first.run(nodes)
    assert again.origins["w"] == "memory" and warnings(again) == [warning]
    from_disk = Bench(tmp_path, disk=True).run(nodes)
    assert from_disk.origins["w"] == "disk" and warnings(from_disk) == [warning]
    nodes["n"] = {"type": "add", "inputs": {"a": "w.int"}, "params": {"amount": 2}}
    assert warnings(Bench(tmp_path, disk=True).run(nodes)) == [warning]


# Code that changed under the process


def test_what_depends_on_changed_code_is_kept_in_memory_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = {
        "s": {"type": "start", "params": {"value": 1}},
        "n": {"type": "pack_add", "inputs": {"a": "s.int"}},
        "m": {"type": "add", "inputs": {"a": "n.int"}},
    }
    file = tmp_path / "pack_that_changes.py"
    file.write_text(
        "from graph.node import node\n\n\n"
        '@node(title="Add", group="Pack", id="pack_add")\ndef add(a: int) -> int:\n    return a + 1\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sources, "STARTED_NS", time.time_ns() + 10**12)
    digest.forget()
    pack = importlib.import_module("pack_that_changes")
    catalogue = Catalogue([*CATALOGUE.values(), pack.add.node_type])

    bench = Bench(tmp_path, disk=True)
    disk = bench.results.disk
    assert disk is not None
    before = bench.run(nodes, catalogue=catalogue)
    assert not before.of("warning") and disk.info().entries == 3

    file.write_text(file.read_text().replace("a + 1", "a + 2"))
    after = bench.run(nodes, catalogue=catalogue)
    assert after.planned == {"s": "reuse", "n": "run", "m": "run"}
    (warning,) = after.of("warning")
    assert warning["node"] == "n"
    assert warning["message"].startswith("the source of pack_that_changes changed after this process started")
    assert "restart to use it" in warning["message"]
    assert disk.info().entries == 3  # nothing of the old code under the new code's name
    assert set(bench.run(nodes, catalogue=catalogue).planned.values()) == {"reuse"}
    digest.forget()
