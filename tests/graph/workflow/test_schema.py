"""The JSON Schema says of a file's shape what the engine says."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from graph.context import Environment
from graph.files.allowed import Files
from graph.nodetypes.catalogue import Catalogue, installed
from graph.planning.plan import check
from graph.problems import InvalidWorkflow
from graph.workflow import file as workflow
from graph.workflow.schema import schema
from tests.graph import toys

WORKFLOWS = sorted((Path(__file__).parents[3] / "workflows").glob("*.json"))

GOOD = {
    "format": "kandinsky-workflow",
    "version": 1,
    "name": "All there is",
    "description": "",
    "requires": {"pack": "1.0"},
    "nodes": {
        "number": {"type": "integer", "version": 1, "params": {"value": 3}, "ui": {"position": [0, 0]}},
        "first": {"type": "start", "inputs": {"value": "number.value"}},
        "add": {
            "type": "add",
            "inputs": {"a": "first.int", "b": {"from": "first.int", "ui": {"route": [1]}}},
            "params": {"amount": -1000},
        },
        "none": {"type": "add", "mode": "bypassed", "inputs": {"a": []}},
        "half": {"type": "half", "mode": "muted", "inputs": {"a": "add.int"}, "params": {"mode": "up"}},
        "array": {"type": "make", "params": {"fill": None, "size": 2}},
        "sum": {
            "type": "total",
            "inputs": {"toys": ["array.toy_array", {"from": "array.toy_array"}]},
            "params": {"weights": [1, 0.5]},
        },
        "old": {"type": "old", "params": {"then": 3}},
        "new": {"type": "old", "version": 3, "params": {"now": 3}},
    },
    "interface": {
        "inputs": {"n": "number.value", "m": {"targets": ["add.amount"], "title": "M", "help": "."}},
        "outputs": {"sum": "sum.float"},
    },
    "definitions": {},
    "ui": {"viewport": {"zoom": 1}},
    "assets": {},
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    made = schema(toys.catalogue())
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


def engine_takes(data) -> bool:
    """Whether the engine finds nothing wrong."""
    try:
        loaded = workflow.from_json(data)
    except InvalidWorkflow:
        return False
    return not check(loaded, toys.catalogue(), Environment(Files(None)))


def test_a_workflow_with_everything_in_it_is_valid(validator):
    assert engine_takes(GOOD)
    assert [error.message for error in validator.iter_errors(GOOD)] == []


def _set(path: str, value):
    def change(data):
        *parents, last = path.split("/")
        for parent in parents:
            data = data[parent]
        data[last] = value

    return pytest.param(change, id=f"{path}={json.dumps(value)}")


@pytest.mark.parametrize(
    "change",
    [
        _set("format", "other"),
        _set("version", 2),
        _set("name", 3),
        _set("colour", "red"),
        _set("nodes", []),
        _set("nodes/9lives", {"type": "integer"}),
        _set("nodes/number", "integer"),
        _set("nodes/number/type", "intteger"),
        _set("nodes/number/kind", "x"),
        _set("nodes/number/mode", "asleep"),
        _set("nodes/number/version", 2),
        _set("nodes/number/version", 0),
        _set("nodes/number/ui", 1),
        _set("nodes/number/params/value", "3"),
        _set("nodes/number/params/value", True),
        _set("nodes/number/params/value", None),
        _set("nodes/number/params/values", 3),
        _set("nodes/add/inputs/a", "first"),
        _set("nodes/add/inputs/a", ["first.int"]),
        _set("nodes/add/inputs/c", "first.int"),
        _set("nodes/add/inputs/a", {"from": "first.int", "to": 1}),
        _set("nodes/add/inputs/a", {"ui": {}}),
        _set("nodes/add/params/amount", 1001),
        _set("nodes/half/params/mode", "sideways"),
        _set("nodes/array/params/fill", -0.5),
        _set("nodes/sum/inputs/toys", "array.toy_array"),
        _set("nodes/sum/params/weights", 1.0),
        _set("nodes/sum/params/weights", [11.0]),
        _set("nodes/sum/params/weights", ["1"]),
        _set("nodes/new/params/then", 3),
        _set("nodes/new/version", 4),
        _set("interface/inputs/n", 3),
        _set("interface/inputs/n", {"title": "N"}),
        _set("interface/inputs/n", {"targets": ["number.value"], "colour": "red"}),
        _set("interface/between", {}),
        _set("definitions", {"x": {}}),
    ],
)
def test_what_the_engine_refuses_is_invalid(validator, change):
    data = copy.deepcopy(GOOD)
    change(data)
    assert not engine_takes(data)
    assert list(validator.iter_errors(data))


@pytest.mark.parametrize("key", ["format", "version", "nodes"])
def test_what_a_file_must_have(validator, key):
    data = {name: value for name, value in GOOD.items() if name != key}
    assert not engine_takes(data)
    assert not validator.is_valid(data)


def test_ids_of_packs_stand_in_pointers(validator):
    packed = Catalogue([replace(toys.catalogue()["half"], id="pack/half")])
    checks = Draft202012Validator(schema(packed))
    data = {"format": "kandinsky-workflow", "version": 1, "nodes": {"n": {"type": "pack/half"}}}
    assert checks.is_valid(data)
    data["nodes"]["n"]["params"] = {"mode": "sideways"}
    assert not checks.is_valid(data)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_the_workflows_that_ship_are_valid(path):
    data = json.loads(path.read_text(encoding="utf-8"))
    checks = Draft202012Validator(schema(installed()))
    assert [error.message for error in checks.iter_errors(data)] == []
