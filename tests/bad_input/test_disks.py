"""Odd names, folders that cannot be written, full disks, damaged caches, and two runs at once."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graph.cache.disk_tier import DiskCache
from tests.bad_input.conftest import Call, load, save, told
from tests.ui.conftest import Called, Json, write_workflow

NODES: Json = {
    "picture": load("picture.png"),
    "small": {
        "type": "resize",
        "inputs": {"image": "picture.image"},
        "params": {"width": 64, "height": 64},
    },
    "save": save("small.image"),
    "keep": {"type": "save_tensors", "inputs": {"value": "small.image"}},
}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../x",
        "/x",
        "a/../../b",
        ".",
        "..",
        "a\0b",
        "a\nb",
        "a\\b",
        "a:b",
        "x" * 201,
        "a/" * 17 + "b",
        "a/" * 5000,
    ],
)
def test_names_that_no_file_gets(run, name) -> None:
    told(run({**NODES, "save": save("small.image", name)}), 1, "save: failed: name", "expected")
    assert [path.name for path in Path("outputs").rglob("*")] == ["tensors.safetensors"]


@pytest.mark.parametrize(
    "name", ["кот", "😀", "a//b", "-rf", ".hidden", "~/x", "a.b.png", "\u202egnp", "x" * 200]
)
def test_names_that_are_merely_odd(run, name) -> None:
    assert run({**NODES, "save": save("small.image", name)}).status == 0
    assert len(list(Path("outputs").rglob("*.png"))) == 1


def test_nothing_is_written_through_a_link(run, here) -> None:
    Path("outputs").mkdir()
    Path("outputs/away").symlink_to(here.parent)
    called = run({**NODES, "save": save("small.image", "away/x")})
    told(called, 1, "save: failed", "leads out of the output folder")
    assert Path("outputs/tensors.safetensors").exists()


def test_a_file_where_a_folder_should_be(run) -> None:
    Path("outputs").mkdir()
    Path("outputs/sub").touch()
    called = run({**NODES, "save": save("small.image", "sub/x")})
    told(called, 1, "save: failed: outputs/sub/x.png cannot be written: outputs/sub is not a folder")
    assert Path("outputs/tensors.safetensors").exists()


def test_an_output_folder_that_cannot_be(run) -> None:
    told(
        run(NODES, "--output", "/proc/nowhere"), 1, "save: failed: /proc/nowhere/image.png cannot be written"
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 KB, where one can be mounted."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_keeps_what_is_whole(kandinsky, small_disk) -> None:
    nodes = {**NODES, "small": {**NODES["small"], "params": {"width": 256, "height": 256}}}
    file = write_workflow(Path("workflow.json"), nodes)
    called = kandinsky("run", file, "--output", small_disk / "o", "--cache", small_disk / "c")
    told(called, 1, "keep: failed", "tensors.safetensors cannot be written: No space left on device")
    told(called, 1, "warning: Results cannot be kept in", "No space left on device")
    assert [path.name for path in (small_disk / "o").iterdir()] == ["image.png"]


def test_a_disk_that_may_only_be_read(kandinsky, small_disk) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    file = write_workflow(Path("workflow.json"), NODES)
    called = kandinsky("run", file, "--output", small_disk / "o", "--cache", small_disk / "c")
    told(called, 1, "save: failed", "image.png cannot be written: Read-only file system")
    told(called, 1, "warning: Results cannot be kept in", "Read-only file system")
    assert kandinsky("cache", "clear", "--cache", small_disk / "c").status == 0


def full(*_: object, **__: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_no_drafts(run, monkeypatch) -> None:
    monkeypatch.setattr(Path, "replace", full)
    called = run(NODES)
    told(called, 1, "save: failed: outputs/image.png cannot be written: No space left on device")
    told(called, 1, "keep: failed: outputs/tensors.safetensors cannot be written")
    assert list(Path("outputs").iterdir()) == []


def test_a_full_cache_is_a_warning(kandinsky, monkeypatch) -> None:
    monkeypatch.setattr("graph.cache.disk_tier._write_whole", full)
    called = kandinsky("run", write_workflow(Path("workflow.json"), NODES), "--cache", "cache")
    told(called, 0, "warning: Results cannot be kept in cache: No space left on device")
    assert called.err.count("warning") == 1


@pytest.fixture
def cached(kandinsky: Call) -> Callable[[], Called]:
    """Runs the workflow with a cache, in which everything is already."""
    file = write_workflow(Path("workflow.json"), NODES)

    def cached() -> Called:
        return kandinsky("run", file, "--cache", "cache")

    assert cached().status == 0
    return cached


def values() -> list[Path]:
    return sorted(Path("cache").rglob("*.safetensors"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def scribble(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)


def pickle(path: Path) -> None:
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch outputs/pwned'\ntR.")


@pytest.mark.parametrize("damage", [cut, scribble, pickle, lambda path: path.write_bytes(b"")])
def test_damaged_values_are_made_anew(cached, damage) -> None:
    for path in values():
        damage(path)
    called = cached()
    told(called, 0, "small: warning: The cached result", "made anew")
    assert "4 nodes ran" in called.out
    again = cached()
    assert again.status == 0 and not again.err
    assert "2 nodes ran, 2 came from the cache" in again.out


def test_values_under_each_others_names_are_made_anew(cached) -> None:
    contents = [path.read_bytes() for path in values()]
    for path, content in zip(values(), reversed(contents), strict=True):
        path.write_bytes(content)
    told(cached(), 0, "small: warning: The cached result", "holds the result of something else")


def test_a_cache_of_folders_and_files_in_the_wrong_places(cached) -> None:
    for path in values():
        path.unlink()
        path.mkdir()
    Path("cache/fingerprints.sqlite").unlink(missing_ok=True)
    Path("cache/fingerprints.sqlite").mkdir()
    told(cached(), 0, "warning: Results cannot be kept in cache")


def test_a_cache_full_of_rubbish(cached) -> None:
    for path in values():
        path.unlink()
        path.parent.rmdir()
        path.parent.touch()
    Path("cache/fingerprints.sqlite").write_text("rubbish" * 1000)
    told(cached(), 0, "warning: Results cannot be kept in cache")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_cache_that_may_not_be_written(kandinsky) -> None:
    Path("cache").mkdir(mode=0o500)
    told(
        kandinsky("run", write_workflow(Path("workflow.json"), NODES), "--cache", "cache"),
        0,
        "cannot be kept",
    )


def test_clearing_tells_what_was_removed(kandinsky, cached, monkeypatch) -> None:
    with monkeypatch.context() as stuck:
        stuck.setattr(Path, "unlink", full)
        assert "removed 0 values" in kandinsky("cache", "clear", "--cache", "cache").out
    assert DiskCache(Path("cache")).clear().entries == 2


def test_two_runs_at_once_share_cache_and_outputs(here) -> None:
    file = write_workflow(Path("workflow.json"), NODES)
    command = [sys.executable, "-m", "ui.command.main", "run", str(file), "--cache", "cache", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    runs = [subprocess.Popen(command, env=environment, text=True, **pipes) for _ in range(2)]
    written = []
    for process in runs:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "warning" not in out
        finished = [event for event in map(json.loads, out.splitlines()) if event["event"] == "finished"]
        written += [event["outputs"]["image"]["file"] for event in finished if event["node"] == "save"]
    assert sorted(written) == ["outputs/image-2.png", "outputs/image.png"]
    assert Path(written[0]).read_bytes()[:8] == Path(written[1]).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(values()) == 2 and not list(Path("cache").rglob("*.tmp"))


LITTLE_MEMORY = """
import ui.memory, ui.command.main
ui.memory._memory = lambda: 1000 << 20
raise SystemExit(ui.command.main.main({arguments}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_a_node_that_asks_for_more_than_there_is_fails_alone(here) -> None:
    """As much as a picture may have, on a machine that has less."""
    nodes = {
        **NODES,
        "large": {
            "type": "resize",
            "inputs": {"image": "picture.image"},
            "params": {"width": 8192, "height": 8192},
        },
        "keep_large": {"type": "save_tensors", "inputs": {"value": "large.image"}},
    }
    file = write_workflow(Path("workflow.json"), nodes)
    code = LITTLE_MEMORY.format(arguments=["run", str(file), "--no-cache"])
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    called = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert called.returncode == 1, called.stderr
    assert "large: failed: there is not enough memory for this" in called.stderr
    assert "Traceback" not in called.stderr
    assert sorted(path.name for path in Path("outputs").iterdir()) == ["image.png", "tensors.safetensors"]
