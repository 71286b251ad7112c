"""A small SQLite file of what is worth remembering and no loss when it is gone; shared by processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock


class Database:
    """Runs statements. A damaged file is an empty one; one that cannot be written is one in memory.

    Args:
        path: the file; None lives in memory only.
        setup: statements that make the tables and remove what is too old, run when it is opened.
    """

    def __init__(self, path: Path | None, setup: Sequence[str]) -> None:
        self._path = path
        self._setup = setup
        self._lock = Lock()
        self._open: sqlite3.Connection | None = None

    def do(self, statement: str, *rows: Sequence[object]) -> list[tuple[object, ...]]:
        """Run a statement for each of the rows, all or none; what the last one gave.

        While another process writes for long, nothing is done.
        """
        with self._lock:
            for target in (self._path, self._path, None):
                try:
                    if self._open is None:
                        self._open = self._opened(target)
                    return self._run(self._open, statement, rows)
                except sqlite3.OperationalError as error:  # busy, full or read-only: memory will do
                    self._close()
                    if "locked" in str(error):
                        return []
                    self._path = None
                except (sqlite3.DatabaseError, OSError):  # damaged: start anew, then in memory
                    self._close()
                    if target is not None:
                        with suppress(OSError):
                            target.unlink()
        return []

    @staticmethod
    def _run(
        database: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]
    ) -> list[tuple[object, ...]]:
        if len(rows) == 1:
            return database.execute(statement, tuple(rows[0])).fetchall()
        database.execute("BEGIN IMMEDIATE")
        database.executemany(statement, [tuple(row) for row in rows])
        database.execute("COMMIT")
        return []

    def _opened(self, path: Path | None) -> sqlite3.Connection:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(
            path or ":memory:", timeout=2.0, isolation_level=None, check_same_thread=False
        )
        try:
            # Losing the last lines in a power cut only costs finding them out again.
            database.execute("PRAGMA synchronous = OFF")
            database.execute("PRAGMA journal_mode = WAL")
            for statement in self._setup:
                database.execute(statement)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
