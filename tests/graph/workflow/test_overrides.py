"""Values from outside: by interface name or node.param, typed or as texts of a command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graph.files.allowed import Files
from graph.node import node
from graph.nodetypes.catalogue import Catalogue
from graph.planning.plan import plan
from graph.problems import InvalidWorkflow
from graph.workflow.file import Workflow, from_json
from graph.workflow.overrides import override
from tests.graph import toys
from tests.graph.bench import CATALOGUE, environment


@node(title="Flags", group="Toy")
def flags(
    *,
    on: bool = False,
    names: list[str] = [],  # noqa: B006
    count: int | None = None,
    amount: float = 0.5,
) -> bool:
    return on


TYPES = Catalogue([*CATALOGUE.values(), flags.node_type])  # type: ignore[attr-defined]
NODES: dict[str, Any] = {
    "s": {"type": "start", "params": {"value": 1}},
    "t": {"type": "start", "params": {"value": 2}},
    "b": {"type": "add", "inputs": {"a": "s.int", "amount": {"from": "t.int", "ui": {}}}, "ui": {"x": 1}},
    "f": {"type": "flags"},
    "r": {"type": "read"},
    "w": {"type": "text"},
}
INTERFACE = {
    "inputs": {
        "start": "s.value",
        "both": {"targets": ["s.value", "t.value"], "title": "Both"},
        "amount": "b.amount",
    }
}


def workflow(**more: Any) -> Workflow:
    return from_json(toys.workflow(NODES, interface=INTERFACE, **more))


def changed(values: dict[str, Any], typed: bool = True, files: Files | None = None) -> dict[str, Any]:
    result = override(workflow(), TYPES, values, files or environment().files, typed)
    nodes: dict[str, Any] = result.data["nodes"]
    return nodes


def refused(values: dict[str, Any], typed: bool = True) -> list[str]:
    with pytest.raises(InvalidWorkflow) as invalid:
        changed(values, typed)
    return [str(problem) for problem in invalid.value.problems]


def test_by_interface_name_and_by_node_and_param() -> None:
    nodes = changed({"start": 5, "t.value": 6})
    assert (nodes["s"]["params"], nodes["t"]["params"]) == ({"value": 5}, {"value": 6})
    nodes = changed({"both": 7})
    assert (nodes["s"]["params"], nodes["t"]["params"]) == ({"value": 7}, {"value": 7})


def test_the_workflow_itself_stays_as_it_is() -> None:
    original = workflow()
    override(original, TYPES, {"start": 5}, environment().files)
    assert original.data["nodes"] is NODES
    assert NODES["s"] == {"type": "start", "params": {"value": 1}}
    assert override(original, TYPES, {}, environment().files) is original


def test_a_value_replaces_a_link_and_keeps_the_rest() -> None:
    assert changed({"amount": 3})["b"] == {
        "type": "add",
        "inputs": {"a": "s.int"},
        "params": {"amount": 3},
        "ui": {"x": 1},
    }


@pytest.mark.parametrize(
    ("param", "text", "value"),
    [
        ("s.value", "5", 5),
        ("s.value", " -5 ", -5),
        ("f.on", "true", True),
        ("f.on", "False", False),
        ("f.names", '["a", "b"]', ["a", "b"]),
        ("f.names", "[]", []),
        ("f.count", "null", None),
        ("f.count", "5", 5),
        ("f.amount", "2", 2.0),
        ("f.amount", ".5", 0.5),
        ("f.amount", "1e-3", 0.001),
        ("w.value", "a red cube", "a red cube"),
        ("w.value", "", ""),
        ("w.value", "5", "5"),
        ("w.value", "null", "null"),
        ("w.value", '"quoted"', '"quoted"'),
        ("w.value", "a=b", "a=b"),
    ],
)
def test_texts_are_read_by_the_type_of_the_param(param: str, text: str, value: Any) -> None:
    id, _, name = param.partition(".")
    found = changed({param: text}, typed=False)[id]["params"][name]
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    ("param", "text", "expected"),
    [
        ("s.value", "five", "a whole number"),
        ("s.value", "1.5", "a whole number"),
        ("s.value", "", "a whole number"),
        ("s.value", "9" * 10_000, "a whole number"),
        ("f.on", "1", "true or false"),
        ("f.on", "yes", "true or false"),
        ("f.names", "a, b", "a list, each item a text"),
        ("f.names", '["a", "a"', "a list, each item a text"),
        ("f.amount", "much", "a number"),
    ],
)
def test_texts_that_cannot_be_read(param: str, text: str, expected: str) -> None:
    (said,) = refused({param: text}, typed=False)
    assert "cannot be read" in said
    assert said.endswith((f"; expected {expected}", f"; expected {expected}, or null"))
    assert len(said) < 200


@pytest.mark.parametrize(
    ("param", "value"), [("f.names", '"a"'), ("f.amount", "nan"), ("f.amount", "inf"), ("s.value", "null")]
)
def test_values_that_planning_refuses(param: str, value: str) -> None:
    result = override(workflow(), TYPES, {param: value}, environment().files, typed=False)
    with pytest.raises(InvalidWorkflow, match=f"{param}: "):
        plan(result, TYPES, environment())


def test_names_that_are_unknown_are_all_told() -> None:
    expected = "expected an interface name (start, both, amount) or node.param"
    assert refused({"strat": 1, "s.vaule": 2, "x.value": 3, "s": 4, "start": 5}) == [
        f"there is nothing called 'strat' to set; {expected} (did you mean 'start'?)",
        "s.vaule: start 's' has no param 'vaule'; expected value (did you mean 'value'?)",
        f"there is nothing called 'x.value' to set; {expected}",
        f"there is nothing called 's' to set; {expected} (did you mean 's'?)",
    ]


def test_a_path_that_is_set_may_be_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hello")
    path = str(tmp_path / "secret.txt")
    here = environment(tmp_path / "elsewhere")
    with pytest.raises(InvalidWorkflow, match="outside the folders"):
        plan(from_json(toys.workflow({"r": {"type": "read", "params": {"path": path}}})), TYPES, here)
    for value, typed in ((path, False), (path, True), (Path(path), True)):
        here = environment(tmp_path / "elsewhere")
        result = override(workflow(), TYPES, {"r.path": value}, here.files, typed)
        assert plan(result, TYPES, here).steps["r"].params["path"].read() == b"hello"


def test_other_texts_that_are_set_allow_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hello")
    path = str(tmp_path / "secret.txt")
    here = environment(tmp_path / "elsewhere")
    result = override(workflow(), TYPES, {"w.value": path}, here.files)
    nodes = {**result.data["nodes"], "r": {"type": "read", "params": {"path": path}}}
    with pytest.raises(InvalidWorkflow, match="outside the folders"):
        plan(from_json(toys.workflow(nodes)), TYPES, here)


def test_a_broken_file_is_told_by_planning() -> None:
    broken = from_json(toys.workflow({"s": {"type": "start", "params": 3}}))
    result = override(broken, TYPES, {"s.value": 1}, environment().files)
    with pytest.raises(InvalidWorkflow, match="'params' is 3"):
        plan(result, TYPES, environment())
