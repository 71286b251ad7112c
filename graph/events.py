"""What a run reports, the same to canvas, command line and Python.

An event is a plain dict with `event`, `run` (id), `time` (seconds since the start) and the fields below:

    invalid   problems
    planned   nodes: id -> "run" | "reuse" | "skip"
    started   node
    progress  node, step, steps, preview (base64, optional)
    warning   node, message
    finished  node, seconds, from, outputs: port -> summary
    failed    node, error, details
    skipped   node, because
    done      status, seconds, outputs: interface name -> file paths, value or summary
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

Event = dict[str, Any]
Listener = Callable[[Event], None]


class Reporter:
    """Stamps events with the run and the time, and hands them to one listener, one at a time."""

    def __init__(self, listener: Listener | None, same: Reporter | None = None) -> None:
        """With `same`, of the run that this reporter began."""
        self.run: str = uuid.uuid4().hex[:12] if same is None else same.run
        self._listener = listener
        self._start: float = time.perf_counter() if same is None else same._start
        self._lock = threading.Lock()

    @property
    def listening(self) -> bool:
        return self._listener is not None

    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return time.perf_counter() - self._start

    def warns_of(self, node: str) -> Callable[[str], None]:
        """A function that reports a warning of a node."""
        return lambda message: self.emit("warning", node=node, message=message)

    def emit(self, event: str, **fields: Any) -> None:
        """Report one event."""
        if self._listener is None:
            return
        with self._lock:
            self._listener({"event": event, "run": self.run, "time": round(self.elapsed(), 6), **fields})
