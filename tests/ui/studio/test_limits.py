"""Each limit at N and at N + 1: of an owner, of an address, and of everybody together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.ui.serving import toys_and_pictures
from ui.studio import library_index, limits
from ui.studio import runs as runs_limits
from ui.studio.drafts import DraftRefused, Drafts
from ui.studio.library import WHATEVER, Library, LibraryError, Room
from ui.studio.owners import Owner, user, visitor
from ui.studio.runs import QueueFull, Runs

AT_HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def at(address: str, secret: str) -> Owner:
    """A visitor without a login at this address."""
    return replace(visitor(secret), address=address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_what_counts_as_one_address(address: str, expected: str) -> None:
    assert limits.block(address) == expected
    assert at(address, "a").block == expected
    assert replace(user("anna"), address=address).block == "user:anna"


def test_ones_own_oldest_draft_goes_and_nobody_elses() -> None:
    drafts = Drafts(50)
    neighbour, anna = at(AT_HOME, "neighbour"), at(AT_HOME, "anna")
    kept = drafts.add(neighbour, "mine")
    ids = [drafts.add(anna, str(number)) for number in range(limits.DRAFTS_PER_OWNER)]
    assert [drafts.get(anna, id) for id in ids] == [str(number) for number in range(len(ids))]
    newest = drafts.add(anna, "one more")
    assert drafts.get(anna, ids[0]) is None
    assert drafts.get(anna, ids[1]) == "1"
    assert drafts.get(anna, newest) == "one more"
    assert drafts.get(neighbour, kept) == "mine"
    assert drafts.get(anna, kept) is None


def test_drafts_of_an_address_and_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DRAFTS_IN_ALL", 5)
    drafts = Drafts(3)
    for number in range(3):
        drafts.add(at(AT_HOME, str(number)), "text")
    with pytest.raises(DraftRefused, match=r"^3 forms are open from your address already"):
        drafts.add(at(AT_HOME, "one more"), "text")
    drafts.add(replace(user("anna"), address=AT_HOME), "text")  # who logged in does not count for the address
    drafts.add(at(ELSEWHERE, "0"), "text")
    with pytest.raises(DraftRefused, match=r"^5 forms are open on this server already"):
        drafts.add(at(ELSEWHERE, "1"), "text")


def test_the_bytes_of_drafts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MB", 10)
    monkeypatch.setattr(limits, "DRAFT_BYTES_PER_OWNER", 20)
    monkeypatch.setattr(limits, "DRAFT_BYTES_PER_ADDRESS", 30)
    monkeypatch.setattr(limits, "DRAFT_BYTES_IN_ALL", 50)
    drafts = Drafts(50)
    anna = at(AT_HOME, "anna")
    with pytest.raises(DraftRefused, match=r"too large to be opened as a form: the limit is 2 MB"):
        drafts.add(anna, "x" * 21)
    first = drafts.add(anna, "x" * 10)
    second = drafts.add(anna, "x" * 10)
    assert drafts.get(anna, first) is not None
    drafts.add(anna, "x" * 10)
    assert drafts.get(anna, first) is None
    assert drafts.get(anna, second) is not None
    drafts.add(at(AT_HOME, "bert"), "x" * 10)
    with pytest.raises(DraftRefused, match=r"from your address take 3 MB"):
        drafts.add(at(AT_HOME, "carl"), "x")
    drafts.add(at(ELSEWHERE, "dora"), "x" * 20)
    with pytest.raises(DraftRefused, match=r"on this server take 5 MB"):
        drafts.add(user("emil"), "x")


class Idle:
    """A run that is done as soon as it is told to begin."""

    abandoned = None

    def __init__(self) -> None:
        self.listener: Callable[[Any], None] | None = None

    def execute(self) -> None:
        assert self.listener is not None
        self.listener({"event": "done", "time": 0.0, "status": "ok", "seconds": 0.0, "outputs": {}})

    def cancel(self) -> None:
        raise AssertionError("nothing here is cancelled")


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """A queue that takes runs and begins none."""
    monkeypatch.setattr(Runs, "_work", lambda _self: None)
    made = Runs()
    yield made
    made.close()


def test_waiting_runs_of_an_owner_an_address_and_in_all(
    waiting: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_limits, "QUEUED_IN_ALL", 23)
    for number in range(20):
        waiting.start(f"visitor:{number // runs_limits.QUEUED_PER_OWNER}", Idle(), address=AT_HOME, most=20)
    with pytest.raises(QueueFull, match=r"^you have 8 runs waiting already"):
        waiting.start("visitor:0", Idle(), address=AT_HOME, most=20)
    with pytest.raises(QueueFull, match=r"^20 runs from your address are waiting already"):
        waiting.start("visitor:3", Idle(), address=AT_HOME, most=20)
    waiting.start("user:anna", Idle(), address="", most=20)
    for number in range(2):
        waiting.start(f"visitor:there{number}", Idle(), address=ELSEWHERE, most=20)
    with pytest.raises(QueueFull, match=r"^23 runs are waiting already"):
        waiting.start("visitor:late", Idle(), address=ELSEWHERE, most=20)


def workflow(id: str = "one") -> dict[str, Any]:
    nodes = {id: {"type": "toys/number", "params": {"amount": 1}}}
    return {"format": "kandinsky-workflow", "version": 1, "nodes": nodes}


SIZE = 165
"""Bytes, of `workflow()` as it is saved."""


@pytest.mark.parametrize(
    ("room", "refused"),
    [
        (Room(workflows=2), "^there are 2 saved workflows already, which is the limit"),
        (Room(bytes=2 * SIZE), "MB of saved workflows, which is the limit"),
    ],
    ids=["workflows", "bytes"],
)
def test_saved_workflows(room: Room, refused: str, tmp_path: Path) -> None:
    library = Library(tmp_path, toys_and_pictures(), room)
    for name in ("a", "b"):
        library.save(name, workflow(), None)
        assert (tmp_path / f"{name}.json").stat().st_size == SIZE
    with pytest.raises(LibraryError, match=refused):
        library.save("c", workflow(), None)
    library.save("b", workflow("two"), WHATEVER)  # what is there already may change
    library.remove("a")
    library.save("c", workflow(), None)


def test_of_many_saved_workflows_only_what_changed_outside_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(limits.SAVED_IN_ALL):
        (tmp_path / f"{number}.json").write_text(json.dumps(workflow()))
    library = Library(tmp_path, toys_and_pictures())
    assert len(library.saved()) == limits.SAVED_IN_ALL
    (tmp_path / "7.json").unlink()
    (tmp_path / "new.json").write_text(json.dumps(workflow()))
    read: list[str] = []
    read_one = library_index._read
    monkeypatch.setattr(library_index, "_read", lambda file: (read.append(file.name), read_one(file))[1])
    names = {entry.name for entry in library.saved()}
    assert read == ["new.json"]
    assert "new" in names
    assert "7" not in names
