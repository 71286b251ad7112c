"""Where a run writes: one folder, whole files, nothing overwritten."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.context import OutputFolder


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_one_file_and_taken_names(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "outputs")
    for name in ("image.png", "image-2.png", "image-3.png"):
        (path,) = folder.write("image", "png", [name.encode()])
        assert path == tmp_path / "outputs" / name
        assert path.read_bytes() == name.encode()
    assert names(folder.write("image", "jpeg", [b""])) == ["image.jpeg"]
    assert names(folder.written) == ["image.png", "image-2.png", "image-3.png", "image.jpeg"]


def test_a_batch_is_numbered(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    assert names(folder.write("image", "png", [b"a", b"b", b"c"])) == [
        "image-1.png",
        "image-2.png",
        "image-3.png",
    ]
    assert [path.read_bytes() for path in folder.written] == [b"a", b"b", b"c"]
    assert names(folder.write("image", "png", [b"d", b"e"])) == ["image-4.png", "image-5.png"]
    assert names(folder.write("image", "png", [b"f"])) == ["image.png"]
    assert names(folder.write("image", "png", [b"g"])) == ["image-6.png"]


def test_subfolders(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "outputs")
    assert folder.write("a/b c/é😀", "png", [b""]) == [tmp_path / "outputs" / "a" / "b c" / "é😀.png"]
    assert folder.write("./a//x", "png", [b""]) == [tmp_path / "outputs" / "a" / "x.png"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "/",
        "//",
        "..",
        "../x",
        "a/../x",
        "a/..",
        "/tmp/x",
        "a\\b",
        "C:x",
        "a\0b",
        "a\nb",
        "a?",
        "x" * 201,
    ],
)
def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        OutputFolder(tmp_path / "outputs").write(name, "png", [b""])
    assert list(tmp_path.iterdir()) == []


@given(name=st.text(max_size=30) | st.text("./\\a", max_size=12))
def test_whatever_the_name_nothing_is_written_elsewhere(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    base = tmp_path_factory.mktemp("base")
    try:
        written = OutputFolder(base / "outputs").write(name, "png", [b"x"])
    except ValueError:
        written = []
    assert [path.resolve() for path in base.rglob("*") if path.is_file()] == [
        path.resolve() for path in written
    ]
    assert all((base / "outputs").resolve() in path.resolve().parents for path in written)


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    outside, outputs = tmp_path / "outside", tmp_path / "outputs"
    outside.mkdir()
    outputs.mkdir()
    (outputs / "link").symlink_to(outside)
    (outputs / "up").symlink_to("..")
    (outputs / "file.png").symlink_to(outside / "target")
    folder = OutputFolder(outputs)
    for name in ("link/x", "link/deep/er/x", "up/x"):
        with pytest.raises(ValueError, match="leads out of the output folder through a link"):
            folder.write(name, "png", [b""])
    assert names(folder.write("file", "png", [b"new"])) == ["file-2.png"]
    assert list(outside.iterdir()) == []


def test_the_output_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "outputs").symlink_to(tmp_path / "real")
    OutputFolder(tmp_path / "outputs").write("a/x", "png", [b"1"])
    assert (tmp_path / "real" / "a" / "x.png").read_bytes() == b"1"


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0
    replace = Path.replace

    def replace_some(self: Path, target: Path) -> Path:
        nonlocal written
        written += 1
        if written == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_some)
    folder = OutputFolder(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        folder.write("image", "png", [b"first", b"second", b"third"])
    assert names(list(tmp_path.iterdir())) == ["image-1.png"]
    assert names(folder.written) == ["image-1.png"]
    assert folder.written[0].read_bytes() == b"first"


def test_many_writers_of_one_name(tmp_path: Path) -> None:
    def write(number: int) -> list[Path]:
        return OutputFolder(tmp_path).write("image", "png", [b"%d" % number] * 3)

    with ThreadPoolExecutor(8) as pool:
        paths = [path for found in pool.map(write, range(20)) for path in found]
    assert len(set(paths)) == 60
    assert sorted(path.read_bytes() for path in paths) == sorted(
        b"%d" % n for n in range(20) for _ in range(3)
    )
