"""The command line on a toy pack: in this process, and in processes of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import graph.nodetypes.catalogue
import graph.program
from graph.cache.memory_tier import MemoryCache
from graph.cache.results import MEMORY_LIMIT
from graph.nodetypes.catalogue import Catalogue, node_types_of
from tests.ui import toy_pack
from ui.command.main import main

Json = dict[str, Any]


@dataclass(frozen=True)
class Called:
    """What a call of the command line came to."""

    status: int
    out: str
    err: str

    @property
    def events(self) -> list[Json]:
        """Standard output, if every line of it is a JSON object."""
        events = [json.loads(line) for line in self.out.splitlines()]
        assert all(type(event) is dict for event in events)
        return events


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Catalogue:
    """The toy pack is all that is installed, and the current folder is empty."""
    catalogue = Catalogue(node_types_of(toy_pack))
    monkeypatch.setattr(graph.nodetypes.catalogue, "installed", lambda: catalogue)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home-cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return catalogue


@pytest.fixture
def kandinsky(
    toys: Catalogue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Called]:
    """Calls the command line in this process, with a memory as empty as a new process has."""

    def call(*arguments: str | Path) -> Called:
        monkeypatch.setattr(graph.program, "_memory", MemoryCache(MEMORY_LIMIT))
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
        return Called(status, *capsys.readouterr())

    return call


@pytest.fixture
def write(toys: Catalogue) -> Callable[..., Path]:
    """Writes a workflow file of these nodes."""

    def write(nodes: Json, name: str = "workflow.json", **more: Any) -> Path:
        return write_workflow(Path(name), nodes, **more)

    return write


def write_workflow(path: Path, nodes: Json, **more: Any) -> Path:
    """A workflow file of these nodes."""
    data = {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, **more}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def install(folder: Path, pack: str, source: str) -> None:
    """Put a pack into a folder the way pip does: a module, and a dist-info that names it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{pack}.py").write_text(source, encoding="utf-8")
    info = folder / f"{pack}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {pack}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[kandinsky.nodes]\n{pack} = {pack}\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packs, with the toys in it."""
    folder = tmp_path / "site"
    install(folder, "toys", Path(toy_pack.__file__).read_text(encoding="utf-8"))
    return folder


@pytest.fixture
def start(site: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command line in a process of its own, where the toys are installed."""

    def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(site),
            "XDG_CACHE_HOME": str(tmp_path / "home-cache"),
            **options.pop("env", {}),
        }
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [sys.executable, "-m", "ui.command.main", *map(str, arguments)]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, encoding="utf-8", **pipes)

    return start
