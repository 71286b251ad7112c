"""A small SQLite file beside the data that it describes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any


class Store:
    """One table in a file, made when it is missing; may be used from any thread.

    Args:
        table: the statements that make the tables (`CREATE TABLE IF NOT EXISTS ...`).
    """

    def __init__(self, path: Path, tables: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, timeout=10, check_same_thread=False, isolation_level=None)
        self._database.executescript(tables)
        self._lock = threading.Lock()

    def change(self, statements: Sequence[tuple[str, tuple[object, ...]]]) -> None:
        """Carry out several statements at once: all of them, or none."""
        with self._lock, closing(self._database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in statements:
                    cursor.execute(statement, values)
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Carry out one statement; its rows."""
        with self._lock:
            return self._database.execute(statement, values).fetchall()
