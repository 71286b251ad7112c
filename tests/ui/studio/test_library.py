"""Saved workflows: nothing is overwritten silently, every version before is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ui.serving import toys_and_pictures
from ui.studio import library as limits
from ui.studio import library_index
from ui.studio.changes import changes
from ui.studio.library import WHATEVER, Conflict, Library, LibraryError, Room

CATALOGUE = toys_and_pictures()


def workflow(amount: int = 1, **more: Any) -> dict[str, Any]:
    nodes = {"one": {"type": "toys/number", "params": {"amount": amount}}}
    return {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, **more}


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "saved", CATALOGUE)


def test_what_is_saved_is_loaded(library: Library) -> None:
    revision = library.save("Ein Würfel", workflow(), None)
    assert [saved.name for saved in library.saved()] == ["Ein Würfel"]
    loaded = library.load("Ein Würfel")
    assert (loaded.workflow, loaded.revision) == (workflow(), revision)
    text = (library.folder / "Ein Würfel.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    library.save("Ein Würfel", loaded.workflow, revision if isinstance(revision, str) else "")
    assert library.versions("Ein Würfel") == []  # nothing changed


def test_floats_keep_their_point(library: Library) -> None:
    nodes = {"say": {"type": "toys/say", "params": {"speed": 2}}}
    library.save("a", {**workflow(), "nodes": nodes}, None)
    assert '"speed": 2.0' in (library.folder / "a.json").read_text()


def test_two_tabs_do_not_overwrite_each_other(library: Library) -> None:
    first = library.save("a", workflow(1), None)
    assert isinstance(first, str)
    second = library.save("a", workflow(2), first)
    for stale in (first, None):
        conflict = library.save("a", workflow(3), stale)
        assert isinstance(conflict, Conflict)
        assert conflict.revision == second
        assert conflict.modified == pytest.approx(library.load("a").modified)
    assert library.load("a").workflow == workflow(2)
    assert isinstance(library.save("a", workflow(3), WHATEVER), str)
    assert library.load("a").workflow == workflow(3)


def test_a_workflow_that_was_removed_can_be_saved_again_and_its_versions_are_kept(library: Library) -> None:
    revision = library.save("a", workflow(1), None)
    assert isinstance(revision, str)
    library.remove("a")
    assert library.saved() == []
    with pytest.raises(LibraryError, match="no saved workflow called 'a'"):
        library.load("a")
    with pytest.raises(LibraryError, match="no saved workflow called 'a'"):
        library.remove("a")
    assert isinstance(library.save("a", workflow(2), revision), str)
    (version,) = library.versions("a")
    assert library.version("a", version.id) == workflow(1)


def test_versions_tell_what_changed_and_the_oldest_go(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "VERSIONS", 3)
    for amount in range(6):
        library.save("a", workflow(amount), WHATEVER)
    versions = library.versions("a")
    assert [library.version("a", version.id) for version in versions] == [workflow(n) for n in (4, 3, 2)]
    assert [version.summary for version in versions] == [
        "one.amount: 4",
        "one.amount: 3",
        "the first that is kept",
    ]
    assert [version.nodes for version in versions] == [1, 1, 1]
    times = [version.time for version in versions]
    assert times == sorted(times, reverse=True)
    with pytest.raises(LibraryError, match="no version"):
        library.version("a", "../../a")


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "../a", "a/b", ".hidden", "a.json", "a\n", "x" * 81, "a\0b"]
)
def test_names_lead_nowhere_else(library: Library, name: str) -> None:
    with pytest.raises(LibraryError, match="cannot be the name"):
        library.save(name, workflow(), None)
    with pytest.raises(LibraryError, match="cannot be the name"):
        library.load(name)


def test_what_is_no_workflow_is_not_saved(library: Library) -> None:
    for data in ({"format": "other"}, [1], None, {**workflow(), "version": 99}):
        with pytest.raises(LibraryError, match="cannot be saved"):
            library.save("a", data, None)  # type: ignore[arg-type]
    assert not library.folder.exists()


def test_unfinished_work_is_saved_as_it_is(library: Library) -> None:
    nodes = {
        "x": {"type": "unknown/node", "params": {"what": [1, {"a": None}]}, "ui": {"position": [0.5, 2]}}
    }
    data = {**workflow(), "nodes": nodes, "ui": {"id": "1", "more": {"kept": True}}}
    library.save("a", data, None)
    assert library.load("a").workflow == data


def test_files_that_are_no_workflows_are_not_listed(library: Library) -> None:
    library.save("a", workflow(), None)
    (library.folder / "broken.json").write_text("{")
    (library.folder / "other.json").write_text('{"format": "else"}')
    (library.folder / "folder.json").mkdir()
    assert [saved.name for saved in library.saved()] == ["a"]
    with pytest.raises(LibraryError, match="cannot be read"):
        library.load("broken")


def test_changes_in_words() -> None:
    def of(**nodes: Any) -> dict[str, Any]:
        return {"nodes": nodes}

    one = {"type": "t", "params": {"a": 1, "b": 2, "c": 3}, "inputs": {"x": "two.y"}}
    assert changes(of(one=one), of(one=one)) == "nothing"
    assert changes(of(one=one), of(one={**one, "ui": {"position": [0, 1]}})) == "looks only"
    assert changes(of(one=one), of(one=one, two=one, three=one)) == "2 nodes added"
    assert changes(of(one=one, two=one), of(two={**one, "mode": "muted"})) == (
        "1 node removed, 1 node muted, bypassed or active again"
    )
    assert changes(of(one=one), of(one={**one, "params": {"a": 1, "b": 5}})) == "one.b: 5, one.c: null"
    assert changes(of(one=one), of(one={**one, "params": {}})) == "3 params changed"
    assert changes(of(one=one), of(one={**one, "inputs": {}})) == "wires of 1 node changed"
    assert changes(of(one=one), {**of(one=one), "interface": {"inputs": {}}}) == "the form changed"


def test_the_sizes_of_all_versions_are_looked_up_once(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be 200,000 files of versions; each save looked at all of them."""
    for number in range(20):
        library.save(f"other {number}", workflow(1), None)
        library.save(f"other {number}", workflow(2), WHATEVER)
    looked: list[Path] = []
    size = limits._size
    monkeypatch.setattr(limits, "_size", lambda path: looked.append(path) or size(path))
    library.save("other 0", workflow(3), WHATEVER)
    assert not [path for path in looked if ".versions" in path.parts]
    small = Library(library.folder, CATALOGUE, Room(100, sum(map(size, library.folder.rglob("*.json")))))
    for amount in range(4, 40):  # its own oldest versions go, and nobody else's
        small.save("other 0", workflow(amount), WHATEVER)
    assert 1 <= len(small.versions("other 0")) < 36
    assert all(len(small.versions(f"other {number}")) == 1 for number in range(1, 20))


def test_a_list_that_takes_too_long_goes_on_where_it_ended(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        library.save(f"flow {number}", workflow(number), None)
    read = library_index._read
    before: list[Path] = []

    class Enough(Exception):
        pass

    def reading(file: Path) -> library_index.Listed | None:
        before.append(file)
        if len(before) == 3:
            raise Enough
        return read(file)

    monkeypatch.setattr(library_index, "_read", reading)
    with pytest.raises(Enough):
        library.saved()
    assert len(library.saved()) == 5
    assert len(before) == 6  # the third was read again
    assert len(Library(library.folder, CATALOGUE).saved()) == 5
    assert len(before) == 6
