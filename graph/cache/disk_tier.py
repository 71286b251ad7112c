"""Results by content key on disk: a safetensors file a value; least recently used go first.

Several processes may share a folder: files appear whole (written under another name, then renamed), and one
that vanishes midway is a miss. Nothing that goes wrong with the disk stops a run: it is a warning.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from typing import Any

from graph.cache.layout import LAYOUT
from graph.values.tensor_file import DamagedFile, pack, read_header, unpack

Warn = Callable[[str], None]

DEFAULT_LIMIT = 20_000_000_000
_KEY = re.compile(r"[0-9a-f]{64}")
_FOLDER = re.compile(r"[0-9a-f]{2}")
_ABANDONED_SECONDS = 3600


@cache
def _versions() -> dict[str, str]:
    """The installed versions of what computes most; no part of keys, which are the same on every machine."""
    found = {}
    for name in ("torch", "transformers"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def default_folder() -> Path:
    """The folder in the user's cache folder that is used where the command line names none."""
    from platformdirs import user_cache_path

    return user_cache_path("kandinsky-canvas", appauthor=False)


@dataclass(frozen=True)
class CacheInfo:
    """What a folder holds: values and the bytes of their files."""

    folder: Path
    entries: int
    bytes: int
    limit_bytes: int


class DiskCache:
    """Values by key in a folder, below a folder for the layout of keys and files.

    `classes` tells which Python class a type name stands for. `warn` is called with one sentence for each
    damaged file, and once for each reason why nothing can be written; who reads or writes may name another.
    """

    def __init__(
        self,
        folder: Path,
        classes: Mapping[str, Any] | None = None,
        limit_bytes: int = DEFAULT_LIMIT,
        warn: Warn = lambda _: None,
    ) -> None:
        self.folder = folder
        self._results = folder / f"results-{LAYOUT}"
        self.classes: Mapping[str, Any] = {} if classes is None else classes
        self.limit_bytes = limit_bytes
        self.warn = warn
        self._lock = Lock()
        self._bytes: int | None = None  # what the folder holds, as far as this process knows
        self._written = 0  # bytes since the folder was last looked through
        self._said: set[str] = set()

    def has(self, key: str) -> bool:
        """Whether there is a file for the key. It may turn out to be damaged: `read` has the last word."""
        return os.path.exists(self._name(key))  # noqa: PTH110 - asked for every port, and a Path is slow to make

    def read(self, key: str, warn: Warn | None = None) -> Any | None:
        """The value, whose file counts as used now; None where there is none. A damaged file is removed."""
        path = self._path(key)
        try:
            if path.stat().st_size > self.limit_bytes:
                raise DamagedFile("is larger than the whole cache may be")
            data = path.read_bytes()
            value = unpack(data, self.classes, key)
        except FileNotFoundError:
            return None
        except OSError as error:
            (warn or self.warn)(f"The cached result {path} could not be read: {error.strerror}.")
            return None
        except DamagedFile as error:
            self._remove_damaged(path, error, warn)
            return None
        with suppress(OSError):
            os.utime(path)
        return value

    def describe(self, key: str, warn: Warn | None = None) -> dict[str, Any] | None:
        """`type`, `shapes` or `value`, and `provenance`, from the header alone; None if there is no value."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                header = read_header(file)
            header.check_key(key)
            return {**header.summary(), "provenance": json.loads(header.metadata.get("provenance", "{}"))}
        except OSError:
            return None
        except (DamagedFile, ValueError, TypeError, RecursionError) as error:
            self._remove_damaged(path, error, warn)
            return None

    def warnings(self, key: str) -> tuple[str, ...]:
        """What the run that made a value warned of."""
        described = self.describe(key)
        warnings = described["provenance"].get("warnings", ()) if described is not None else ()
        return tuple(map(str, warnings)) if isinstance(warnings, list) else ()

    def write(
        self,
        key: str,
        value: Any,
        type_name: str,
        provenance: Mapping[str, Any] | None = None,
        warn: Warn | None = None,
    ) -> bool:
        """Store a value, with what it came from in the header; returns whether it was stored.

        A value that cannot be stored (a handle) or is larger than the limit is left out. A full or read-only
        disk is a warning.
        """
        path = self._path(key)
        created = {"created": datetime.now(UTC).isoformat(timespec="seconds"), **_versions()}
        told = {**created, **(provenance or {})}
        try:
            data = pack(value, type_name, {"key": key, "provenance": json.dumps(told, default=str)})
        except (TypeError, ValueError, MemoryError):
            return False
        if len(data) > self.limit_bytes:
            return False
        try:
            _write_whole(path, data)
        except OSError as error:
            self._say_once(f"Results cannot be kept in {self.folder}: {error.strerror or error}.", warn)
            return False
        self._make_room(len(data))
        return True

    def info(self) -> CacheInfo:
        """Count the values and their bytes."""
        sizes = [status.st_size for _, status in self._files()]
        return CacheInfo(self.folder, len(sizes), sum(sizes), self.limit_bytes)

    def clear(self) -> CacheInfo:
        """Remove every value and nothing else; returns what was removed."""
        sizes = []
        for path, status in self._files():
            with suppress(OSError):
                path.unlink()
                sizes.append(status.st_size)
        with self._lock:
            self._bytes, self._written = None, 0
        return CacheInfo(self.folder, len(sizes), sum(sizes), self.limit_bytes)

    def _path(self, key: str) -> Path:
        return Path(self._name(key))

    def _name(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError(f"A cache key is 64 hexadecimal digits, not {key[:80]!r}.")
        return f"{self._results}{os.sep}{key[:2]}{os.sep}{key}.safetensors"

    def _remove_damaged(self, path: Path, error: Exception, warn: Warn | None) -> None:
        (warn or self.warn)(f"The cached result {path} {error}; it is made anew.")
        with suppress(OSError):
            path.unlink()

    def _say_once(self, message: str, warn: Warn | None) -> None:
        with self._lock:
            if message in self._said:
                return
            self._said.add(message)
        (warn or self.warn)(message)

    def _make_room(self, size: int) -> None:
        """Keep the folder below its limit; others write too, so now and then the files are counted."""
        with self._lock:
            self._written += size
            if self._bytes is not None:
                self._bytes += size
                if self._bytes <= self.limit_bytes and self._written <= self.limit_bytes // 10:
                    return
            files = sorted(self._files(), key=lambda file: file[1].st_mtime_ns)
            self._bytes, self._written = sum(status.st_size for _, status in files), 0
            if self._bytes <= self.limit_bytes:
                return
            for path, status in files:
                # A little further down than the limit, or every write would look through the folder again.
                if self._bytes <= self.limit_bytes * 0.9:
                    return
                with suppress(FileNotFoundError, PermissionError):
                    path.unlink()
                self._bytes -= status.st_size

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Every value's file; what a process left half-written an hour ago is removed on the way."""
        for folder in _entries(self._results):
            if not _FOLDER.fullmatch(folder.name):
                continue
            for entry in _entries(Path(folder.path)):
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    name, _, kind = entry.name.partition(".")
                    if kind == "safetensors" and _KEY.fullmatch(name):
                        yield Path(entry.path), status
                    elif kind.endswith(".tmp") and status.st_mtime < time.time() - _ABANDONED_SECONDS:
                        Path(entry.path).unlink()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
