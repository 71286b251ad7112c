"""The events of one run, kept so that anybody may follow them from any point on, again and again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

Event = dict[str, Any]

BATCH_SECONDS = 0.03
"""Events that come within this time reach a reader together."""


class EventLog:
    """What happened in a run, in order; `append` may be called from any thread.

    Of the previews of a node only the newest is kept: a slow reader, or one who comes late, gets that one.
    Everything else is complete. A log ends with the event `done`.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        self._events: list[Event] = []
        self._previews: dict[str, int] = {}
        self._wakers: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    @property
    def ended(self) -> bool:
        """Whether nothing will be added any more."""
        return bool(self._events) and self._events[-1]["event"] == "done"

    def append(self, event: Event) -> None:
        """Add an event, numbered; nothing follows `done`."""
        with self._lock:
            if self.ended:
                return
            number = len(self._events)
            self._drop_older_preview(event, number)
            self._events.append({**event, "run": self.run, "seq": number})
            wakers = list(self._wakers)
        for wake in wakers:
            wake()

    def since(self, number: int) -> tuple[list[Event], bool]:
        """The events from number `number` on, and whether they are the last."""
        with self._lock:
            return self._events[max(number, 0) :], self.ended

    async def follow(self, since: int = 0, patience: float | None = None) -> AsyncIterator[list[Event]]:
        """Batches of events from number `since` on, until the run is done.

        Args:
            patience: an empty batch comes when nothing has happened for so many seconds.
        """
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the reader's loop has ended
                loop.call_soon_threadsafe(woken.set)

        with self._lock:
            self._wakers.add(wake)
        try:
            while True:
                woken.clear()
                events, ended = self.since(since)
                if events:
                    since = events[-1]["seq"] + 1
                    yield events
                if ended:
                    return
                try:
                    await asyncio.wait_for(woken.wait(), patience)
                    await asyncio.sleep(BATCH_SECONDS)
                except TimeoutError:
                    yield []
        finally:
            with self._lock:
                self._wakers.discard(wake)

    def _drop_older_preview(self, event: Event, number: int) -> None:
        node = event.get("node")
        over = event["event"] in ("failed", "skipped") or _shows(event)
        if node is None or not ("preview" in event or over):
            return
        older = self._previews.pop(node, None)
        if older is not None:
            # Replaced, not changed: a reader may hold the event.
            shown = self._events[older]
            self._events[older] = {name: value for name, value in shown.items() if name != "preview"}
        if "preview" in event:
            self._previews[node] = number


def _shows(event: Event) -> bool:
    """Whether a node is done with a picture of its own; latents, say, have none but their last preview."""
    outputs = event.get("outputs", {}) if event["event"] == "finished" else {}
    return any("thumbnail" in summary for summary in outputs.values())
