"""The source texts of modules, found without importing anything, and which changed under this process.

A process runs the code that it imported. A file that changed after the process started may hold other code
than what runs: `changed` says so, and what is computed then must not be kept under the new code's name.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PROJECT = ("graph", "nodes", "ui")
"""The top-level packages of this project."""

STARTED_NS = time.time_ns()
"""When this process started, as far as sources count: nodes are imported after the engine."""


@dataclass
class Source:
    """A module's source file."""

    path: Path
    text: bytes
    sha256: str
    """Of the text."""
    stamp: tuple[int, ...]
    changed: bool
    """Whether it was written after this process started."""

    @property
    def is_package(self) -> bool:
        """Whether it is the `__init__` of a package."""
        return self.path.name == "__init__.py"


_read: dict[str, Source | None] = {}


def source_of(module: str) -> Source | None:
    """A module's source; None where there is none. It is read once, until `look_again` finds another."""
    if module not in _read:
        _read[module] = _source(module)
    return _read[module]


def look_again() -> bool:
    """Look whether the files that were read are as they were; True if the text of one is another."""
    different = False
    for module, source in list(_read.items()):
        if source is None or _stamp(source.path) == source.stamp:
            continue
        found = _source(module) or source  # one that was removed has no new text
        found.changed = source.changed or found.sha256 != source.sha256 or found is source
        different = different or found.changed
        found.stamp = _stamp(source.path)
        _read[module] = found
    return different


def forget() -> None:
    """Be as new as in another process."""
    _read.clear()
    _path.cache_clear()
    _folders.cache_clear()


def _source(module: str) -> Source | None:
    path = _path(module)
    if path is None:
        return None
    stamp = _stamp(path)
    try:
        text = path.read_bytes()
    except OSError:
        return None
    changed = max(stamp[1:3], default=0) > STARTED_NS
    return Source(path, text, hashlib.sha256(text).hexdigest(), stamp, changed)


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes whenever the content does; () for a file that is not there."""
    try:
        status = os.stat(path)  # noqa: PTH116 - asked for every file at each plan
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@cache
def _path(module: str) -> Path | None:
    top, *rest = module.split(".")
    for folder in _folders(top):
        place = folder.joinpath(*rest)
        for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if path.is_file():
                return path
    # What no package path leads to: a script, a test, a module made from a file.
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file) if file and file.endswith(".py") and Path(file).is_file() else None


@cache
def _folders(top: str) -> tuple[Path, ...]:
    """Where the modules of a top-level package lie."""
    if top in PROJECT:
        return (Path(__file__).parents[2] / top,)
    loaded = getattr(sys.modules.get(top), "__path__", None)
    if loaded is None:
        try:
            spec = find_spec(top)
        except (ImportError, ValueError):
            return ()
        if spec is None:
            return ()
        loaded = spec.submodule_search_locations
        if loaded is None:  # a single file
            return (Path(spec.origin).with_suffix(""),) if spec.origin else ()
    return tuple(map(Path, loaded))
