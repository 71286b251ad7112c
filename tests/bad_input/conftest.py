"""The command line as a hostile or clumsy user calls it, with every node type, in an empty folder."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import graph.program
from graph.cache.memory_tier import MemoryCache
from graph.cache.results import MEMORY_LIMIT
from tests.nodes.conftest import decoder_folder, prior_folder
from tests.ui.conftest import Called, Json, write_workflow
from ui.command import execute
from ui.command.main import main

__all__ = ["decoder_folder", "prior_folder"]  # fixtures

LONGEST_LINE = 1100
WRITABLE = ("outputs", "cache", "home-cache")

Call = Callable[..., Called]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; it holds one picture."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home-cache"))
    monkeypatch.setenv("KANDINSKY_MODELS", str(tmp_path / "models"))
    pixels = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)
    Image.fromarray(pixels).save(folder / "picture.png")
    return folder


@pytest.fixture
def kandinsky(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls the command line in this process, with a memory as empty as a new process has.

    Whatever it was given: no traceback, nothing endless, nothing written where nothing may be.
    """
    monkeypatch.setattr(execute, "limit_memory", lambda: None)  # it would last longer than the test

    def call(*arguments: str | Path) -> Called:
        monkeypatch.setattr(graph.program, "_memory", MemoryCache(MEMORY_LIMIT))
        before = set(_files(here.parent))
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
        called = Called(status, *capsys.readouterr())
        assert "Traceback" not in called.err + called.out
        assert max(map(len, [*called.err.splitlines(), ""])) < LONGEST_LINE
        new = [path.relative_to(here.parent) for path in set(_files(here.parent)) - before]
        assert all(set(WRITABLE) & set(path.parts[:2]) for path in new), new
        return called

    return call


@pytest.fixture
def run(kandinsky: Call) -> Call:
    """Runs a workflow of these nodes, without a cache."""

    def run(nodes: Json, *options: str | Path, **more: Any) -> Called:
        return kandinsky("run", write_workflow(Path("workflow.json"), nodes, **more), "--no-cache", *options)

    return run


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.name != "workflow.json")


def load(path: str) -> Json:
    """A node that loads a picture."""
    return {"type": "load_image", "params": {"path": path}}


def save(link: str, name: str = "image") -> Json:
    """A node that saves a picture."""
    return {"type": "save_image", "inputs": {"image": link}, "params": {"name": name}}


def told(called: Called, status: int, *parts: str) -> str:
    """Assert the exit status, and that one line of stderr has all these parts; returns the line."""
    assert called.status == status, called.err
    lines = [line for line in called.err.splitlines() if all(part in line for part in parts)]
    assert lines, f"no line with {parts} in:\n{called.err}"
    return lines[0]
