"""What visitors read of messages: no path of this machine, and no traceback.

Everything that leaves the server for people passes here. The owner of the machine reads it as it is. For
everybody else paths are left out, and the whole text is in the log (stderr) under a number to quote.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from graph.problems import sentence
from ui.studio.event_log import Event
from ui.studio.owners import Owner

MOST_A_MINUTE = 100
"""Entries in the log: nobody fills the disk with mistakes."""
LONGEST = 20_000
"""Characters of one entry."""

_REMEMBERED = 1_000
_PART = r"[^\s'\"<>|:;,()\[\]{}]"
_ROOT = r"(?:(?<![\w.~/\\-])/(?!/)|\bfile:/+|\b[A-Za-z]:[\\/]|(?<!\\)\\\\(?=\w))"
_QUOTED = re.compile(rf"(['\"]){_ROOT}.*?\1")
_PATH = re.compile(rf"{_ROOT}{_PART}+")
_INSTEAD = "[path]"


class Discretion:
    """Says things to people, as far as they may read them.

    Args:
        folders: whose paths are known whole, blanks in them included.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        known = sorted({str(folder) for folder in folders} - {"/"}, key=len, reverse=True)
        self._known = re.compile(f"(?:{'|'.join(map(re.escape, known))}){_PART}*") if known else None
        self._key = secrets.token_bytes(16)  # or a number would let people try what the whole text is
        self._logged: OrderedDict[str, None] = OrderedDict()
        self._minute = 0.0
        self._entries = 0
        self._lock = threading.Lock()

    def text(self, owner: Owner, text: str, details: str = "") -> str:
        """A message without paths; `details` (a traceback) are for the log alone."""
        if owner.of_machine:
            return text
        left = self._known.sub(_INSTEAD, text) if self._known is not None else text
        left = _PATH.sub(_INSTEAD, _QUOTED.sub(rf"\1{_INSTEAD}\1", left))
        if left == text and not details:
            return text
        return f"{left} (details: log entry {self._log(details or text)})"

    def fault(self, owner: Owner, what: str, error: Exception) -> str:
        """A message about an error that nobody foresaw; its traceback is in the log in any case."""
        details = "".join(traceback.format_exception(error))
        self._log(details)
        return self.text(owner, f"{what}: {sentence(error)}", details)

    def problems(self, owner: Owner, problems: list[dict[str, str]]) -> list[dict[str, str]]:
        """What is wrong with a workflow."""
        shown = ("message", "expected")
        return [
            {name: self.text(owner, said) if name in shown else said for name, said in problem.items()}
            for problem in problems
        ]

    def event(self, owner: Owner, event: Event) -> Event:
        """What happened in a run; files are called by their names alone, their addresses are beside them."""
        if owner.of_machine:
            return event
        kind = event["event"]
        if kind == "failed":
            said = self.text(owner, event["error"], event["details"])
            return {**event, "error": said, "details": ""}
        if kind == "warning":
            return {**event, "message": self.text(owner, event["message"])}
        if kind == "invalid":
            return {**event, "problems": self.problems(owner, event["problems"])}
        if kind not in ("finished", "done"):
            return event
        outputs = {name: self._output(owner, told) for name, told in event["outputs"].items()}
        error = {"error": self.text(owner, event["error"])} if "error" in event else {}
        return {**event, "outputs": outputs, **error}

    def _output(self, owner: Owner, told: Any) -> Any:
        if isinstance(told, list):  # of files
            return [Path(path).name for path in told]
        if not isinstance(told, dict):
            return told
        changed: dict[str, Any] = {}
        if "files" in told:
            changed["files"] = [Path(path).name for path in told["files"]]
            changed["file"] = changed["files"][0]
        if "text" in told:
            changed["text"] = self.text(owner, told["text"])
        return {**told, **changed}

    def _log(self, text: str) -> str:
        """Put a text into the log, once; its number there."""
        text = text[:LONGEST]
        number = hashlib.blake2b(
            text.encode(errors="surrogatepass"), key=self._key, digest_size=4
        ).hexdigest()
        with self._lock:
            if number in self._logged or not self._may_log():
                return number
            self._logged[number] = None
            if len(self._logged) > _REMEMBERED:
                self._logged.popitem(last=False)
        # Whoever made the text cannot make it look like another entry.
        lines = "".join(f"{number}| {line}\n" for line in text.splitlines())
        with suppress(OSError, ValueError):  # a log that cannot be written keeps nobody from being served
            sys.stderr.write(f"log entry {number}:\n{lines}")
            sys.stderr.flush()
        return number

    def _may_log(self) -> bool:
        now = time.monotonic()
        if now - self._minute > 60:
            self._minute, self._entries = now, 0
        self._entries += 1
        return self._entries <= MOST_A_MINUTE
