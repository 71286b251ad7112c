"""Files that runs wrote: whose they are, what made them, and small pictures of them."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from ui.studio.store import Store

THUMBNAIL_SIDE = 320
MOST_SHOWN = 500
"""Results of one workflow that are listed, the newest ones."""

PICTURES = (".png", ".webp", ".jpeg")

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (run TEXT PRIMARY KEY, workflow TEXT);
CREATE TABLE IF NOT EXISTS results
    (id TEXT PRIMARY KEY, owner TEXT, run TEXT, workflow_id TEXT, node TEXT, path TEXT, time REAL,
     width INTEGER, height INTEGER);
CREATE INDEX IF NOT EXISTS by_workflow ON results (owner, workflow_id, time);
"""


@dataclass(frozen=True)
class Result:
    """One file that a run wrote."""

    id: str
    run: str
    node: str
    path: Path
    time: float
    width: int
    height: int


class Gallery:
    """What was written below the output folder, as far as somebody may ask for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = Store(folder / ".results.sqlite", _TABLES)

    def record(self, run: str, workflow: str) -> None:
        """Keep the workflow of a run, with the params that were really used, as JSON."""
        self._store.rows("INSERT OR IGNORE INTO runs VALUES (?, ?)", run, workflow)

    def add(self, owner: str, run: str, workflow_id: str, node: str, path: Path) -> str:
        """Register a file that a node wrote; its id, which only its owner can use."""
        id = secrets.token_hex(16)
        width, height = _size(path)
        values = (id, owner, run, workflow_id, node, str(path), time.time(), width, height)
        self._store.rows("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)
        return id

    def get(self, owner: str, id: str) -> Result | None:
        """One's own result; None for any other, and where the file is gone."""
        found = self._store.rows(f"{_SELECT} WHERE owner = ? AND id = ?", owner, id)
        results = [result for result in map(_result, found) if result.path.is_file()]
        return results[0] if results else None

    def pictures(self, owner: str, workflow_id: str, most: int = MOST_SHOWN) -> list[Result]:
        """One's own pictures of a workflow, newest first."""
        where = "WHERE owner = ? AND workflow_id = ? AND width > 0 ORDER BY time DESC, rowid DESC LIMIT ?"
        found = self._store.rows(f"{_SELECT} {where}", owner, workflow_id, most)
        return [result for result in map(_result, found) if result.path.is_file()]

    def newest(self, owner: str) -> dict[str, str]:
        """The id of one's own newest picture of each workflow, by workflow id."""
        columns = "workflow_id, id, path, MAX(time)"  # SQLite takes the others from the row with the maximum
        where = "WHERE owner = ? AND workflow_id != '' AND width > 0 GROUP BY workflow_id"
        rows = self._store.rows(f"SELECT {columns} FROM results {where}", owner)
        return {workflow: id for workflow, id, path, _ in rows if Path(path).is_file()}

    def has(self, owner: str) -> bool:
        """Whether somebody has a result here."""
        return bool(self._store.rows("SELECT 1 FROM results WHERE owner = ? LIMIT 1", owner))

    def workflow(self, run: str) -> dict[str, Any] | None:
        """The workflow of a run, with the params that were really used."""
        found = self._store.rows("SELECT workflow FROM runs WHERE run = ?", run)
        return json.loads(found[0][0]) if found else None


_SELECT = "SELECT id, run, node, path, time, width, height FROM results"


def _result(row: tuple[Any, ...]) -> Result:
    id, run, node, path, moment, width, height = row
    return Result(id, run, node, Path(path), moment, width, height)


def _size(path: Path) -> tuple[int, int]:
    """Width and height of a picture; zeros for any other file."""
    if path.suffix not in PICTURES:
        return 0, 0
    from PIL import Image

    with Image.open(path) as picture:
        return picture.size


def thumbnail(path: Path) -> bytes:
    """A small WebP of a picture file."""
    from PIL import Image

    from nodes.pixels.pictures import decoding

    with decoding, Image.open(path) as picture:
        picture.draft("RGB", (2 * THUMBNAIL_SIDE, 2 * THUMBNAIL_SIDE))  # a JPEG is read small
        small = picture.convert("RGB")
        small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    buffer = BytesIO()
    small.save(buffer, "WEBP", quality=82)
    return buffer.getvalue()
