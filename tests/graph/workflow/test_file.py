"""The workflow file: what is read, what is kept, what is saved, what is refused."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.node import node
from graph.nodetypes.catalogue import Catalogue
from graph.problems import InvalidWorkflow
from graph.workflow import document as shape
from graph.workflow import file as workflow
from graph.workflow.file import Link, from_json, load, loads, save
from graph.workflow.migrate import up_to_date
from tests.graph import toys
from tests.graph.bench import CATALOGUE, plan_of, problems_of

EXAMPLE: dict[str, Any] = {
    "format": "kandinsky-workflow",
    "version": 1,
    "name": "An example",
    "description": "é and 😀",
    "requires": {"pack": ">=1"},
    "nodes": {
        "a": {"type": "start", "params": {"value": 3}, "ui": {"position": [0, -1.5], "later": {"x": [1]}}},
        "b": {"type": "add", "inputs": {"a": {"from": "a.int", "ui": {"route": [[1, 2]]}}}},
        "m": {"type": "make", "version": 1, "mode": "active", "params": {"fill": 2.0}},
        "t": {
            "type": "total",
            "inputs": {"toys": ["m.toy_array", "m.toy_array"]},
            "params": {"weights": [1.0]},
        },
    },
    "interface": {
        "inputs": {
            "value": "a.value",
            "both": {"targets": ["a.value", "b.amount"], "title": "T", "help": "H"},
        },
        "outputs": {"sum": "t.float"},
    },
    "ui": {"groups": [{"title": "g", "nodes": ["a"]}, {"title": "h"}], "viewport": {"zoom": 1.0}, "x": None},
    "assets": {"00": "AAAA"},
}


def data(**changes: Any) -> dict[str, Any]:
    return {"format": "kandinsky-workflow", "version": 1, "nodes": {}, **changes}


def messages(value: Any) -> list[str]:
    """What is wrong with the shape of a file."""
    return [str(problem) for problem in from_json(value).problems]


def test_the_typed_view() -> None:
    read = from_json(EXAMPLE)
    assert not read.problems
    assert (read.name, read.description, read.assets) == ("An example", "é and 😀", {"00": "AAAA"})
    assert read.nodes["b"].links == {"a": (Link("a", "int"),)}
    assert read.nodes["t"].links == {"toys": (Link("m", "toy_array"),) * 2}
    assert read.nodes["t"].listed == {"toys"}
    assert read.nodes["a"].params == {"value": 3}
    assert [str(target) for target in read.inputs["both"].targets] == ["a.value", "b.amount"]
    assert (read.inputs["both"].title, read.inputs["both"].help) == ("T", "H")
    assert list(read.outputs) == ["sum"]


# Saving


def test_saving_keeps_everything() -> None:
    text = save(from_json(EXAMPLE))
    assert json.dumps(json.loads(text)) == json.dumps(EXAMPLE)
    assert text.endswith("}\n")
    assert "é and 😀" in text


def test_saved_files_look_like_this() -> None:
    assert save(from_json(EXAMPLE)).splitlines()[:20] == [
        "{",
        '  "format": "kandinsky-workflow",',
        '  "version": 1,',
        '  "name": "An example",',
        '  "description": "é and 😀",',
        '  "requires": {',
        '    "pack": ">=1"',
        "  },",
        '  "nodes": {',
        '    "a": {',
        '      "type": "start",',
        '      "params": {',
        '        "value": 3',
        "      },",
        '      "ui": {"position": [0, -1.5], "later": {"x": [1]}}',
        "    },",
        '    "b": {',
        '      "type": "add",',
        '      "inputs": {',
        '        "a": {"from": "a.int", "ui": {"route": [[1, 2]]}}',
    ]


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
literals = st.none() | st.booleans() | texts | numbers | st.lists(numbers, max_size=3)
anything = st.recursive(literals, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=6)
links = st.builds("{}.{}".format, names, names)
links |= st.fixed_dictionaries({"from": links}, optional={"ui": st.dictionaries(texts, anything)})
node_json = st.fixed_dictionaries(
    {"type": st.sampled_from(list(CATALOGUE)) | names},
    optional={
        "version": st.integers(1, 5),
        "mode": st.sampled_from(workflow.MODES),
        "inputs": st.dictionaries(names, links | st.lists(links, max_size=3), max_size=3),
        "params": st.dictionaries(names, literals, max_size=3),
        "ui": st.dictionaries(texts, anything, max_size=3),
    },
)
files = st.fixed_dictionaries(
    {
        "format": st.just("kandinsky-workflow"),
        "version": st.just(1),
        "nodes": st.dictionaries(names, node_json, max_size=5),
    },
    optional={"name": texts, "ui": st.dictionaries(texts, anything, max_size=3)},
)


@given(files)
def test_what_save_wrote_load_and_save_give_back_byte_for_byte(value: dict[str, Any]) -> None:
    text = save(from_json(value), CATALOGUE)
    again = loads(text.encode())
    assert not again.problems
    assert save(again, CATALOGUE) == save(again) == text


@given(files, st.data())
def test_one_changed_param_is_a_one_line_diff(value: dict[str, Any], choose: st.DataObject) -> None:
    value["nodes"]["new"] = {"type": "start", "params": {"a": 1, "b": [1.0, 2], "c": "x"}, "ui": {"p": [1]}}
    before = save(from_json(value))
    name = choose.draw(st.sampled_from("abc"))
    value["nodes"]["new"]["params"][name] = choose.draw(
        st.integers(1000, 2000) | texts.filter(lambda t: t != "x")
    )
    lines = list(difflib.ndiff(before.split("\n"), save(from_json(value)).split("\n")))
    assert [line[0] for line in lines if line[0] in "+-"] == ["-", "+"]


def test_floats_have_a_point_whoever_wrote_them() -> None:
    nodes = {
        "m": {"type": "make", "params": {"size": 4, "fill": 2}},
        "t": {"type": "total", "params": {"weights": [1, 2.5]}},
        "x": {"type": "unknown", "params": {"fill": 2}},
    }
    lines = [line.strip(" ,") for line in save(from_json(data(nodes=nodes)), CATALOGUE).splitlines()]
    assert '"fill": 2.0' in lines
    assert '"size": 4' in lines
    assert '"weights": [1.0, 2.5]' in lines
    assert '"fill": 2' in lines


def test_loading_from_a_file_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_text(save(from_json(EXAMPLE)), encoding="utf-8")
    read = load(path)
    assert read.folder == tmp_path.resolve()
    assert save(read) == path.read_text(encoding="utf-8")


# What is no workflow at all


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("[]", "expected a JSON object"),
        ("null", "expected a JSON object"),
        ("{}", "\"format\" is null; expected 'kandinsky-workflow'"),
        ('{"format": "comfy", "version": 1}', '"format" is "comfy"'),
        ('{"format": "kandinsky-workflow"}', "version null"),
        ('{"format": "kandinsky-workflow", "version": 2}', "version 2, .* expected a version from 1 to 1"),
        ('{"format": "kandinsky-workflow", "version": 0}', "version 0"),
        ('{"format": "kandinsky-workflow", "version": "1"}', 'version "1"'),
        ('{"format": "kandinsky-workflow", "version": 1.0}', "version 1.0"),
        ('{"format": "kandinsky-workflow", "version": true}', "version true"),
        ('{"format": "kandinsky-workflow", "version": 1, "nodes": {"a": {}, "a": {}}}', "'a' stands twice"),
        ('{"format": "kandinsky-workflow", "version": 1, "nodes": {"a": {"params": {"x": NaN}}}}', "NaN"),
    ],
)
def test_what_is_no_workflow(text: str, message: str) -> None:
    with pytest.raises(InvalidWorkflow, match=message):
        loads(text)


def test_a_picture_without_a_workflow() -> None:
    with pytest.raises(InvalidWorkflow, match="the picture carries no workflow"):
        loads(b"\x89PNG\r\n\x1a\n" + bytes.fromhex("0000000049454e44ae426082"))


def test_too_many_nodes_and_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.workflow.reader.MAX_NODES", 3)
    monkeypatch.setattr("graph.workflow.reader.MAX_LINKS", 5)
    node = {"type": "total", "inputs": {"toys": ["m.toy_array"] * 3}}
    assert not from_json(data(nodes={"a": node})).problems
    with pytest.raises(InvalidWorkflow, match="4 nodes; expected at most 3"):
        from_json(data(nodes={id: {"type": "start"} for id in "abcd"}))
    with pytest.raises(InvalidWorkflow, match="too many links; expected at most 5"):
        from_json(data(nodes={"a": node, "b": node}))


# What is wrong with the shape of a file: all of it, at once, and beside what is wrong with its meaning


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodse": {}}, "the key 'nodse' is unknown (did you mean 'nodes'?)"),
        ({"name": 3}, "'name' is 3; expected a text"),
        ({"nodes": []}, "'nodes' is []; expected an object"),
        ({"nodes": 3}, "'nodes' is 3; expected an object"),
        ({"ui": []}, "'ui' is []; expected an object"),
        ({"requires": {"pack": 1}}, "requires 'pack' is 1; expected a text"),
        ({"assets": {"ab": []}}, "assets 'ab' is []; expected a text"),
        ({"assets": "x"}, "'assets' is \"x\"; expected an object"),
        ({"definitions": {"a": 1}}, '"definitions" is reserved for a later version; expected no definitions'),
        ({"interface": {"input": {}}}, "the key 'input' is unknown (did you mean 'inputs'?)"),
        ({"interface": []}, "'interface' is []; expected an object"),
        ({"interface": {"inputs": []}}, "'inputs' is []; expected an object"),
        ({"nodes": {"1a": {}}}, "'1a' is not a node id; expected letters, digits and _, no digit first"),
        ({"nodes": {"a-b": {}}}, "'a-b' is not a node id; expected letters, digits and _, no digit first"),
        ({"nodes": {"é": {}}}, "'é' is not a node id; expected letters, digits and _, no digit first"),
        ({"nodes": {"a\n": {}}}, "'a\\n' is not a node id; expected letters, digits and _, no digit first"),
        ({"nodes": {"a": 3}}, "a: the node is 3; expected an object with a type"),
        ({"nodes": {"a": {}}}, "a: the node has no type; expected a node type's id"),
        ({"nodes": {"a": {"type": 3}}}, "a: 'type' is 3; expected a text"),
        ({"nodes": {"a": {"type": "t", "x": 1}}}, "a: the key 'x' is unknown"),
        (
            {"nodes": {"a": {"type": "t", "parms": {}}}},
            "a: the key 'parms' is unknown (did you mean 'params'?)",
        ),
        ({"nodes": {"a": {"type": "t", "version": "1"}}}, "a: 'version' is \"1\"; expected a whole number"),
        ({"nodes": {"a": {"type": "t", "version": True}}}, "a: 'version' is true; expected a whole number"),
        (
            {"nodes": {"a": {"type": "t", "mode": "mute"}}},
            "a: mode 'mute' is unknown; expected one of active, muted, bypassed (did you mean 'muted'?)",
        ),
        ({"nodes": {"a": {"type": "t", "mode": []}}}, "a: 'mode' is []; expected a text"),
        ({"nodes": {"a": {"type": "t", "params": []}}}, "a: 'params' is []; expected an object"),
        ({"nodes": {"a": {"type": "t", "inputs": []}}}, "a: 'inputs' is []; expected an object"),
        ({"nodes": {"a": {"type": "t", "ui": 1}}}, "a: 'ui' is 1; expected an object"),
    ],
)
def test_wrong_shapes(change: dict[str, Any], message: str) -> None:
    assert messages(data(**change)) == [message]


@pytest.mark.parametrize("link", ["b", "b.", ".int", "1b.int", "b int", "", 3, None, True, {}, {"from": 3}])
def test_what_is_no_link(link: Any) -> None:
    found = from_json(data(nodes={"a": {"type": "add", "inputs": {"a": link}}})).problems
    assert {(problem.node, problem.port) for problem in found} == {("a", "a")}
    assert any('is not a link; expected "node_id.output_port"' in str(problem) for problem in found)


def test_a_link_object_has_known_keys_only() -> None:
    node = {"type": "add", "inputs": {"a": {"from": "b.int", "form": 1}}}
    assert messages(data(nodes={"a": node})) == ["a.a: the key 'form' is unknown (did you mean 'from'?)"]


@pytest.mark.parametrize(
    ("side", "entry", "message"),
    [
        ("inputs", "a", '"a" does not say where; expected targets: "node_id.name"'),
        ("inputs", {"targets": "a.b"}, "'targets' is \"a.b\"; expected a list"),
        ("inputs", {"targets": []}, '[] does not say where; expected targets: "node_id.name"'),
        ("inputs", {"title": "t"}, 'null does not say where; expected targets: "node_id.name"'),
        ("inputs", {"targets": ["a.b"], "hlep": ""}, "the key 'hlep' is unknown (did you mean 'help'?)"),
        (
            "outputs",
            {"targets": ["a.b", "a.c"]},
            '["a.b", "a.c"] does not say where; expected one target: "node_id.name"',
        ),
        ("outputs", 3, '3 does not say where; expected one target: "node_id.name"'),
    ],
)
def test_wrong_interface_entries(side: str, entry: Any, message: str) -> None:
    found = messages(data(interface={side: {"x": entry}}))
    assert f"interface {side} 'x': {message}" in found


def test_shape_and_meaning_are_reported_together() -> None:
    nodes = {
        "a": {"type": "strat"},
        "b": {"type": "start", "colour": 1, "params": {"value": "x"}},
        "c": {"type": "add", "inputs": {"a": "nowhere"}},
    }
    found = [str(problem) for problem in problems_of(nodes, extra=1)]
    assert found == [
        "the key 'extra' is unknown",
        "b: the key 'colour' is unknown",
        'c.a: "nowhere" is not a link; expected "node_id.output_port"',
        "a: node type 'strat' is unknown (did you mean 'start'?)",
        'b.value: "x" is not a whole number; expected a whole number',
    ]


def test_unknown_keys_under_any_ui_are_fine() -> None:
    assert not problems_of({"a": {"type": "start", "ui": {"what": {"ever": [1]}}}}, ui={"some": "thing"})


# Older versions


def test_files_of_older_versions_are_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(old: dict[str, Any]) -> dict[str, Any]:
        nodes = old.pop("stages")
        return {**old, "nodes": nodes}

    def settle(old: dict[str, Any]) -> dict[str, Any]:
        return {**old, "name": old["name"].upper()}

    monkeypatch.setattr(workflow, "VERSION", 3)
    monkeypatch.setattr(shape, "VERSION", 3)
    monkeypatch.setattr(workflow, "MIGRATIONS", {1: rename, 2: settle})
    old = {"format": "kandinsky-workflow", "version": 1, "name": "n", "stages": {"a": {"type": "start"}}}
    read = from_json(old)
    assert not read.problems
    assert (list(read.nodes), read.name, read.data["version"]) == (["a"], "N", 3)
    assert from_json({"format": "kandinsky-workflow", "version": 3, "name": "n", "nodes": {}}).name == "n"


def test_nodes_of_older_versions_are_migrated() -> None:
    made = plan_of(
        {
            "one": {"type": "old", "params": {"then": 5}},
            "two": {"type": "old", "version": 2, "params": {"now": 5}},
            "new": {"type": "old", "version": 3, "params": {"now": 5}},
        }
    )
    assert {step.params["now"] for step in made.steps.values()} == {5}
    assert len({step.keys["int"] for step in made.steps.values()}) == 1
    assert made.workflow.data["nodes"]["one"] == {"type": "old", "params": {"now": 5}, "version": 3}


def test_a_file_is_not_rewritten_when_it_is_loaded() -> None:
    old = data(nodes={"one": {"type": "old", "params": {"then": 5}}})
    assert json.loads(save(from_json(old), CATALOGUE)) == old


@pytest.mark.parametrize("version", [0, -1, 4, 10**9])
def test_versions_that_nobody_knows(version: int) -> None:
    (problem,) = problems_of({"n": {"type": "old", "version": version}})
    assert str(problem) == (
        f"n: version {version} of node type 'old' is not known here; expected a version from 1 to 3"
    )


def test_a_migration_that_meets_nonsense_is_a_problem_of_the_node() -> None:
    found = [
        str(problem) for problem in problems_of({"n": {"type": "old"}, "m": {"type": "make", "mode": ""}})
    ]
    assert len(found) == 2
    assert found[1] == "n: version 1 of old cannot be brought up to date: KeyError: 'params'"


def test_a_migration_that_leaves_is_a_problem_of_the_node() -> None:
    def leave(_: dict[str, Any]) -> dict[str, Any]:
        raise SystemExit(7)

    @node(title="Leave", group="Toy", version=2, migrations={1: leave})
    def leaves() -> int:
        """Leave."""
        return 1

    data = {"format": "kandinsky-workflow", "version": 1, "nodes": {"n": {"type": "leaves"}}}
    found = up_to_date(from_json(data), Catalogue([leaves.node_type]))  # type: ignore[attr-defined]
    assert [str(problem) for problem in found.problems] == [
        "n: version 1 of leaves cannot be brought up to date: SystemExit: 7"
    ]


def test_setting_a_param_of_an_older_node_sets_the_migrated_one() -> None:
    from graph.workflow.overrides import override

    old = from_json(data(nodes={"one": {"type": "old", "params": {"then": 5}}}))
    from tests.graph.bench import environment

    changed = override(old, CATALOGUE, {"one.now": 7}, environment().files)
    assert changed.data["nodes"]["one"] == {"type": "old", "params": {"now": 7}, "version": 3}
    assert toys.old.node_type.version == 3  # type: ignore[attr-defined]
