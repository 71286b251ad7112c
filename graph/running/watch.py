"""Runs that are given up when a node hangs: its thread is abandoned, and what it still does is dropped.

A thread cannot be ended from outside. What can be done is to go on without it: the run is reported as failed
(or as cancelled, if it was), and nothing that the abandoned thread makes is kept, reported or written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from graph.context import Cancelled
from graph.events import Event, Listener

_LOOK_SECONDS = 0.05


class Abandoned(Cancelled):
    """Raised in a thread that was given up, wherever it comes back to the engine."""


class Watch:
    """Which nodes of a run are at work, and when each gave its last sign of life.

    The thread of the run reports through `listener`, another one looks at it: `_signs` is what they share.
    """

    def __init__(self, listener: Listener | None, limit: float) -> None:
        self.abandoned = threading.Event()
        self.reported: set[str] = set()
        """The nodes of which is known what became of them."""
        self._listener = listener
        self._limit = limit
        self._signs: dict[str, float] = {}
        self._lock = threading.Lock()

    def listener(self, event: Event) -> None:
        """Take note of an event and pass it on, unless the run was given up."""
        with self._lock:
            if self.abandoned.is_set():
                raise Abandoned
            node, kind = event.get("node"), event["event"]
            if kind == "started" or node in self._signs:  # a warning may come of a node that only waits
                self._signs[str(node)] = time.monotonic()
            if kind in ("finished", "failed", "skipped"):
                self._signs.pop(str(node), None)
                self.reported.add(str(node))
            if self._listener is not None:
                self._listener(event)

    def run(self, work: Callable[[], Any]) -> tuple[threading.Thread, str | None]:
        """Do the work in a thread of its own; the thread, and the node that hangs, None if none does."""
        thread = threading.Thread(target=work, name="kandinsky-run", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_LOOK_SECONDS)
            with self._lock:
                silent = self._silent()
                if silent is not None and thread.is_alive():
                    self.abandoned.set()
                    return thread, silent
        return thread, None

    def _silent(self) -> str | None:
        """The node that gave no sign of life for too long."""
        now = time.monotonic()
        late = (node for node, last in self._signs.items() if now - last > self._limit)
        return next(late, None)
