"""Both tiers give back what was put in, stay below their limits, and survive everything a disk can do."""

import errno
import multiprocessing
import os
import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.cache.disk_tier import DiskCache
from graph.cache.layout import LAYOUT, PRIVATE
from graph.cache.memory_tier import MemoryCache
from graph.cache.older import remove_older
from graph.cache.results import Results


@dataclass(frozen=True)
class Picture:
    image: np.ndarray
    width: int


CLASSES: dict[str, Any] = {"image": Picture, "int": int, "string": str}


def key(name: object) -> str:
    return sha256(str(name).encode()).hexdigest()


def picture(size: int = 100, fill: float = 0.5) -> Picture:
    return Picture(np.full((size, 10), fill, np.float32), size)


# Memory


def test_memory_gives_back_what_was_put_in_and_freezes_it() -> None:
    cache = MemoryCache(10_000)
    value = picture()
    cache.put(key(1), value, 4000)
    assert cache.has(key(1))
    assert np.array_equal(cache.get(key(1)).image, value.image)  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="read-only"):
        cache.get(key(1)).image[0] = 1  # type: ignore[union-attr]
    assert cache.get(key(2)) is None


def test_memory_lets_go_of_the_least_recently_used() -> None:
    cache = MemoryCache(300)
    for name in "abc":
        cache.put(name, name, 100)
    cache.get("a")
    cache.put("d", "d", 100)
    assert [name for name in "abcd" if cache.has(name)] == ["a", "c", "d"]
    assert cache.bytes == 300


def test_memory_counts_a_value_put_again_once_and_leaves_out_what_is_too_large() -> None:
    cache = MemoryCache(300)
    cache.put("a", 1, 100)
    cache.put("a", 2, 200)
    assert (cache.bytes, len(cache), cache.get("a")) == (200, 1, 2)
    cache.put("b", 3, 301)
    assert not cache.has("b")
    assert cache.has("a")
    cache.clear()
    assert (cache.bytes, len(cache)) == (0, 0)


def test_memory_is_safe_among_threads() -> None:
    cache = MemoryCache(1000)

    def work(seed: int) -> None:
        numbers = np.random.default_rng(seed)
        for _ in range(500):
            name = str(numbers.integers(40))
            cache.put(name, name, 50)
            assert cache.get(str(numbers.integers(40))) in {None, *map(str, range(40))}

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.bytes == 50 * len(cache) <= 1000


# Disk


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def disk(tmp_path: Path, warnings: list[str]) -> DiskCache:
    return DiskCache(tmp_path / "cache", CLASSES, warn=warnings.append)


def test_disk_gives_back_what_was_written(disk: DiskCache, warnings: list[str]) -> None:
    assert not disk.has(key(1))
    assert disk.read(key(1)) is None
    assert disk.describe(key(1)) is None
    assert disk.write(key(1), picture(), "image", {"node": "prior", "seconds": 1.5})
    assert disk.has(key(1))
    again = DiskCache(disk.folder, CLASSES, warn=warnings.append)
    value = again.read(key(1))
    assert isinstance(value, Picture)
    assert value.width == 100
    assert np.array_equal(value.image, picture().image)
    described = again.describe(key(1))
    assert described is not None
    assert described["type"] == "image"
    assert described["shapes"] == {"image": [100, 10]}
    assert described["provenance"]["node"] == "prior"
    assert described["provenance"]["created"]
    assert warnings == []


def test_disk_keeps_scalars(disk: DiskCache) -> None:
    disk.write(key(1), 3, "int")
    disk.write(key(2), "three", "string")
    assert disk.read(key(1)) == 3
    assert disk.describe(key(2))["value"] == "three"  # type: ignore[index]


def test_what_cannot_be_stored_is_left_out_quietly(disk: DiskCache, warnings: list[str]) -> None:
    assert not disk.write(key(1), object(), "handle")
    assert not DiskCache(disk.folder, limit_bytes=100).write(key(1), picture(), "image")
    assert not disk.has(key(1))
    assert warnings == []


@pytest.mark.parametrize("bad", ["", "../../etc/passwd", "A" * 64, "g" * 64, "a" * 63, "a" * 64 + "\n"])
def test_keys_are_checked_before_they_are_names(disk: DiskCache, bad: str) -> None:
    for call in (disk.has, disk.read, disk.describe):
        with pytest.raises(ValueError, match="64 hexadecimal"):
            call(bad)


def file_of(disk: DiskCache, name: str) -> Path:
    return disk.folder / f"results-{LAYOUT}" / name[:2] / f"{name}.safetensors"


def damage(data: bytes, how: str) -> bytes:
    header = int.from_bytes(data[:8], "little")
    return {
        "empty": b"",
        "cut in the header": data[: 8 + header // 2],
        "cut in the data": data[:-7],
        "longer": data + b"x",
        "a changed value": data[:-1] + bytes([data[-1] ^ 1]),
        "a changed header": data.replace(b"100", b"101", 1),
        "foreign": b"\x89PNG\r\n\x1a\n" + bytes(3000),
        "pickle": b"\x80\x04cos\nsystem\n" + bytes(100),
        "a huge header": (1 << 62).to_bytes(8, "little") + data[8:],
        "an impossible header": (1 << 20).to_bytes(8, "little") + data[8:],
        "not JSON": data[:8] + b"{" * header + data[8 + header :],
        "another safetensors": (2).to_bytes(8, "little") + b"{}",
    }[how]


@pytest.mark.parametrize(
    "how",
    [
        *("empty", "cut in the header", "cut in the data", "longer", "a changed value", "a changed header"),
        *("foreign", "pickle", "a huge header", "an impossible header", "not JSON", "another safetensors"),
    ],
)
def test_a_damaged_file_is_a_miss_with_a_warning(disk: DiskCache, warnings: list[str], how: str) -> None:
    disk.write(key(1), picture(), "image")
    path = file_of(disk, key(1))
    path.write_bytes(damage(path.read_bytes(), how))
    disk.describe(key(1))  # must not crash either
    if path.exists():
        assert disk.read(key(1)) is None
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    assert not disk.has(key(1))
    assert disk.write(key(1), picture(), "image")
    assert isinstance(disk.read(key(1)), Picture)


def test_the_result_of_something_else_is_a_miss(disk: DiskCache, warnings: list[str]) -> None:
    disk.write(key(1), 3, "int")
    path = file_of(disk, key(2))
    path.parent.mkdir(exist_ok=True)
    file_of(disk, key(1)).rename(path)
    assert disk.read(key(2)) is None
    assert "something else" in warnings[0]


def test_a_type_that_is_not_known_here_or_changed_its_fields_is_a_miss(
    disk: DiskCache, warnings: list[str]
) -> None:
    @dataclass(frozen=True)
    class Changed:
        picture: np.ndarray

    for classes in ({}, {"image": Changed}, {"image": int}):
        disk.write(key(1), picture(), "image")
        disk.classes = classes
        assert disk.read(key(1)) is None
        assert not disk.has(key(1))
    assert len(warnings) == 3


def test_a_folder_in_place_of_a_file_is_a_miss(disk: DiskCache, warnings: list[str]) -> None:
    file_of(disk, key(1)).mkdir(parents=True)
    assert disk.read(key(1)) is None
    assert len(warnings) == 1


def test_disk_lets_go_of_the_least_recently_used(tmp_path: Path) -> None:
    size = file_size(tmp_path)
    disk = DiskCache(tmp_path / "cache", CLASSES, limit_bytes=10 * size)
    for i in range(10):
        disk.write(key(i), picture(), "image")
        age = 1000 - 10 * i
        os.utime(file_of(disk, key(i)), (time.time() - age,) * 2)
    disk.read(key(0))  # counts as used
    disk.write(key(10), picture(), "image")
    kept = {i for i in range(11) if disk.has(key(i))}
    assert disk.info().bytes <= 10 * size
    assert {0, 10, 9} <= kept
    assert not {1, 2} & kept


def file_size(tmp_path: Path) -> int:
    probe = DiskCache(tmp_path / "probe", CLASSES)
    probe.write(key(1), picture(), "image")
    return probe.info().bytes


def test_disk_counts_what_others_wrote(tmp_path: Path) -> None:
    size = file_size(tmp_path)
    first = DiskCache(tmp_path / "cache", CLASSES, limit_bytes=20 * size)
    second = DiskCache(tmp_path / "cache", CLASSES, limit_bytes=20 * size)
    for i in range(60):
        (first if i % 2 else second).write(key(i), picture(), "image")
    assert first.info().bytes <= 23 * size


def test_info_and_clear_touch_only_what_is_the_cache_s(disk: DiskCache) -> None:
    disk.write(key(1), picture(), "image")
    disk.write(key(2), 3, "int")
    own = disk.folder / "notes.txt"
    own.write_text("mine")
    other = disk.folder / f"results-{LAYOUT}" / key(1)[:2] / "model.safetensors"
    other.write_text("mine")
    assert disk.info().entries == 2
    assert disk.clear().entries == 2
    assert disk.info().entries == 0
    assert own.exists()
    assert other.exists()
    assert DiskCache(disk.folder / "nowhere").info().entries == 0


def test_what_was_left_half_written_is_removed_after_an_hour(disk: DiskCache) -> None:
    disk.write(key(1), 3, "int")
    folder = file_of(disk, key(1)).parent
    old, new = folder / f"{key(1)}.1-abcd.tmp", folder / f"{key(1)}.2-abcd.tmp"
    old.write_text("x")
    new.write_text("x")
    os.utime(old, (time.time() - 7200,) * 2)
    disk.info()
    assert not old.exists()
    assert new.exists()


def test_a_full_disk_is_one_warning(
    disk: DiskCache, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        assert not disk.write(key(1), picture(), "image")
        assert not disk.write(key(2), picture(), "image")
    assert len(warnings) == 1
    assert "No space left" in warnings[0]
    assert not [path for path in disk.folder.rglob("*") if path.is_file()]
    assert disk.write(key(1), picture(), "image")


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path: Path, warnings: list[str]) -> None:
    (tmp_path / "file").write_text("x")
    disk = DiskCache(tmp_path / "file" / "cache", CLASSES, warn=warnings.append)
    assert not disk.write(key(1), 3, "int")
    assert disk.read(key(1)) is None
    assert not disk.has(key(1))
    assert disk.info().entries == 0


def test_an_interrupted_write_leaves_nothing(disk: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, _: bytes) -> int:
        path.touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            disk.write(key(1), picture(), "image")
    assert not [path for path in disk.folder.rglob("*") if path.is_file()]


def _share(folder: str, seed: int, limit: int, failures: Any) -> None:
    warned: list[str] = []
    disk = DiskCache(Path(folder), CLASSES, limit_bytes=limit, warn=warned.append)
    numbers = np.random.default_rng(seed)
    for _ in range(150):
        name = int(numbers.integers(12))
        disk.write(key(name), picture(50, name), "image")
        other = int(numbers.integers(12))
        value = disk.read(key(other))
        if value is not None and not (value.image == other).all():
            warned.append(f"{other} has another's value")
        disk.describe(key(other))
        if numbers.random() < 0.02:
            disk.clear()
    failures.put(warned)


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn" if os.name == "nt" else "fork")
    failures = spawn.Queue()
    processes = [
        spawn.Process(target=_share, args=(str(tmp_path), seed, 20_000, failures)) for seed in range(2)
    ]
    for process in processes:
        process.start()
    assert [failures.get(timeout=60) for _ in processes] == [[], []]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


# What else is stored


def test_the_header_says_when_it_was_made_and_with_what(disk: DiskCache) -> None:
    disk.write(key(1), 1, "int", {"node": "add", "warnings": ["it is late"]})
    described = disk.describe(key(1))
    assert described is not None
    provenance = described["provenance"]
    assert provenance["created"].startswith("20") and provenance["created"].endswith("+00:00")
    assert provenance["torch"].startswith("2.") and provenance["transformers"].startswith("5.")
    assert provenance["node"] == "add"
    assert disk.warnings(key(1)) == ("it is late",)
    assert disk.warnings(key(2)) == ()


def test_warnings_are_kept_in_both_tiers(disk: DiskCache) -> None:
    first = Results(MemoryCache(1000), disk)
    first.put(key(1), 1, "int", {"warnings": ["it is late"]})
    assert first.warnings(key(1)) == ("it is late",)
    second = Results(MemoryCache(1000), disk)
    assert second.warnings(key(1)) == ("it is late",)
    assert second.get(key(1)) == 1
    assert second.memory.warnings(key(1)) == ("it is late",)


def test_what_is_good_in_this_process_only_stays_in_memory(disk: DiskCache) -> None:
    results, private = Results(MemoryCache(1000), disk), f"{PRIVATE}{key(1)}"
    assert not results.has(private) and results.get(private) is None
    results.put(private, 1, "int", {"warnings": ["it is late"]})
    assert results.has(private) and results.get(private) == 1
    assert results.summary(private, "int") == {"type": "int", "value": 1}
    assert results.warnings(private) == ("it is late",)
    assert disk.info().entries == 0
    results.memory.clear()
    assert results.summary(private, "int") == {} and results.warnings(private) == ()


# Older layouts


def test_results_of_older_layouts_are_removed_and_nothing_else(tmp_path: Path) -> None:
    name = f"{key(1)}.safetensors"
    older = [tmp_path / key(1)[:2] / name, tmp_path / "results-2" / key(1)[:2] / name]
    older.append(older[0].with_name(f"{key(1)}.1-abcd.tmp"))
    others = [
        tmp_path / f"results-{LAYOUT}" / key(1)[:2] / name,
        tmp_path / f"results-{LAYOUT + 1}" / key(1)[:2] / name,
        tmp_path / "results-2" / "notes.txt",
        tmp_path / key(1)[:2] / "notes.txt",
        tmp_path / "photos" / name,
        tmp_path / "fingerprints.sqlite",
    ]
    for path in (*older, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(500_000))
    said: list[str] = []
    thread = remove_older(tmp_path, said.append)
    assert thread is not None
    thread.join()
    assert said == [f"Freed 1.5 MB in {tmp_path}: results of an older version, which have no use any more."]
    assert not any(path.exists() for path in older)
    assert all(path.exists() for path in others)


def test_there_is_nothing_to_remove_in_a_new_folder(tmp_path: Path) -> None:
    assert remove_older(tmp_path) is None
    assert remove_older(tmp_path / "nowhere") is None
    DiskCache(tmp_path).write(key(1), 1, "int")
    assert remove_older(tmp_path) is None
