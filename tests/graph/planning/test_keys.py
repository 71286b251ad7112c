"""Content keys: the same work has the same key, in every process; other work has another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.context import Environment
from graph.files.allowed import Files
from graph.node import node
from graph.nodetypes.catalogue import Catalogue
from graph.planning import keys
from graph.planning.plan import plan
from graph.types import T
from graph.workflow.file import from_json
from tests.graph import toys
from tests.graph.bench import CATALOGUE, environment, keys_of

NODES: dict[str, Any] = {
    "s": {"type": "start", "params": {"value": 3}},
    "h": {"type": "load"},
    "m": {"type": "make", "inputs": {"handle": "h.toy_handle"}, "params": {"fill": 0.1}},
    "t": {
        "type": "total",
        "inputs": {"toys": ["m.toy_array", "m.toy_array"]},
        "params": {"weights": [1, 2.5]},
    },
    "x": {"type": "split", "inputs": {"toy": "m.toy_array"}},
    "b": {"type": "add", "inputs": {"a": "s.int"}},
    "r": {"type": "text", "params": {"value": "é😀"}},
    "p": {"type": "pick", "inputs": {"value": "r.value"}},
}


def key(nodes: dict[str, Any], id: str = "n") -> str:
    """The key of a node's only output."""
    (found,) = keys_of(nodes)[id].values()
    return found


# The same work


def in_a_new_process(seed: str, folder: Path, code: str = "") -> dict[str, dict[str, str]]:
    program = (
        code
        + "import json, sys\n"
        + "from tests.graph.bench import keys_of\n"
        + "print(json.dumps(keys_of(json.load(sys.stdin))))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(NODES),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    read: dict[str, dict[str, str]] = json.loads(found.stdout)
    return read


def test_keys_are_the_same_in_every_process(tmp_path: Path) -> None:
    here = keys_of(NODES)
    assert in_a_new_process("1", tmp_path) == here
    assert in_a_new_process("2", tmp_path) == here


def test_keys_are_sha256_of_everything_but_constants_and_handles() -> None:
    for id, ports in keys_of(NODES).items():
        for made in ports.values():
            assert (len(made) == 64) == (id not in ("h", "r")), id


def test_ids_ui_names_and_the_order_of_the_file_take_no_part() -> None:
    one = {"s": {"type": "start"}, "n": {"type": "add", "inputs": {"a": "s.int"}, "params": {"amount": 2}}}
    two = {
        "n": {
            "ui": {"position": [1, 2]},
            "params": {"amount": 2},
            "inputs": {"a": {"from": "zzz.int", "ui": {"route": []}}},
            "type": "add",
            "version": 1,
            "mode": "active",
        },
        "zzz": {"type": "start", "params": {"value": 0}},
    }
    assert keys_of(one)["n"] == keys_of(two, name="another", description="x", ui={"a": 1})["n"]


def test_the_order_of_params_takes_no_part() -> None:
    one = {"n": {"type": "make", "params": {"size": 5, "fill": 1.0}}}
    two = {"n": {"type": "make", "params": {"fill": 1, "size": 5}}}
    assert key(one) == key(two)


# Other work


def test_what_is_linked_counts() -> None:
    def changed(value: int) -> dict[str, Any]:
        return {
            "s": {"type": "start", "params": {"value": value}},
            "b": {"type": "add", "inputs": {"a": "s.int"}},
            "n": {"type": "add", "inputs": {"a": "b.int"}},
        }

    assert key(changed(1)) != key(changed(2))


def test_the_order_and_number_of_links_count() -> None:
    arrays = {"m": {"type": "make"}, "k": {"type": "make", "params": {"size": 5}}}

    def total(*links: str) -> str:
        listed = [f"{link}.toy_array" for link in links]
        return key({**arrays, "n": {"type": "total", "inputs": {"toys": listed}}})

    found = {total("m"), total("k"), total("m", "k"), total("k", "m"), total("m", "m"), total("m", "m", "m")}
    assert len(found) == 6


def test_which_port_counts() -> None:
    sums = {"s": {"type": "start"}, "t": {"type": "start", "params": {"value": 1}}}
    one = {**sums, "n": {"type": "add", "inputs": {"a": "s.int", "b": "t.int"}}}
    two = {**sums, "n": {"type": "add", "inputs": {"a": "t.int", "b": "s.int"}}}
    assert key(one) != key(two)
    linked = {**sums, "n": {"type": "add", "inputs": {"a": "s.int", "amount": "t.int"}}}
    assert key(linked) not in (key(one), key(two))
    outputs = keys_of({"m": {"type": "make"}, "x": {"type": "split", "inputs": {"toy": "m.toy_array"}}})["x"]
    assert len(set(outputs.values())) == 2


class Anything(toys.NamedTuple):
    value: T


@node(title="Any literal", group="Toy")
def box(value: T) -> Anything:
    return Anything(value)


@node(title="Switch", group="Toy", folds=True)
def switch(*, value: bool = False) -> bool:
    return value


def test_one_is_four_values_where_a_port_takes_any_of_them() -> None:
    catalogue = Catalogue([*CATALOGUE.values(), box.node_type, switch.node_type])  # type: ignore[attr-defined]
    found = set()
    for type_id, value in (("integer", 1), ("number", 1.0), ("text", "1"), ("switch", True)):
        port = "bool" if type_id == "switch" else "value"
        nodes = {
            "c": {"type": type_id, "params": {"value": value}},
            "n": {"type": "box", "inputs": {"value": f"c.{port}"}},
        }
        made = plan(from_json(toys.workflow(nodes)), catalogue, environment())
        found.add(made.steps["n"].keys["value"])
    assert len(found) == 4


def test_literals_are_brought_to_their_type_before_they_count() -> None:
    assert key({"n": {"type": "make", "params": {"fill": 1}}}) == key(
        {"n": {"type": "make", "params": {"fill": 1.0}}}
    )


def test_the_version_and_the_id_of_a_node_type_count() -> None:
    declared = toys.start.node_type  # type: ignore[attr-defined]

    def made(**changes: Any) -> str:
        changed = replace(declared, **changes)
        nodes = {"n": {"type": changed.id, "version": changed.version}}
        found = plan(from_json(toys.workflow(nodes)), Catalogue([changed]), environment())
        return found.steps["n"].keys["int"]

    assert len({made(), made(version=2), made(id="pack/start")}) == 3
    assert made() == made(title="Another", group="Another", help="Another")


def test_the_code_counts(tmp_path: Path) -> None:
    """The same node type, its module's source changed: another key. A comment in another module: the same."""

    def made(body: str, beside: str = "") -> str:
        pack = tmp_path / f"version{len(list(tmp_path.iterdir()))}"
        pack.mkdir()
        (pack / "beside_pack.py").write_text(beside)
        (pack / "some_pack.py").write_text(
            "from graph.node import node\n\n\n"
            f"@node(title='N', group='G')\ndef n(*, v: int = 1) -> int:\n    return {body}\n"
        )
        program = (
            "import sys\n"
            f"sys.path.insert(0, {str(pack)!r})\n"
            "import some_pack\n"
            "from graph.nodetypes.catalogue import Catalogue\n"
            "from graph.planning.plan import plan\n"
            "from graph.workflow.file import from_json\n"
            "from tests.graph.bench import environment\n"
            "data = {'format': 'kandinsky-workflow', 'version': 1, 'nodes': {'a': {'type': 'n'}}}\n"
            "made = plan(from_json(data), Catalogue([some_pack.n.node_type]), environment())\n"
            "print(made.steps['a'].keys['int'])\n"
        )
        root = str(Path(__file__).parents[3])
        env = {**os.environ, "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
        found = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path, env=env
        )
        return found.stdout

    assert made("v") == made("v", beside="# not imported by it")
    assert made("v") != made("v + 1")


# What reaches from outside


def test_files_count_by_their_content(tmp_path: Path) -> None:
    def made(path: str) -> str:
        workflow = from_json(toys.workflow({"n": {"type": "read", "params": {"path": path}}}), tmp_path)
        found = plan(workflow, CATALOGUE, Environment(Files(tmp_path, cwd=tmp_path)))
        return found.steps["n"].keys["string"]

    (tmp_path / "sub").mkdir()
    for name, content in (("a", "one"), ("b", "one"), ("sub/a", "two")):
        (tmp_path / name).write_text(content)
    assert made("a") == made("b") == made(str(tmp_path / "a")) == made("./sub/../a")
    assert made("a") != made("sub/a")
    before = made("a")
    (tmp_path / "a").write_text("two")
    assert made("a") == made("sub/a") != before


def test_handles_count_by_their_key_alone() -> None:
    @node(title="Load", group="Toy", folds=True)
    def load(*, name: str = "n", device: str = "cpu") -> toys.ToyHandle:
        return toys.ToyHandle(name, device)

    catalogue = Catalogue([load.node_type, toys.make.node_type])  # type: ignore[attr-defined]

    def made(**params: str) -> str:
        nodes = {
            "h": {"type": "load", "params": params},
            "m": {"type": "make", "inputs": {"handle": "h.toy_handle"}},
        }
        return plan(from_json(toys.workflow(nodes)), catalogue, environment()).steps["m"].keys["toy_array"]

    assert made() == made(device="cuda") != made(name="other")


# A port at a time


def split(**params: Any) -> dict[str, str]:
    nodes = {
        "m": {"type": "make"},
        "k": {"type": "make", "params": {"size": params.pop("size", 5)}},
        "x": {"type": "split", "inputs": {"toy": "m.toy_array", "other": "k.toy_array"}, "params": params},
    }
    return keys_of(nodes)["x"]


def test_an_output_depends_on_what_it_uses() -> None:
    plain, cut, sized = split(), split(at=3), split(size=6)
    assert plain["low"] != cut["low"]
    assert plain["high"] == cut["high"]
    assert plain["low"] == sized["low"]
    assert plain["high"] != sized["high"]


# The digest itself


@given(st.lists(st.text()), st.lists(st.text()))
def test_lists_of_texts_have_one_digest_each(one: list[str], two: list[str]) -> None:
    assert (keys.digest(one) == keys.digest(two)) == (one == two)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values |= st.lists(values)


@given(values, values)
def test_literals_differ_where_values_or_types_do(one: Any, two: Any) -> None:
    assert (keys.literal(one) == keys.literal(two)) == (repr(one) == repr(two))


def test_what_has_no_key_is_refused() -> None:
    with pytest.raises(TypeError, match="a dict cannot be part of a key"):
        keys.literal({})
