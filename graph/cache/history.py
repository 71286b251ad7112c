"""What the nodes of each workflow last ran with, so that a plan can say why a node runs again.

One SQLite file in this machine's own cache folder, whatever folder the results are in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from graph.cache.disk_tier import default_folder
from graph.files.database import Database

MOST_ROWS = 10_000
LONGEST_VALUE = 200
"""Characters."""

_TABLE = """CREATE TABLE IF NOT EXISTS history
    (number INTEGER PRIMARY KEY, owner TEXT, workflow TEXT, node TEXT, "values" TEXT, content TEXT, code TEXT,
     version INTEGER, time REAL, UNIQUE (owner, workflow, node))"""
_KEEP_NEWEST = (
    f"DELETE FROM history WHERE number <= (SELECT number FROM history ORDER BY number DESC "
    f"LIMIT 1 OFFSET {MOST_ROWS})"
)


@dataclass(frozen=True)
class LastRun:
    """What a node last ran with."""

    values: Mapping[str, str]
    """Param or input -> its value as text, cut to 200 characters."""
    content: str
    """What was asked for: the content keys of its outputs as one."""
    code: str
    """The digest of the code of its type."""
    version: int
    """Of its type."""
    time: float
    """When, in seconds since 1970."""


class HistoryFile:
    """The rows of everybody's workflows; at most 10,000, the oldest go first."""

    def __init__(self, path: Path | None = None) -> None:
        self._database = Database(path or default_folder() / "history.sqlite", (_TABLE, _KEEP_NEWEST))

    def read(self, owner: str, workflow: str) -> dict[str, LastRun]:
        """Node id -> what it last ran with in this workflow of somebody."""
        statement = """SELECT node, "values", content, code, version, time FROM history
            WHERE owner = ? AND workflow = ?"""
        found = {}
        for node, values, content, code, version, time in self._database.do(statement, (owner, workflow)):
            with suppress(ValueError):  # damaged
                read = json.loads(str(values))
                found[str(node)] = LastRun(read, str(content), str(code), int(str(version)), float(str(time)))
        return found

    def write(self, owner: str, workflow: str, ran: Mapping[str, LastRun]) -> None:
        """Remember what nodes ran with, by their id."""
        rows = [
            (
                *(owner, workflow, node),
                json.dumps({name: value[:LONGEST_VALUE] for name, value in last.values.items()}),
                *(last.content, last.code, last.version, last.time),
            )
            for node, last in ran.items()
        ]
        if rows:
            self._database.do(
                """INSERT OR REPLACE INTO history
                (owner, workflow, node, "values", content, code, version, time)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                *rows,
            )
            self._database.do(_KEEP_NEWEST, ())


@dataclass(frozen=True)
class History:
    """The history of one workflow of somebody.

    Args:
        owner: "" for the user of the command line.
        workflow: the absolute path of its file, or the canvas's id of it.
    """

    file: HistoryFile
    owner: str
    workflow: str

    def read(self) -> dict[str, LastRun]:
        """Node id -> what it last ran with."""
        return self.file.read(self.owner, self.workflow)

    def write(self, ran: Mapping[str, LastRun]) -> None:
        """Remember what nodes ran with, by their id."""
        self.file.write(self.owner, self.workflow, ran)
