"""Looking at a workflow takes as long as was agreed, however its writer made it."""

from __future__ import annotations

import hashlib
import random
import string
import time
from pathlib import Path

import pytest

from graph.context import Environment, Unavailable
from graph.files.allowed import Files, Missing, Privacy
from graph.patience import interruptible, patiently
from graph.planning.plan import check, plan
from graph.problems import names_looked_up, nearest
from graph.workflow.file import Workflow, from_json, save
from nodes.checkpoints.locate import locate_file
from tests.graph.bench import CATALOGUE


def test_a_thousand_misspelt_names_are_not_all_searched_for(tmp_path: Path) -> None:
    """5,000 wires to names that nearly exist among 5,000: 21 s before there was a limit."""
    dice = random.Random(1)
    names = ["".join(dice.choices(string.ascii_lowercase[:4], k=60)) for _ in range(2000)]
    nodes = {name: {"type": "start"} for name in names}
    wires = {f"n{i}": {"a": f"{name[:-1]}z.int"} for i, name in enumerate(names)}
    nodes |= {id: {"type": "half", "inputs": wire} for id, wire in wires.items()}
    workflow = from_json({"format": "kandinsky-workflow", "version": 1, "nodes": nodes}, tmp_path)
    start = time.process_time()
    problems = check(workflow, CATALOGUE, Environment(Files(tmp_path)))
    assert time.process_time() - start < 5
    assert len(problems) > 500
    assert problems[0].nearest is not None or problems[1].nearest is not None
    assert problems[-2].nearest is None


def test_the_time_for_names_is_shared_and_ends_with_the_workflow() -> None:
    with names_looked_up(0.0):
        assert nearest("promt", ["prompt"]) is None
        with names_looked_up():
            assert nearest("promt", ["prompt"]) is None
    assert nearest("promt", ["prompt"]) == "prompt"
    assert nearest("promt", ["x", "prompts", "prompt", "print"]) == "prompt"
    assert nearest("promt", ["seed", "width"]) is None


def test_one_comparison_of_many_names_is_bounded_too() -> None:
    dice = random.Random(2)
    known = ["".join(dice.choices("abcd", k=100)) for _ in range(5000)]
    start = time.process_time()
    nearest("".join(dice.choices("abcd", k=100)), known)
    assert time.process_time() - start < 3


def test_planning_asks_every_thousand_nodes_whether_to_go_on(tmp_path: Path) -> None:
    nodes = {f"n{i}": {"type": "start"} for i in range(5000)}
    data = {"format": "kandinsky-workflow", "version": 1, "nodes": nodes}
    asked = 0

    def ask() -> None:
        nonlocal asked
        asked += 1

    with interruptible(ask):
        plan(from_json(data, tmp_path), CATALOGUE, Environment(Files(tmp_path)))
    assert asked >= 25  # five thousand nodes, read, migrated, bound, settled and decided on

    class Enough(Exception):
        pass

    def stop() -> None:
        raise Enough

    with pytest.raises(Enough), interruptible(stop):
        from_json(data, tmp_path)
    with pytest.raises(Enough), interruptible(stop), interruptible(ask):  # both count
        from_json(data, tmp_path)
    entries = {"inputs": {f"i{i}": f"n{i}.a" for i in range(5000)}}
    asked = 0
    with interruptible(ask):
        from_json({**data, "nodes": {}, "interface": entries}, tmp_path)
    assert asked >= 5
    with pytest.raises(Enough), interruptible(stop):
        save(Workflow(data, {}, {}, {}))
    assert list(patiently(range(3))) == [0, 1, 2]


def test_an_unknown_checkpoint_is_not_compared_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of thousands of nodes may name one, and the models folder may hold thousands."""
    dice = random.Random(3)
    models = tmp_path / "models"
    for _ in range(2000):
        (models / "".join(dice.choices("abcd", k=60))).mkdir(parents=True)
    monkeypatch.setenv("KANDINSKY_MODELS", str(models))
    environment = Environment(Files(tmp_path), hub=False)
    start = time.process_time()
    with names_looked_up():
        for _ in range(20):
            with pytest.raises(Unavailable, match="is not in the models folder"):
                locate_file("".join(dice.choices("abcd", k=60)), "", environment, ["a"])
    assert time.process_time() - start < 3


@pytest.mark.parametrize("private", [False, True])
def test_the_folder_of_pictures_is_listed_once(
    tmp_path: Path, private: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graph.files import allowed as module

    inputs = tmp_path / "inputs"
    inputs.mkdir()
    contents = [str(number).encode() for number in range(200)]
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    for content, sha256 in zip(contents, hashes, strict=True):
        (inputs / f"{sha256}.png").write_bytes(content)
    late = b"late"
    owned = {*hashes, hashlib.sha256(late).hexdigest()}
    named = hashlib.sha256(b"named").hexdigest()
    (inputs / f"{named} of mine.png").write_bytes(b"named")  # as somebody may have called it
    owned.add(named)
    listed: list[Path] = []
    names = module._names
    monkeypatch.setattr(module, "_names", lambda folder: listed.append(folder) or names(folder))
    privacy = Privacy([inputs], owned.__contains__) if private else None
    files = Files(tmp_path, cwd=tmp_path, privacy=privacy)
    for sha256 in hashes:
        assert files.file(f"sha256:{sha256}").sha256 == sha256
    assert files.file(f"sha256:{named}").name == f"{named} of mine.png"
    assert listed == [inputs]
    (inputs / f"{hashlib.sha256(late).hexdigest()}.png").write_bytes(late)
    assert files.file(f"sha256:{hashlib.sha256(late).hexdigest()}").path is not None


def test_the_users_own_files_are_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow of many pictures that are not here: each of them looked through `inputs/` anew."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for number in range(50):
        (inputs / f"mine {number}.png").write_bytes(str(number).encode())
    files = Files(tmp_path, cwd=tmp_path)
    read: list[Path] = []
    sha256 = files.index.sha256
    monkeypatch.setattr(files.index, "sha256", lambda path: read.append(path) or sha256(path))
    for number in range(50):
        with pytest.raises(Missing):
            files.file(f"sha256:{number:064x}")
    assert len(read) == 50
    wanted = hashlib.sha256(b"7").hexdigest()
    assert files.file(f"sha256:{wanted}").name == "mine 7.png"
    later = hashlib.sha256(b"later").hexdigest()
    (inputs / "later.png").write_bytes(b"later")
    assert files.file(f"sha256:{later}").name == "later.png"
