"""What the list of saved workflows says of each, remembered until its file changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from graph.problems import InvalidWorkflow
from graph.workflow import json_text
from graph.workflow.file import loads
from ui.studio.store import Store

_TABLE = """CREATE TABLE IF NOT EXISTS listed
    (stamp TEXT PRIMARY KEY, name TEXT, modified REAL, revision TEXT, description TEXT, nodes INTEGER,
     workflow_id TEXT)"""


@dataclass(frozen=True)
class Listed:
    """A saved workflow, as far as a list needs to know it."""

    name: str
    modified: float
    """Seconds since 1970."""
    revision: str
    description: str
    nodes: int
    workflow_id: str
    """Names the workflow for its gallery; empty where it has none."""


class Index:
    """The entries of the files in a folder, kept beside them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Listed | None] | None = None
        """Name and state of a file -> its entry; None for a file that cannot be read."""

    def update(self, files: Iterable[Path]) -> list[Listed]:
        """The entries of these files; those that changed are read."""
        before = self._stored() if self._known is None else self._known
        stamps = {stamp: file for file in files if (stamp := _stamp(file))}
        known = {stamp: before[stamp] for stamp in stamps if stamp in before}
        new: dict[str, Listed | None] = {}
        gone = before.keys() - stamps.keys()
        try:
            for stamp, file in stamps.items():
                if stamp not in known:
                    new[stamp] = _read(file)
        finally:  # what was read before the request's time was over is not read again
            self._known = known | new
            if new or gone:
                self._store(new, gone)
        return [entry for entry in self._known.values() if entry is not None]

    def _open(self) -> Store:
        return Store(self._folder / ".index.sqlite", _TABLE)

    def _stored(self) -> dict[str, Listed | None]:
        try:
            rows = self._open().rows("SELECT * FROM listed")
        except Exception:  # it is made anew: nothing in it is not in the files as well
            return {}
        return {stamp: Listed(*rest) if rest[0] else None for stamp, *rest in rows}

    def _store(self, new: dict[str, Listed | None], gone: Iterable[str]) -> None:
        nothing = Listed("", 0.0, "", "", 0, "")
        insert = "INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?, ?, ?, ?)"
        removed = [("DELETE FROM listed WHERE stamp = ?", (stamp,)) for stamp in gone]
        added = [(insert, (stamp, *astuple(entry or nothing))) for stamp, entry in new.items()]
        with suppress(Exception):  # a read-only folder, a full disk: the list is right all the same
            self._open().change([*removed, *added])


def _stamp(file: Path) -> str:
    """The name of a file and what changes with its content; empty where there is none."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{file.name}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def _read(file: Path) -> Listed | None:
    try:
        with file.open("rb") as opened:
            content = opened.read(json_text.MAX_BYTES + 1)
        data = loads(content).data
        modified = file.stat().st_mtime
    except (InvalidWorkflow, OSError):
        return None  # another program's file, or one that was removed just now
    return Listed(
        file.stem,
        modified,
        hashlib.sha256(content).hexdigest(),
        _text(data.get("description")),
        len(nodes) if isinstance(nodes := data.get("nodes"), dict) else 0,
        workflow_id(data),
    )


def workflow_id(data: dict[str, Any]) -> str:
    """What names a workflow for its gallery; empty where it has none."""
    ui = data.get("ui")
    return _text(ui.get("id"))[:100] if isinstance(ui, dict) else ""


def _text(value: object) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
