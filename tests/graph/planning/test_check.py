"""Everything that is wrong with a workflow is said at once: where, what was expected, the nearest name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from graph.context import Unavailable
from graph.node import Complaint, Wiring, node
from graph.nodetypes.catalogue import Catalogue
from graph.planning.plan import check, plan
from graph.problems import MAX_PROBLEMS, InvalidWorkflow, nearest
from graph.workflow.file import from_json
from tests.graph import toys
from tests.graph.bench import CATALOGUE, environment, plan_of, problems_of

START = {"type": "start"}
ARRAY = {"type": "make"}


def said(nodes: Any, **more: Any) -> list[str]:
    return [str(problem) for problem in problems_of(nodes, **more)]


def add(a: Any = "s.int", **params: Any) -> dict[str, Any]:
    return {"type": "add", "inputs": {"a": a}, "params": params}


def test_a_sound_workflow_has_no_problems() -> None:
    assert said({"s": START, "b": add(), "c": add("b.int", amount=5)}) == []
    assert said({}) == []


def test_one_of_everything_at_once() -> None:
    nodes = {
        "s": START,
        "type": {"type": "ad"},
        "port": {"type": "add", "inputs": {"aa": "s.int"}},
        "param": add(amuont=1),
        "kind": add(amount="1"),
        "range": add(amount=1001),
        "missing": {"type": "add"},
        "wire": {"type": "scribble", "inputs": {"toy": "s.int"}},
        "nowhere": add("ss.int"),
        "output": add("s.integer"),
        "ring1": add("ring2.int"),
        "ring2": add("ring1.int"),
        "list": {"type": "total", "inputs": {"toys": "s.int"}},
    }
    interface = {"inputs": {"x": "param.amuont"}, "outputs": {"y": "kind.float"}}
    assert sorted(said(nodes, interface=interface)) == sorted(
        [
            "type: node type 'ad' is unknown (did you mean 'add'?)",
            "port.aa: add has no input 'aa'; expected one of a, b, amount (did you mean 'a'?)",
            "port.a: the input is not linked; expected a wire of type int",
            "param.amuont: add has no param 'amuont'; expected one of amount (did you mean 'amount'?)",
            'kind.amount: "1" is not a whole number; expected a whole number from -1000 to 1000',
            "range.amount: 1001 is out of range; expected a whole number from -1000 to 1000",
            "missing.a: the input is not linked; expected a wire of type int",
            "wire.toy: s.int is of type int; expected a wire of type toy_array",
            "nowhere.a: there is no node 'ss' (did you mean 's'?)",
            "output.a: start 's' has no output 'integer'; expected one of int (did you mean 'int'?)",
            "ring1: the wires form a cycle: ring1 -> ring2 -> ring1; expected no way back",
            "list.toys: the port takes a list of links; expected [link, ...]",
            "interface inputs 'x': add 'param' has no param 'amuont'; expected one of amount"
            " (did you mean 'amount'?)",
            "interface outputs 'y': add 'kind' has no output 'float'; expected one of int",
        ]
    )


def test_problems_as_plain_data() -> None:
    (problem,) = problems_of({"s": START, "b": add(amuont=1)})
    assert problem.as_dict() == {
        "node": "b",
        "param": "amuont",
        "message": "add has no param 'amuont'",
        "expected": "one of amount",
        "nearest": "amount",
    }


def test_a_port_is_no_param_and_a_param_may_be_linked() -> None:
    assert said({"s": START, "b": {"type": "add", "inputs": {"a": "s.int", "amount": "s.int"}}}) == []
    nodes = {"s": START, "b": {"type": "add", "inputs": {"a": "s.int"}, "params": {"b": 1}}}
    assert said(nodes) == ["b.b: add has no param 'b'; expected 'b' under \"inputs\", it is a port"]


def test_packs_that_are_not_installed() -> None:
    assert said({"n": {"type": "pack/thing"}}, requires={"pack": ">=2"}) == [
        "n: node type 'pack/thing' is unknown; expected the pack 'pack' >=2 installed"
    ]


# Literals


@pytest.mark.parametrize(
    ("type_id", "param", "good", "bad"),
    [
        ("start", "value", [0, -5, 10**15], ["1", 1.0, True, [], {}, None, [1]]),
        ("scribble", "by", [1, 1.5, -0.0], ["1", True, [], None]),
        ("text", "value", ["", "é😀\n"], [1, None, ["a"], "x" * 1_000_001, "\ud800"]),
        ("flags", "on", [True, False], [0, 1, "true", None]),
        ("half", "mode", ["down", "up"], ["Down", "", None, 1]),
        ("make", "fill", [None, 0, 9.0], [-0.1, 9.1, float("nan"), float("inf"), "1"]),
        ("make", "size", [1, 10_000_000], [0, 10_000_001, None]),
        ("total", "weights", [[], [1, 2.5]], [1, None, [None], ["1"], [True], [11], [0] * 10_001]),
    ],
)
def test_literals(type_id: str, param: str, good: list[Any], bad: list[Any]) -> None:
    @node(title="Flags", group="Toy")
    def flags(*, on: bool = False) -> bool:
        return on

    catalogue = Catalogue([*CATALOGUE.values(), flags.node_type])  # type: ignore[attr-defined]

    def found(value: Any) -> list[tuple[str | None, str | None]]:
        nodes = {
            "n": {"type": type_id, "params": {param: value}},
            "m": ARRAY,
            "i": {"type": "integer"},
        }
        nodes["n"]["inputs"] = {
            "scribble": {"toy": "m.toy_array"},
            "half": {"a": "i.value"},
            "total": {"toys": ["m.toy_array"]},
        }.get(type_id, {})
        return [(problem.node, problem.param) for problem in problems_of(nodes, catalogue)]

    for value in good:
        assert found(value) == [], value
    for value in bad:
        assert found(value) == [("n", param)], value


def test_null_means_the_default_and_is_an_error_where_the_default_is_not_null() -> None:
    nodes = {"m": {"type": "make", "params": {"fill": None}}, "n": ARRAY}
    made = plan_of(nodes)
    assert made.steps["m"].keys == made.steps["n"].keys
    assert said({"m": {"type": "make", "params": {"size": None}}}) == [
        "m.size: null is not a value here; expected a whole number from 1 to 10000000"
    ]


def test_the_nearest_choice() -> None:
    nodes = {
        "i": {"type": "integer"},
        "h": {"type": "half", "inputs": {"a": "i.value"}, "params": {"mode": "dwon"}},
    }
    assert said(nodes) == ["h.mode: \"dwon\" is unknown; expected one of 'down', 'up' (did you mean 'down'?)"]


def test_a_wrong_literal_in_an_unused_place_is_still_wrong() -> None:
    nodes = {
        "s": START,
        "b": {"type": "add", "inputs": {"a": "s.int", "amount": "s.int"}, "params": {"amount": "x"}},
    }
    assert said(nodes) == ['b.amount: "x" is not a whole number; expected a whole number from -1000 to 1000']


# Links


def test_list_ports_take_lists_and_other_ports_do_not() -> None:
    one = {"type": "total", "inputs": {"toys": ["m.toy_array"]}}
    twice = {"type": "total", "inputs": {"toys": ["m.toy_array", {"from": "m.toy_array"}]}}
    assert said({"m": ARRAY, "one": one, "twice": twice}) == []
    assert said({"m": ARRAY, "t": {"type": "total", "inputs": {"toys": "m.toy_array"}}}) == [
        "t.toys: the port takes a list of links; expected [link, ...]"
    ]
    assert said({"s": START, "b": add(["s.int"])}) == [
        "b.a: the port takes one link, not a list of 1; expected a link"
    ]
    assert said({"s": START, "b": {"type": "add", "inputs": {"a": "s.int", "amount": ["s.int"]}}}) == [
        "b.amount: the port takes one link, not a list of 1; expected a link"
    ]


def test_an_empty_list_counts_as_not_linked() -> None:
    assert said({"t": {"type": "total", "inputs": {"toys": []}}}) == [
        "t.toys: the input is not linked; expected a wire of type toy_array"
    ]
    assert said({"m": {"type": "make", "inputs": {"handle": []}}}) == []
    assert said({"m": {"type": "make", "inputs": {"handel": []}}}) == [
        "m.handel: make has no input 'handel'; expected one of handle, size, fill (did you mean 'handle'?)"
    ]


def test_a_list_of_more_links_than_anybody_needs() -> None:
    nodes = {"m": ARRAY, "t": {"type": "total", "inputs": {"toys": ["m.toy_array"] * 10_001}}}
    assert said(nodes) == ["t.toys: the list has 10001 links; expected at most 10000"]


def test_each_wrong_link_of_a_list_is_told() -> None:
    links = ["m.toy_array", "x.toy_array", "s.int", "m.toy", "h.toy_handle"]
    nodes = {"m": ARRAY, "s": START, "h": {"type": "load"}, "t": {"type": "total", "inputs": {"toys": links}}}
    assert said(nodes) == [
        "t.toys: there is no node 'x'",
        "t.toys: make 'm' has no output 'toy'; expected one of toy_array",
        "t.toys: s.int is of type int; expected a wire of type toy_array",
        "t.toys: h.toy_handle is of type toy_handle; expected a wire of type toy_array",
    ]


def test_int_fits_float_and_nothing_else_fits_anything_else() -> None:
    assert said({"s": START, "h": {"type": "half", "inputs": {"a": "s.int"}}}) == []
    nodes = {"s": START, "h": {"type": "half", "inputs": {"a": "s.int"}}, "b": add("h.float")}
    assert said(nodes) == ["b.a: h.float is of type float; expected a wire of type int"]
    nodes = {"t": {"type": "text"}, "h": {"type": "half", "inputs": {"a": "t.value"}}}
    assert said(nodes) == ["h.a: t.value is of type string; expected a wire of type float"]


def test_a_link_to_a_node_that_is_wrong_itself_says_nothing_more() -> None:
    nodes = {"s": {"type": "starr"}, "b": add("s.int"), "c": add("b.int", amount="x"), "d": add("c.int")}
    assert said(nodes) == [
        "s: node type 'starr' is unknown (did you mean 'start'?)",
        'c.amount: "x" is not a whole number; expected a whole number from -1000 to 1000',
    ]


def test_wires_from_a_node_that_is_wrong_are_checked_all_the_same() -> None:
    nodes = {"b": {"type": "add"}, "c": {"type": "scribble", "inputs": {"toy": "b.int"}}}
    assert len(said(nodes)) == 2


def test_lists_and_numbers_cannot_be_mixed() -> None:
    nodes = {
        "i": {"type": "integer"},
        "m": ARRAY,
        "t": {"type": "total", "inputs": {"toys": ["m.toy_array"], "weights": "i.value"}},
        "u": {"type": "add", "inputs": {"a": "i.value", "amount": "t.float"}},
    }
    assert said(nodes) == [
        "t.weights: a list cannot be linked; expected a literal list",
        "u.amount: t.float is of type float; expected a wire of type int",
    ]


# Ports of any type


def test_ports_of_any_type_pass_it_on() -> None:
    nodes = {
        "s": START,
        "p": {"type": "pick", "inputs": {"value": "s.int"}},
        "b": add("p.picked"),
        "c": {"type": "scribble", "inputs": {"toy": "p.picked"}},
    }
    assert said(nodes) == ["c.toy: p.picked is of type int; expected a wire of type toy_array"]


def test_a_list_of_any_type_is_of_one_type() -> None:
    catalogue = CATALOGUE
    nodes = {
        "s": START,
        "m": ARRAY,
        "b": {"type": "bundle", "inputs": {"values": ["s.int", "s.int", "m.toy_array"]}},
    }
    assert [str(problem) for problem in problems_of(nodes, catalogue)] == [
        "b.values: m.toy_array is of type toy_array, but another wire here is of type int;"
        " expected wires of one type"
    ]


def test_storable_ports_take_no_handles() -> None:
    nodes = {"h": {"type": "load"}, "s": {"type": "save", "inputs": {"value": "h.toy_handle"}}}
    assert said(nodes) == [
        "s.value: h.toy_handle is of type toy_handle, a handle to weights;"
        " expected a value that can be stored"
    ]


# Cycles


def test_several_cycles_beside_other_problems() -> None:
    nodes = {
        "self": add("self.int"),
        "a": add("c.int"),
        "b": add("a.int"),
        "c": add("b.int"),
        "d": {"type": "add", "inputs": {"a": "c.int", "b": "e.int"}},
        "e": add("d.int", amount=9999),
        "after": {"type": "scribble", "inputs": {"toy": "e.int"}},
        "param": {"type": "add", "inputs": {"a": "c.int", "amount": "param.int"}},
    }
    assert sorted(said(nodes)) == [
        "a: the wires form a cycle: a -> b -> c -> a; expected no way back",
        "after.toy: e.int is of type int; expected a wire of type toy_array",
        "d: the wires form a cycle: d -> e -> d; expected no way back",
        "e.amount: 9999 is out of range; expected a whole number from -1000 to 1000",
        "param: the wires form a cycle: param -> param; expected no way back",
        "self: the wires form a cycle: self -> self; expected no way back",
    ]


def test_knotted_cycles_are_one_problem() -> None:
    nodes = {
        name: {"type": "add", "inputs": {"a": f"{one}.int", "b": f"{two}.int"}}
        for name, one, two in [("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")]
    }
    (problem,) = problems_of(nodes)
    assert problem.message.startswith("the wires form a cycle: ")


def test_cycles_through_muted_and_bypassed_nodes_are_cycles() -> None:
    for mode in ("muted", "bypassed"):
        nodes = {"a": {**add("b.int"), "mode": mode}, "b": add("a.int")}
        assert said(nodes) == ["a: the wires form a cycle: a -> b -> a; expected no way back"]


def test_a_long_cycle_is_shortened() -> None:
    nodes = {f"n{i}": add(f"n{(i + 1) % 5000}.int") for i in range(5000)}
    (problem,) = problems_of(nodes)
    assert problem.message.endswith(" -> ... -> n0")
    assert len(problem.message) < 200


# What nodes themselves find wrong


def hooked(**hooks: Any) -> Catalogue:
    @node(title="Hooked", group="Toy", **hooks)
    def hooked(
        handle: toys.ToyHandle | None = None, *, steps: int | None = None, scale: float | None = None
    ) -> int:
        return steps or 0

    return Catalogue([*CATALOGUE.values(), hooked.node_type])  # type: ignore[attr-defined]


def test_complaints_of_a_node() -> None:
    def complain(wiring: Wiring) -> Iterator[Complaint]:
        yield Complaint("steps", f"{wiring.params['steps']} is odd", "an even number")
        if "handle" not in wiring.values:
            yield Complaint("handle", "it would be better linked")

    nodes = {"n": {"type": "hooked", "params": {"steps": 3}}, "wrong": {"type": "add"}}
    assert [str(problem) for problem in problems_of(nodes, hooked(check=complain))] == [
        "n.steps: 3 is odd; expected an even number",
        "n.handle: it would be better linked",
        "wrong.a: the input is not linked; expected a wire of type int",
    ]


def broken(_: Wiring) -> Any:
    raise KeyError("recommended")


def refusing(_: Wiring) -> Any:
    raise ValueError("this checkpoint is of another kind")


@pytest.mark.parametrize("hook", ["check", "resolve", "types"])
def test_hooks_that_fail_are_problems_of_the_node(hook: str) -> None:
    assert [str(p) for p in problems_of({"n": {"type": "hooked"}}, hooked(**{hook: broken}))] == [
        "n: KeyError: 'recommended'"
    ]
    assert [str(p) for p in problems_of({"n": {"type": "hooked"}}, hooked(**{hook: refusing}))] == [
        "n: this checkpoint is of another kind"
    ]


def test_what_a_checkpoint_recommends_is_checked_too() -> None:
    catalogue = hooked(resolve=lambda _: {"steps": "many", "scale": float("inf")})
    assert [str(problem) for problem in problems_of({"n": {"type": "hooked"}}, catalogue)] == [
        'n.steps: what stands for null: "many" is not a whole number; expected a whole number, or null',
        "n.scale: what stands for null: inf is not a number to calculate with; expected a number, or null",
    ]


def test_constants_that_cannot_be_made() -> None:
    nodes = {
        "h": {"type": "load", "params": {"source": "missing"}},
        "m": {"type": "make", "inputs": {"handle": "h.toy_handle"}},
    }
    assert said(nodes) == ["h: there is no toy called 'missing'"]


def test_checking_does_not_mind_what_is_not_on_this_machine() -> None:
    @node(title="Away", group="Toy", folds=True)
    def away() -> toys.ToyHandle:
        raise Unavailable("the checkpoint is not here", fetch="3.7 GB")

    catalogue = Catalogue([*CATALOGUE.values(), away.node_type])  # type: ignore[attr-defined]
    nodes = {
        "h": {"type": "away"},
        "m": {"type": "make", "inputs": {"handle": "h.toy_handle"}},
        "x": {"type": "add"},
    }
    workflow = from_json(toys.workflow(nodes))
    assert len(check(workflow, catalogue, environment())) == 1
    with pytest.raises(InvalidWorkflow, match=r"h: the checkpoint is not here; add --download \(3.7 GB\)"):
        plan(workflow, catalogue, environment())


def test_files_that_may_not_be_read() -> None:
    (problem,) = problems_of({"r": {"type": "read", "params": {"path": "/etc/passwd"}}})
    assert (problem.node, problem.param) == ("r", "path")
    assert "outside the folders" in problem.message


def test_fixed_params_take_constants_only() -> None:
    nodes = {
        "r": {"type": "read", "inputs": {"path": "q.string"}},
        "q": {"type": "read"},
        "t": {"type": "text"},
        "c": {"type": "read", "inputs": {"path": "t.value"}},
        "h": {"type": "load", "inputs": {"source": "q.string"}},
    }
    assert said(nodes) == [
        "r.path: q.string is not a constant; expected a literal or a link to a constant node",
        "h.source: q.string is not a constant; expected a literal or a link to a constant node",
    ]


def test_a_constant_out_of_range_is_a_problem_where_it_is_used() -> None:
    nodes = {
        "i": {"type": "integer", "params": {"value": 5000}},
        "b": {"type": "add", "inputs": {"a": "i.value", "amount": "i.value"}},
    }
    assert said(nodes) == ["b.amount: 5000 is out of range; expected a whole number from -1000 to 1000"]


def test_a_constant_of_the_wrong_type_is_one_problem() -> None:
    nodes = {"t": {"type": "text"}, "b": {"type": "add", "inputs": {"a": "t.value", "amount": "t.value"}}}
    assert said(nodes) == [
        "b.a: t.value is of type string; expected a wire of type int",
        "b.amount: t.value is of type string; expected a wire of type int",
    ]


# The interface


def test_interface_targets() -> None:
    interface = {
        "inputs": {"x": "s.value", "y": {"targets": ["nobody.value", "b.a"]}},
        "outputs": {"o": "nobody.int", "p": "s.value"},
    }
    assert said({"s": START, "b": add()}, interface=interface) == [
        "interface inputs 'y': there is no node 'nobody'",
        "interface inputs 'y': add 'b' has no param 'a'; expected one of amount",
        "interface outputs 'o': there is no node 'nobody'",
        "interface outputs 'p': start 's' has no output 'value'; expected one of int",
    ]


def test_running_to_a_node_that_is_not_there() -> None:
    with pytest.raises(
        InvalidWorkflow, match=r"there is no node 'sart' to run to \(did you mean 'start'\?\)"
    ):
        plan_of({"start": START}, to="sart")


# A million problems


def test_looking_for_problems_ends_somewhere() -> None:
    with pytest.raises(InvalidWorkflow) as refused:
        problems_of({f"n{i}": {"type": f"x{i}", "colour": 1} for i in range(3000)})
    assert len(refused.value.problems) == MAX_PROBLEMS + 1
    found = problems_of({f"n{i}": {"type": "add"} for i in range(3000)})
    assert len(found) == MAX_PROBLEMS + 1
    assert str(found[-1]) == "these are the first 1000 problems; there may be more"


def test_messages_are_short_whatever_the_file_says() -> None:
    huge = "x" * 1_000_000
    found = problems_of({"a": {"type": huge}, "b": {"type": "start", huge: 1, "params": {huge: huge}}})
    assert len(found) == 3
    assert all(len(problem.message) < 1100 for problem in found)


def test_nearest_names() -> None:
    assert nearest("ad", ["add", "start"]) == "add"
    assert nearest("zzz", ["add"]) is None
    assert nearest("x" * 1000, ["x" * 999]) is None
