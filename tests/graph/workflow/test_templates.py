"""`template:NAME` wherever a workflow file is read."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import graph
from graph.problems import InvalidWorkflow
from graph.workflow import templates
from graph.workflow.file import load


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A pack that ships one template, beside this project's."""
    folder = tmp_path / "flowers"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('a pack is not imported for its templates')")
    (folder / "rose.json").write_text(
        '{"format": "kandinsky-workflow", "version": 1, "name": "Rose", "nodes": {}}'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        EntryPoint("kandinsky", "workflows", templates.GROUP),
        EntryPoint("garden", "flowers", templates.GROUP),
        EntryPoint("gone", "no_such_module_here", templates.GROUP),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **chosen: points * bool(chosen))
    templates.templates.cache_clear()
    yield folder
    templates.templates.cache_clear()


def test_a_pack_may_ship_templates(packs: Path) -> None:
    assert load("template:garden/rose").data["name"] == "Rose"
    assert load("template:garden/rose").folder == packs
    assert load(Path("template:text_to_image")).data["name"] == "Text to image"
    assert list(templates.templates()) == sorted(templates.templates())


def test_an_unknown_template_is_named_with_the_nearest(packs: Path) -> None:
    with pytest.raises(InvalidWorkflow, match=r"no template 'garden/ros'.*did you mean 'garden/rose'"):
        graph.load("template:garden/ros")


def test_a_file_of_that_name_is_no_template(packs: Path, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="rose"):
        load(tmp_path / "template" / "rose.json")
