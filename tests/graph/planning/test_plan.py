"""What a plan decides: which nodes run, which are reused, which sleep, and what reaches whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Generic

import pytest

from graph.files.allowed import Files
from graph.node import Complaint, Environment, Wanted, Wiring, node
from graph.nodetypes.catalogue import Catalogue
from graph.planning.plan import Plan, plan
from graph.planning.record import record
from graph.problems import InvalidWorkflow
from graph.workflow.document import Link
from graph.workflow.file import from_json
from graph.workflow.json_text import write
from tests.graph import toys
from tests.graph.bench import CATALOGUE, Bench, environment, keys_of, plan_of, problems_of

START = {"type": "start"}
ARRAY = {"type": "make"}


def add(a: str = "s.int", b: str | None = None, mode: str = "active", **params: Any) -> dict[str, Any]:
    inputs = {"a": a, **({"b": b} if b else {})}
    return {"type": "add", "inputs": inputs, "params": params, "mode": mode}


def total(*links: str, **params: Any) -> dict[str, Any]:
    return {"type": "total", "inputs": {"toys": list(links)}, "params": params}


def save(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "save", "inputs": {"value": value}, **more}


class Cached:
    """A cache that has these keys."""

    def __init__(self, *keys: str) -> None:
        self.keys = set(keys)

    def has(self, key: str) -> bool:
        return key in self.keys


# Order


def test_every_node_comes_after_those_it_depends_on_whatever_the_order_of_the_file() -> None:
    nodes = {"d": add("c.int", "a.int"), "c": add("b.int"), "b": add("a.int"), "a": START}
    order = list(plan_of(nodes).steps)
    assert sorted(order, key="abcd".index) == order
    assert list(plan_of(nodes).statuses) == ["d", "c", "b", "a"]


# Linked params


def test_a_link_wins_over_a_literal_which_is_kept_and_out_of_the_key() -> None:
    one = {"s": START, "b": {"type": "add", "inputs": {"a": "s.int", "amount": "s.int"}}}
    two = {"s": START, "b": {**one["b"], "params": {"amount": 5}}}
    assert keys_of(one) == keys_of(two)
    assert "amount" not in plan_of(two).steps["b"].params
    assert from_json(toys.workflow(two)).data["nodes"]["b"]["params"] == {"amount": 5}
    assert record(plan_of(two), Files(None))["nodes"]["b"]["params"] == {"amount": 5}


def test_a_param_neither_written_nor_linked_has_its_default() -> None:
    assert plan_of({"s": START, "b": add()}).steps["b"].params == {"amount": 1}
    assert keys_of({"s": START, "b": add()}) == keys_of({"s": START, "b": add(amount=1)})


def test_constants_are_folded_and_count_as_literals() -> None:
    nodes = {
        "s": START,
        "i": {"type": "integer", "params": {"value": 7}},
        "j": {"type": "integer", "inputs": {"value": "i.value"}, "params": {"value": 1}},
        "b": {"type": "add", "inputs": {"a": "s.int", "amount": "j.value"}, "params": {"amount": 3}},
    }
    made = plan_of(nodes)
    assert made.steps["b"].params == {"amount": 7}
    assert made.steps["b"].links == {"a": (Link("s", "int"),)}
    assert made.steps["b"].keys == plan_of({"s": START, "b": add(amount=7)}).steps["b"].keys


def test_a_constant_may_name_a_file() -> None:
    nodes = {"t": {"type": "text"}, "r": {"type": "read", "inputs": {"path": "t.value"}}}
    assert plan_of(nodes).steps["r"].params == {"path": None}


def test_a_whole_constant_on_a_number_port_is_that_number() -> None:
    def half(link: dict[str, Any]) -> str:
        return keys_of({"c": link, "h": {"type": "half", "inputs": {"a": "c.value"}}})["h"]["float"]

    assert half({"type": "integer", "params": {"value": 3}}) == half(
        {"type": "number", "params": {"value": 3.0}}
    )
    assert half({"type": "integer", "params": {"value": 3}}) != half(
        {"type": "number", "params": {"value": 3.5}}
    )


# Handles


def test_handles_are_known_when_planning() -> None:
    nodes = {
        "t": {"type": "text", "params": {"value": "b"}},
        "h": {"type": "load", "inputs": {"source": "t.value"}},
        "m": {"type": "make", "inputs": {"handle": "h.toy_handle"}},
    }
    assert plan_of(nodes).steps["m"].known == {"handle": toys.ToyHandle("b")}


def test_a_loader_is_asked_for_the_parts_that_somebody_uses() -> None:
    asked: list[Wanted] = []

    @node(title="Parts", group="Toy", folds=True)
    def parts(*, environment: Environment, wanted: Wanted) -> Parts:
        asked.append(wanted)
        assert environment.device == "auto"
        return Parts(*(toys.ToyHandle(name) if name in wanted else None for name in Parts._fields))  # type: ignore[arg-type]

    catalogue = Catalogue([*CATALOGUE.values(), parts.node_type])  # type: ignore[attr-defined]
    nodes = {"h": {"type": "parts"}, "m": {"type": "make", "inputs": {"handle": "h.one"}}}
    assert not problems_of(nodes, catalogue)
    assert not problems_of(nodes, catalogue, interface={"outputs": {"x": "h.two"}})
    assert not problems_of({"h": {"type": "parts"}}, catalogue)
    assert asked == [{"one"}, {"one", "two"}, set()]


class Parts(toys.NamedTuple):
    one: toys.ToyHandle
    two: toys.ToyHandle


def test_a_part_that_the_checkpoint_lacks() -> None:
    @node(title="Lacking", group="Toy", folds=True)
    def lacking() -> Lacking:
        return Lacking(None)

    catalogue = Catalogue([*CATALOGUE.values(), lacking.node_type])  # type: ignore[attr-defined]
    nodes = {"h": {"type": "lacking"}, "m": {"type": "make", "inputs": {"handle": "h.one"}}}
    assert [str(problem) for problem in problems_of(nodes, catalogue)] == [
        "m.handle: h.one does not exist for this checkpoint; expected a wire from another node"
    ]
    assert not problems_of({"h": {"type": "lacking"}}, catalogue)


class Lacking(toys.NamedTuple):
    one: toys.ToyHandle | None


class Marked(toys.NamedTuple, Generic[toys.T]):
    handle: toys.T


@node(title="Marked", group="Toy", folds=True)
def marked(handle: toys.T, *, mark: str = "!") -> Marked:
    assert isinstance(handle, toys.ToyHandle)
    return Marked(toys.ToyHandle(handle.name + mark))


def test_a_handle_made_of_a_handle_is_known_when_planning() -> None:
    catalogue = Catalogue([*CATALOGUE.values(), marked.node_type])  # type: ignore[attr-defined]
    nodes: dict[str, Any] = {
        "h": {"type": "load", "params": {"source": "a"}},
        "one": {"type": "marked", "inputs": {"handle": "h.toy_handle"}},
        "two": {"type": "marked", "inputs": {"handle": "one.handle"}, "params": {"mark": "?"}},
        "m": {"type": "make", "inputs": {"handle": "two.handle"}},
    }

    def steps() -> Any:
        return plan(from_json(toys.workflow(nodes)), catalogue, environment()).steps

    assert steps()["m"].known == {"handle": toys.ToyHandle("a!?")}
    key = steps()["m"].keys
    assert key == steps()["m"].keys
    nodes["one"]["params"] = {"mark": "#"}
    assert steps()["m"].keys != key
    nodes["one"]["mode"] = "bypassed"
    assert steps()["m"].known == {"handle": toys.ToyHandle("a?")}


def test_what_folds_waits_for_an_input_that_is_not_known() -> None:
    catalogue = Catalogue([*CATALOGUE.values(), marked.node_type])  # type: ignore[attr-defined]
    nodes = {"a": ARRAY, "x": {"type": "marked", "inputs": {"handle": "a.toy_array"}}}
    assert plan(from_json(toys.workflow(nodes)), catalogue, environment()).steps["x"].folded is None


def test_nulls_are_resolved_in_the_type_of_the_param_and_count_as_what_they_become() -> None:
    catalogue = Catalogue([*CATALOGUE.values(), advised.node_type])  # type: ignore[attr-defined]

    def step(**params: Any) -> Any:
        workflow = from_json(toys.workflow({"n": {"type": "advised", "params": params}}))
        return plan(workflow, catalogue, environment()).steps["n"]

    assert step().params == {"steps": 25, "guidance": 4.0, "other": None}
    assert type(step().params["guidance"]) is float
    assert step().keys == step(steps=25).keys == step(steps=None, guidance=4).keys
    assert step().keys != step(steps=24).keys


@node(title="Advised", group="Toy", resolve=lambda _: {"steps": 25, "guidance": 4})
def advised(*, steps: int | None = None, guidance: float | None = None, other: int | None = None) -> int:
    return steps or 0


# Muted


def live(made: Plan) -> set[str]:
    return {id for id, status in made.statuses.items() if status == "run"}


def test_muted_nodes_and_what_depends_on_them_sleep_without_an_error() -> None:
    nodes = {
        "s": START,
        "m": add(mode="muted"),
        "required": add("m.int"),
        "optional": add("s.int", "m.int"),
        "below": add("optional.int"),
        "param": {"type": "add", "inputs": {"a": "s.int", "amount": "m.int"}},
        "free": add("s.int"),
        "array": ARRAY,
        "mute_array": {"type": "make", "mode": "muted"},
        "list": total("array.toy_array", "mute_array.toy_array"),
    }
    made = plan_of(nodes)
    assert live(made) == {"s", "free", "array"}
    assert {id: step.because for id, step in made.steps.items() if step.because} == {
        "m": "m",
        "required": "m",
        "optional": "m",
        "below": "m",
        "param": "m",
        "mute_array": "mute_array",
        "list": "mute_array",
    }


def test_a_muted_node_needs_no_inputs_and_its_outputs_are_no_result() -> None:
    nodes = {"m": {"type": "add", "mode": "muted"}, "s": START}
    made = plan_of(nodes, interface={"outputs": {"x": "m.int", "y": "s.int"}})
    assert made.outputs == {"y": Link("s", "int")}
    assert made.statuses == {"m": "skip", "s": "run"}


def test_muted_nodes_are_checked_for_what_they_are() -> None:
    nodes = {"m": {"type": "add", "mode": "muted", "params": {"amount": "x"}}, "s": add("m.float")}
    assert len(problems_of(nodes)) == 2


def test_a_muted_loader_opens_nothing() -> None:
    nodes = {"h": {"type": "load", "mode": "muted", "params": {"source": "missing"}}}
    assert not problems_of(nodes)


# Bypassed


class TwoSums(toys.NamedTuple):
    first: int
    second: int
    third: int


@node(title="Cross", group="Toy")
def cross(
    handle: toys.ToyHandle | None = None,
    a: int | None = None,
    toys_: list[toys.Toy] | None = None,
    b: int | None = None,
    *,
    c: int = 0,
) -> TwoSums:
    return TwoSums(a or 0, b or 0, c)


@node(title="Passing", group="Toy")
def passing(toys_: list[toys.Toy]) -> toys.Toy:
    return toys_[0]


BYPASS = Catalogue([*CATALOGUE.values(), cross.node_type, passing.node_type])  # type: ignore[attr-defined]


def bypass(inputs: dict[str, Any], below: dict[str, Any], type_id: str = "cross") -> Any:
    """The links of a node `n` below a bypassed one."""
    nodes = {
        "s": START,
        "t": {"type": "start", "params": {"value": 2}},
        "m": ARRAY,
        "k": {"type": "make", "params": {"size": 3}},
        "x": {"type": type_id, "inputs": inputs, "mode": "bypassed"},
        "n": below,
    }
    return plan(from_json(toys.workflow(nodes)), BYPASS, environment()).steps["n"].links


def test_each_output_passes_on_the_first_declared_linked_port_of_its_type_each_port_once() -> None:
    inputs = {"c": "t.int", "b": "t.int", "a": "s.int"}
    assert bypass(inputs, add("x.first", "x.second")) == {"a": (Link("s", "int"),), "b": (Link("t", "int"),)}
    assert bypass(inputs, add("x.second")) == {"a": (Link("t", "int"),)}
    assert bypass({"b": "t.int"}, add("x.first")) == {"a": (Link("t", "int"),)}
    assert bypass({"b": "t.int"}, add("x.first", "x.second")) == {"a": (Link("t", "int"),)}


def test_an_output_that_nothing_stands_in_for_is_an_error_where_it_is_required() -> None:
    with pytest.raises(InvalidWorkflow, match=r"n.a: the input is not linked"):
        bypass({"a": "s.int", "c": "t.int"}, add("x.second"))
    assert bypass({}, {"type": "add", "inputs": {"a": "s.int", "amount": "x.first"}}) == {
        "a": (Link("s", "int"),)
    }


def test_a_param_linked_to_an_output_that_nothing_stands_in_for_has_its_literal() -> None:
    nodes = {
        "s": START,
        "x": {"type": "add", "mode": "bypassed"},
        "n": {"type": "add", "inputs": {"a": "s.int", "amount": "x.int"}, "params": {"amount": 9}},
    }
    assert plan_of(nodes).steps["n"].params == {"amount": 9}


def test_of_a_list_the_first_link_is_passed_on() -> None:
    below = {"type": "scribble", "inputs": {"toy": "x.toy_array"}}
    assert bypass({"toys_": ["k.toy_array", "m.toy_array"]}, below, "passing") == {
        "toy": (Link("k", "toy_array"),)
    }


def test_bypassed_nodes_in_a_row_and_in_lists() -> None:
    nodes = {
        "m": ARRAY,
        "x": {"type": "scribble", "inputs": {"toy": "m.toy_array"}, "mode": "bypassed"},
        "y": {"type": "scribble", "inputs": {"toy": "x.toy_array"}, "mode": "bypassed"},
        "z": {"type": "scribble", "mode": "bypassed"},
        "t": total("y.toy_array", "z.toy_array", "m.toy_array"),
    }
    made = plan_of(nodes)
    assert made.steps["t"].links == {"toys": (Link("m", "toy_array"),) * 2}
    assert made.statuses == {"m": "run", "x": "skip", "y": "skip", "z": "skip", "t": "run"}


def test_bypassed_ports_of_any_type() -> None:
    nodes = {
        "s": START,
        "p": {"type": "pick", "inputs": {"value": "s.int"}, "mode": "bypassed"},
        "q": {"type": "bundle", "inputs": {"values": ["p.picked"]}, "mode": "bypassed"},
        "b": add("q.batch"),
    }
    assert plan_of(nodes).steps["b"].links == {"a": (Link("s", "int"),)}


def test_a_muted_node_behind_a_bypassed_one() -> None:
    nodes = {"m": {"type": "start", "mode": "muted"}, "x": add("m.int", mode="bypassed"), "n": add("x.int")}
    assert plan_of(nodes).steps["n"].because == "m"


def test_an_interface_output_of_a_bypassed_node() -> None:
    nodes = {"s": START, "x": add(mode="bypassed"), "y": {"type": "add", "mode": "bypassed"}}
    made = plan_of(nodes, interface={"outputs": {"x": "x.int", "y": "y.int"}})
    assert made.outputs == {"x": Link("s", "int")}


def test_bypassed_nodes_with_effects_do_nothing(bench: Bench) -> None:
    nodes = {"s": START, "x": save("s.int", mode="bypassed")}
    ran = bench.run(nodes)
    assert toys.calls == ["start"]
    assert ran.planned == {"s": "run", "x": "skip"}
    assert not bench.output.exists()


# Wanted


def test_wanted_are_effects_and_interface_outputs() -> None:
    nodes = {
        "s": START,
        "a": add(),
        "b": add("a.int"),
        "c": add("a.int"),
        "e": save("a.int"),
        "n": {"type": "note"},
    }
    assert live(plan_of(nodes)) == {"s", "a", "e"}
    assert live(plan_of(nodes, interface={"outputs": {"x": "b.int"}})) == {"s", "a", "b", "e"}


def test_without_those_every_node_whose_outputs_nobody_uses_is_wanted() -> None:
    nodes = {"s": START, "a": add(), "b": add("a.int"), "c": add("a.int", amount=2), "x": ARRAY}
    assert live(plan_of(nodes)) == {"s", "a", "b", "c", "x"}


def test_with_to_just_that_node_is_wanted() -> None:
    nodes = {"s": START, "a": add(), "b": add("a.int"), "e": save("b.int"), "h": {"type": "load"}}
    interface = {"outputs": {"x": "b.int"}}
    assert live(plan_of(nodes, interface=interface, to="a")) == {"s", "a"}
    assert live(plan_of(nodes, to="e")) == {"s", "a", "b", "e"}
    muted = {"s": {"type": "start", "mode": "muted"}, "a": add()}
    assert live(plan_of(muted, to="a")) == set()


def split(low: str | None = None, high: str | None = None, **params: Any) -> dict[str, Any]:
    inputs = {name: f"{link}.toy_array" for name, link in (("toy", low), ("other", high)) if link}
    return {"type": "split", "inputs": inputs, "params": params}


def test_just_the_outputs_that_are_used_are_made() -> None:
    nodes = {
        "m": ARRAY,
        "k": {"type": "make", "params": {"size": 9}},
        "x": split("m", "k"),
        "t": total("x.low"),
        "u": total("x.high"),
    }
    made = plan_of(nodes, interface={"outputs": {"sum": "t.float"}})
    assert live(made) == {"m", "x", "t"}
    assert made.steps["x"].wanted == {"low"}
    made = plan_of(nodes, to="x")
    assert made.steps["x"].wanted == {"low", "high"}
    made = plan_of({key: nodes[key] for key in "mkx"})
    assert made.steps["x"].wanted == {"low", "high"}
    made = plan_of({"m": ARRAY, "x": split("m")})
    assert made.steps["x"].wanted == {"low"}  # nobody asks for what it has no inputs for


# Run, reuse, skip


def test_what_is_in_the_cache_is_reused_and_what_feeds_it_is_not_run() -> None:
    nodes = {"s": START, "a": add(), "b": add("a.int"), "c": add("b.int"), "d": add("s.int", amount=5)}
    keys = keys_of(nodes)
    interface = {"outputs": {"x": "c.int"}}

    def statuses(*known: str) -> list[str]:
        cache = Cached(*(keys[id]["int"] for id in known))
        return list(plan_of(nodes, cache=cache, interface=interface).statuses.values())

    assert statuses() == ["run", "run", "run", "run", "skip"]
    assert statuses("b") == ["skip", "skip", "reuse", "run", "skip"]
    assert statuses("s", "b") == ["reuse", "skip", "reuse", "run", "skip"]
    assert statuses("s", "a", "b", "c", "d") == ["reuse", "reuse", "reuse", "reuse", "skip"]


def test_nodes_with_effects_always_run() -> None:
    nodes = {"s": START, "e": save("s.int"), "f": save("s.int")}
    keys = keys_of(nodes)
    made = plan_of(nodes, cache=Cached(*(key for ports in keys.values() for key in ports.values())))
    assert made.statuses == {"s": "reuse", "e": "run", "f": "run"}


def test_a_handle_of_which_nothing_is_needed_is_not_used() -> None:
    nodes = {"h": {"type": "load"}, "m": {"type": "make", "inputs": {"handle": "h.toy_handle"}}}
    cache = Cached(keys_of(nodes)["m"]["toy_array"])
    assert plan_of(nodes, cache=cache).statuses == {"h": "reuse", "m": "reuse"}


def test_the_same_work_twice() -> None:
    nodes = {"s": START, "a": add(amount=2), "b": add(amount=2), "c": add("a.int", "b.int")}
    made = plan_of(nodes)
    assert made.steps["b"].same_as == "a"
    assert made.statuses == {"s": "run", "a": "run", "b": "reuse", "c": "run"}


# The record


def test_the_record_has_the_params_that_were_used_and_gives_the_same_keys() -> None:
    nodes = {
        "old": {"type": "old", "params": {"then": 5}},
        "i": {"type": "integer", "params": {"value": 3}},
        "n": {"type": "advised", "params": {"steps": 7, "guidance": None}, "ui": {"x": 1}},
        "b": {"type": "add", "inputs": {"a": "n.int", "amount": "i.value"}, "params": {"amount": 9}},
        "m": {"type": "make", "mode": "muted"},
        "r": {"type": "read"},
    }
    catalogue = Catalogue([*CATALOGUE.values(), advised.node_type])  # type: ignore[attr-defined]
    made = plan(from_json(toys.workflow(nodes, name="n")), catalogue, environment())
    kept = json.loads(write(record(made, Files(None))))
    assert kept["name"] == "n"
    assert kept["nodes"]["old"] == {"type": "old", "params": {"now": 5}, "version": 3}
    assert kept["nodes"]["n"]["params"] == {"steps": 7, "guidance": 4.0}
    assert kept["nodes"]["n"]["ui"] == {"x": 1}
    assert kept["nodes"]["b"]["params"] == {"amount": 9}
    assert kept["nodes"]["m"] == {"type": "make", "mode": "muted"}
    again = plan(from_json(kept), catalogue, environment())
    assert {id: step.keys for id, step in again.steps.items()} == {
        id: step.keys for id, step in made.steps.items()
    }
    assert record(again, Files(None)) == kept


# What is known of values before they are made


@node(title="Grown", group="Toy", facts=lambda wiring: {"toy_array": wiring.params.get("size")})
def grown(*, size: int = 3) -> toys.Toy:
    raise AssertionError("planning runs nothing")


def _too_small(wiring: Wiring) -> Iterator[Complaint]:
    for fact in wiring.facts.get("toys", ()):
        if fact is not None and fact < 5:
            yield Complaint("toys", f"it will have {fact}", "at least 5")


@node(title="Choosy", group="Toy", check=_too_small)
def choosy(toys: list[toys.Toy]) -> toys.Toy:
    raise AssertionError("planning runs nothing")


class Passed(toys.NamedTuple, Generic[toys.T]):
    value: toys.T


@node(title="Same", group="Toy")
def same(value: toys.T, *, note: str = "") -> Passed:
    raise AssertionError("planning runs nothing")


def complaints_of(nodes: dict[str, Any]) -> list[str]:
    more = [item.node_type for item in (grown, choosy, same)]  # type: ignore[attr-defined]
    return [str(problem) for problem in problems_of(nodes, Catalogue([*CATALOGUE.values(), *more]))]


def grow(size: int, mode: str = "active") -> dict[str, Any]:
    return {"type": "grown", "params": {"size": size}, "mode": mode}


def choose(*links: str) -> dict[str, Any]:
    return {"type": "choosy", "inputs": {"toys": list(links)}}


def test_checks_are_told_what_is_known_of_what_comes() -> None:
    nodes = {"a": grow(7), "b": grow(4), "x": choose("a.toy_array", "b.toy_array")}
    assert complaints_of(nodes) == ["x.toys: it will have 4; expected at least 5"]
    assert complaints_of(nodes | {"b": grow(5)}) == []
    assert complaints_of(nodes | {"b": {"type": "make"}}) == []  # of which nothing is known


def test_what_passes_a_value_on_passes_on_what_is_known_of_it() -> None:
    through = {"type": "same", "inputs": {"value": "a.toy_array"}}
    nodes = {"a": grow(2), "s": through, "t": {"type": "same", "inputs": {"value": "s.value"}}}
    assert complaints_of(nodes | {"x": choose("t.value")}) == ["x.toys: it will have 2; expected at least 5"]
    nodes["s"] = {**through, "mode": "bypassed"}
    assert complaints_of(nodes | {"x": choose("t.value")}) == ["x.toys: it will have 2; expected at least 5"]


def test_what_sleeps_is_not_asked() -> None:
    nodes = {"a": grow(2, mode="muted"), "x": choose("a.toy_array")}
    assert complaints_of(nodes) == []
