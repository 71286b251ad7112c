"""Saved workflows: plain files in a folder, with the versions before each save.

A revision is the hash of a file's content. Who saves says which revision they started from; where another one
lies there now, nothing is overwritten.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.node import NodeType
from graph.problems import InvalidWorkflow
from graph.workflow import json_text
from graph.workflow.file import from_json, loads, save
from ui.studio import limits
from ui.studio.changes import changes
from ui.studio.library_index import Index, Listed

VERSIONS = 100
"""Versions of one workflow that are kept."""
WHATEVER = "*"
"""The revision of who overwrites what is there, whatever it is."""

_NAME = re.compile(r"[\w-](?:[\w -]{0,78}[\w-])?")
_VERSION = re.compile(r"\d{20}")


class LibraryError(ValueError):
    """What is asked for cannot be done; the message is one sentence."""


@dataclass(frozen=True)
class Saved:
    """A saved workflow."""

    name: str
    modified: float
    """Seconds since 1970."""
    revision: str
    workflow: dict[str, Any]


@dataclass(frozen=True)
class Version:
    """What was saved under a name before."""

    id: str
    time: float
    """When it was saved, in seconds since 1970."""
    nodes: int
    summary: str


@dataclass(frozen=True)
class Conflict:
    """Another revision lies there than who saves started from."""

    revision: str
    modified: float


@dataclass(frozen=True)
class Room:
    """How many workflows a folder may hold, and how many bytes of them."""

    workflows: int = limits.SAVED_PER_OWNER
    bytes: int = limits.SAVED_BYTES_PER_OWNER


class Library:
    """The workflows in a folder; the catalogue says which numbers are written with a point."""

    def __init__(self, folder: Path, catalogue: Mapping[str, NodeType], room: Room | None = None) -> None:
        self.folder = folder
        self._room = room or Room()
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._index = Index(folder)
        self._version_bytes: int | None = None
        """Of all versions; looked up when the first is added: there may be very many."""

    def saved(self) -> list[Listed]:
        """Every workflow that can be read, last saved first; files that did not change are not read again."""
        found = self._index.update(self._files())
        return sorted(found, key=lambda entry: entry.modified, reverse=True)

    def _files(self) -> list[Path]:
        return [path for path in self.folder.glob("*.json") if _NAME.fullmatch(path.stem)]

    def load(self, name: str) -> Saved:
        """A workflow with its revision.

        Raises:
            LibraryError: when there is none of that name, or it cannot be read.
        """
        path = self._path(name)
        try:
            with path.open("rb") as file:
                content = file.read(json_text.MAX_BYTES + 1)
            return Saved(name, path.stat().st_mtime, _revision(content), loads(content).data)
        except FileNotFoundError:
            raise LibraryError(f"there is no saved workflow called {name!r}") from None
        except InvalidWorkflow as invalid:
            raise LibraryError(f"the workflow {name!r} cannot be read: {invalid.problems[0]}") from None

    def save(self, name: str, data: dict[str, Any], revision: str | None) -> str | Conflict:
        """Save a workflow; its revision, or what is in the way.

        Args:
            revision: what the change started from; None for a new file; WHATEVER overwrites.

        Raises:
            LibraryError: for a name that no file has, and for what is no workflow.
        """
        path = self._path(name)
        content = self._text(data).encode()
        with self._lock:
            there = path.read_bytes() if path.is_file() else None
            if there is not None and revision not in (WHATEVER, _revision(there)):
                return Conflict(_revision(there), path.stat().st_mtime)
            if there != content:
                self._check_room(path, len(content))
                if there is not None:
                    self._keep(name, there, path.stat().st_mtime)
                self._write(path, content)
        return _revision(content)

    def _check_room(self, path: Path, size: int) -> None:
        """Refuse a file of `size` bytes for which there is no room."""
        sizes = {file.name: _size(file) for file in self._files()}
        before = sizes.pop(path.name, None)
        most, most_bytes = self._room.workflows, self._room.bytes
        if before is None and len(sizes) >= most:
            raise LibraryError(f"there are {most:,} saved workflows already, which is the limit: remove one")
        if size > (before or 0) and sum(sizes.values()) + size > most_bytes:
            limit = f"{most_bytes / limits.MB:,.0f} MB of saved workflows"
            raise LibraryError(f"this would be more than {limit}, which is the limit: remove one")

    def remove(self, name: str) -> None:
        """Remove a workflow; it is kept among its versions.

        Raises:
            LibraryError: when there is none of that name.
        """
        path = self._path(name)
        with self._lock:
            if not path.is_file():
                raise LibraryError(f"there is no saved workflow called {name!r}")
            self._keep(name, path.read_bytes(), path.stat().st_mtime)
            path.unlink()

    def versions(self, name: str) -> list[Version]:
        """The versions before the one that is there, newest first."""
        found = [(path, self._version(path)) for path in self._version_files(name)]
        listed = []
        for number, (path, workflow) in enumerate(found):
            older = found[number + 1][1] if number + 1 < len(found) else None
            summary = changes(older, workflow) if older is not None else "the first that is kept"
            nodes = workflow.get("nodes")
            size = len(nodes) if isinstance(nodes, dict) else 0
            listed.append(Version(path.stem, int(path.stem) / 1e9, size, summary))
        return listed

    def version(self, name: str, id: str) -> dict[str, Any]:
        """What was saved under a name before.

        Raises:
            LibraryError: when there is no such version.
        """
        path = self._versions_folder(name) / f"{id}.json"
        if not (_VERSION.fullmatch(id) and path.is_file()):
            raise LibraryError(f"there is no version {id!r} of {name!r} (any more)")
        return self._version(path)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            allowed = "1 to 80 letters, digits, spaces, - and _"
            raise LibraryError(f"{name[:90]!r} cannot be the name of a workflow: expected {allowed}")
        return self.folder / f"{name}.json"

    def _text(self, data: dict[str, Any]) -> str:
        try:
            return save(from_json(data), self._catalogue)
        except InvalidWorkflow as invalid:
            raise LibraryError(f"this cannot be saved: {invalid.problems[0]}") from None

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    # Versions: files that are called after the time they were saved at, in nanoseconds

    def _versions_folder(self, name: str) -> Path:
        return self._path(name).parent / ".versions" / name

    def _version_files(self, name: str) -> list[Path]:
        found = [path for path in self._versions_folder(name).glob("*.json") if _VERSION.fullmatch(path.stem)]
        return sorted(found, reverse=True)

    def _keep(self, name: str, content: bytes, modified: float) -> None:
        kept = self._version_files(name)
        moment = max(int(modified * 1e9), int(kept[0].stem) + 1 if kept else 0)
        self._write(self._versions_folder(name) / f"{moment:020}.json", content)
        if self._version_bytes is None:
            self._version_bytes = sum(map(_size, self.folder.glob(".versions/*/*.json")))
        else:
            self._version_bytes += len(content)
        for number, path in reversed(list(enumerate(self._version_files(name)))):
            # The oldest of this workflow, and of no other.
            if number and (number >= VERSIONS or self._version_bytes > self._room.bytes):
                self._version_bytes -= _size(path)
                path.unlink(missing_ok=True)

    def _version(self, path: Path) -> dict[str, Any]:
        try:
            return loads(path.read_bytes()).data
        except (InvalidWorkflow, OSError):
            return {}


def _revision(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
