"""A small SQLite file beside the data that it describes."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

Values = tuple[object, ...]


class StoreError(OSError):
    """The file cannot be used at the moment; the message is one sentence."""


class Store:
    """Tables in a file, made when they are missing; may be used from any thread.

    Where the file is removed or replaced while the server runs, it is opened anew: `_opened` is what it was.

    Args:
        tables: the statements that make the tables (`CREATE TABLE IF NOT EXISTS ...`).
    """

    def __init__(self, path: Path, tables: str) -> None:
        self._path = path
        self._tables = tables
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        with self._ready():
            pass

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Carry out one statement; its rows.

        Raises:
            StoreError: when the file cannot be used.
        """
        with self._ready() as database:
            return database.execute(statement, values).fetchall()

    def change(self, statements: Sequence[tuple[str, Values]]) -> None:
        """Carry out several statements at once: all of them, or none.

        Raises:
            StoreError: when the file cannot be used.
        """
        with self._ready() as database, closing(database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in statements:
                    cursor.execute(statement, values)
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    @contextmanager
    def _ready(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._database is None or self._opened != _identity(self._path):
                    self._open()
                assert self._database is not None
                yield self._database
            except (sqlite3.Error, OSError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise StoreError(f"the server's records cannot be read or written: {reason}") from error

    def _open(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        opened = sqlite3.connect(self._path, timeout=10, check_same_thread=False, isolation_level=None)
        opened.executescript(self._tables)
        self._database, self._opened = opened, _identity(self._path)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one of the same name; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - before every statement
    except OSError:
        return None
    return status.st_dev, status.st_ino
