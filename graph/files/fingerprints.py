"""What is remembered of files by path, size and time, or by content, so that nothing large is read twice."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from io import BufferedReader
from pathlib import Path

from graph.files.database import Database

SETTLED_NS = 2_000_000_000
"""A file changed less than 2 s ago may change again within the same tick of its clock: not remembered."""

_LIMIT = 100_000
_TABLE = """CREATE TABLE IF NOT EXISTS facts
    (number INTEGER PRIMARY KEY, path BLOB, kind TEXT, stamp TEXT, fact TEXT, UNIQUE (path, kind))"""
_BY_FACT = "CREATE INDEX IF NOT EXISTS by_fact ON facts (fact, kind)"
_KEEP_NEWEST = f"DELETE FROM facts WHERE number <= (SELECT MAX(number) FROM facts) - {_LIMIT}"


class FingerprintIndex:
    """Facts about files (`kind` -> text) that hold until the file changes; shared by processes.

    A damaged, unwritable or missing index is an empty one. Without a path it lives in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._database = Database(path, (_TABLE, _BY_FACT, _KEEP_NEWEST))

    def get(self, path: Path, kind: str, status: os.stat_result) -> str | None:
        """The fact about the file that was remembered when it was as `status` says; None if there is none."""
        rows = self._database.do(
            "SELECT fact FROM facts WHERE path = ? AND kind = ? AND stamp = ?",
            (os.fsencode(path), kind, _stamp(status)),
        )
        return str(rows[0][0]) if rows else None

    def put(self, path: Path, kind: str, status: os.stat_result, fact: str) -> None:
        """Remember a fact found when the file was as `status` says, unless the file changed just now."""
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) >= SETTLED_NS:
            self._database.do(
                "INSERT OR REPLACE INTO facts (path, kind, stamp, fact) VALUES (?, ?, ?, ?)",
                (os.fsencode(path), kind, _stamp(status), fact),
            )

    def recall(self, sha256: str, kind: str) -> str | None:
        """The fact about every file of this content that was remembered; None if there is none."""
        rows = self._database.do(
            "SELECT fact FROM facts WHERE path = ? AND kind = ?", (sha256.encode(), kind)
        )
        return str(rows[0][0]) if rows else None

    def remember(self, sha256: str, kind: str, fact: str) -> None:
        """Remember a fact about a content, wherever it lies."""
        self._database.do(
            "INSERT OR REPLACE INTO facts (path, kind, stamp, fact) VALUES (?, ?, '', ?)",
            (sha256.encode(), kind, fact),
        )

    def sha256(self, path: Path) -> str:
        """The sha256 of a regular file's content, in hex.

        Raises:
            OSError: when it cannot be read, or is no regular file.
        """
        with open_regular(path) as file:
            before = os.fstat(file.fileno())
            known = self.get(path, "sha256", before)
            if known is not None:
                return known
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if _stamp(os.fstat(file.fileno())) == _stamp(before):
                self.put(path, "sha256", before, found)
            return found

    def with_content(self, sha256: str) -> list[Path]:
        """The files that had this content when they were last read, and have not changed since."""
        rows = self._database.do("SELECT path FROM facts WHERE fact = ? AND kind = 'sha256'", (sha256,))
        paths = [Path(os.fsdecode(row[0])) for row in rows if isinstance(row[0], bytes)]
        return [path for path in paths if self._still(path, sha256)]

    def _still(self, path: Path, sha256: str) -> bool:
        try:
            return self.get(path, "sha256", path.stat()) == sha256
        except OSError:
            return False


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes.

    Raises:
        OSError: when it cannot be opened, or is a device, pipe or socket (which is not waited for).
    """
    without_waiting = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, without_waiting), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(f"{path} is not a regular file")
    return file


def _stamp(status: os.stat_result) -> str:
    """What changes whenever the content does; ctime and inode see `cp -p` and `mv`."""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"
