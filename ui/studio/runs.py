"""Everybody's runs: one at a time, the others in a fair queue, each with a log that outlives the page.

Knows neither the web nor what a run computes.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Protocol

from graph.events import Listener
from graph.problems import InvalidWorkflow, sentence
from ui.studio.event_log import EventLog
from ui.studio.log import log_failure

QUEUED_PER_OWNER = 8
QUEUED_IN_ALL = 100
KEPT_PER_OWNER = 10
KEPT_IN_ALL = 100
OWNERS_REMEMBERED = 1000
MOST_ABANDONED = 3
"""Threads that were given up and are still at work; then the server has to be restarted."""
_RESTART = f"{MOST_ABANDONED} runs hang: the server has to be restarted"


class QueueFull(Exception):
    """There are too many runs already; the message is one sentence."""


class UnknownRun(LookupError):
    """There is no such run, or it is somebody else's; the message is one sentence."""


class Work(Protocol):
    """What is run: `graph.running.run.Run` is one."""

    listener: Listener | None

    @property
    def abandoned(self) -> threading.Thread | None:
        """The thread that was given up, because a node in it hangs."""

    def execute(self) -> Any:
        """Do the work in the calling thread, and tell the listener."""

    def cancel(self) -> None:
        """Stop soon; called from another thread."""


@dataclass(eq=False)
class Entry:
    """One run of somebody."""

    owner: str
    work: Work
    about: dict[str, Any]
    """What the owner may be told of it: its workflow and so on."""
    number: int
    log: EventLog
    position: int = -1
    """How many runs are before it, as last told."""
    cancelled: bool = False
    address: str = ""


class Runs:
    """Starts runs and answers for them; every method may be called from any thread."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._queue: list[Entry] = []
        self._running: Entry | None = None
        self._served: dict[str, int] = {}
        """Owner -> the number of the turn that they had last."""
        self._turns = 0
        self._count = 0
        self._closed = False
        self._changed = threading.Condition(threading.RLock())
        self._abandoned: list[threading.Thread] = []
        self._worker = threading.Thread(target=self._work, name="kandinsky-runs", daemon=True)
        self._worker.start()

    @property
    def works(self) -> bool:
        """Whether what waits will be run."""
        return self._worker.is_alive() and not self._closed and not self._must_restart()

    def _must_restart(self) -> bool:
        """Whether too many abandoned threads are still at work."""
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        return len(self._abandoned) >= MOST_ABANDONED

    @property
    def abandoned(self) -> bool:
        """Whether a thread that was given up is still at work, so that the process does not end by itself."""
        return any(thread.is_alive() for thread in self._abandoned)

    def start(
        self, owner: str, work: Work, about: dict[str, Any] | None = None, address: str = "", most: int = 0
    ) -> str:
        """Put a run into the queue; its id.

        Args:
            address: where a visitor without a login is; `most` runs may wait from there.

        Raises:
            QueueFull: when the owner, their address, or everybody together has too many waiting.
        """
        with self._changed:
            if self._must_restart():
                raise QueueFull(_RESTART)
            mine = sum(entry.owner == owner for entry in self._queue)
            if mine >= QUEUED_PER_OWNER:
                raise QueueFull(f"you have {mine} runs waiting already; wait for one, or cancel one")
            near = sum(entry.address == address for entry in self._queue) if address else 0
            if most and near >= most:
                raise QueueFull(f"{near} runs from your address are waiting already, which is the limit")
            if len(self._queue) >= QUEUED_IN_ALL:
                raise QueueFull(f"{len(self._queue)} runs are waiting already; try again later")
            id = uuid.uuid4().hex
            self._count += 1
            entry = Entry(owner, work, about or {}, self._count, EventLog(id), address=address)
            work.listener = entry.log.append
            self._entries[id] = entry
            self._queue.append(entry)
            self._tell_positions()
            self._changed.notify_all()
        return id

    def log(self, owner: str, id: str) -> EventLog:
        """The events of one's own run.

        Raises:
            UnknownRun: when it is not there, or somebody else's.
        """
        return self._own(owner, id).log

    def cancel(self, owner: str, id: str) -> None:
        """Stop one's own run: at its next step, or before it begins. A run that is done stays done.

        Raises:
            UnknownRun: when it is not there, or somebody else's.
        """
        with self._changed:
            entry = self._own(owner, id)
            entry.cancelled = True
            entry.work.cancel()
            if entry in self._queue:
                self._queue.remove(entry)
                self._end(entry, "cancelled")
                self._tell_positions()

    def active(self, owner: str) -> list[tuple[str, int, dict[str, Any]]]:
        """One's own runs that are not done, oldest first: id, position, and what is known of each."""
        with self._changed:
            placed = [(entry, number) for number, entry in enumerate(self._placed()) if entry.owner == owner]
        placed.sort(key=lambda pair: pair[0].number)
        return [(entry.log.run, position, entry.about) for entry, position in placed]

    def queue(self, owner: str) -> list[tuple[str, bool, dict[str, Any]]]:
        """Everything that runs or waits, in order: of others' runs no more than that they are there."""
        with self._changed:
            placed = self._placed()
        return [
            (entry.log.run, True, entry.about) if entry.owner == owner else ("", False, {})
            for entry in placed
        ]

    def close(self) -> None:
        """Cancel everything; nothing starts any more."""
        with self._changed:
            self._closed = True
            if self._running is not None:
                self._running.work.cancel()
            for entry in self._queue:
                self._end(entry, "cancelled")
            self._queue.clear()
            self._changed.notify_all()

    def _own(self, owner: str, id: str) -> Entry:
        entry = self._entries.get(id)
        if entry is None or entry.owner != owner:
            raise UnknownRun("this run is not known (any more)")
        return entry

    # The order

    def _placed(self) -> list[Entry]:
        """What runs, then what waits in the order of its turns."""
        return [*([self._running] if self._running else []), *self._in_turn()]

    def _in_turn(self) -> list[Entry]:
        """Owners take turns, who was served longest ago begins; each one's runs are in their order."""
        waiting: dict[str, deque[Entry]] = {}
        for entry in self._queue:
            waiting.setdefault(entry.owner, deque()).append(entry)
        # The owners as they will be served, the next one first; who is served goes to the end.
        owners = deque(
            sorted(waiting, key=lambda owner: (self._served.get(owner, 0), waiting[owner][0].number))
        )
        ordered = []
        while owners:
            owner = owners.popleft()
            ordered.append(waiting[owner].popleft())
            if waiting[owner]:
                owners.append(owner)
        return ordered

    def _tell_positions(self) -> None:
        for position, entry in enumerate(self._placed()):
            if entry is not self._running and entry.position != position:
                entry.position = position
                entry.log.append({"event": "queued", "time": 0.0, "position": position})

    # The work

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._queue or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                entry = self._running = self._in_turn()[0]
                self._queue.remove(entry)
                self._turns += 1
                self._served[entry.owner] = self._turns
                self._tell_positions()
            self._execute(entry)
            with self._changed:
                self._running = None
                self._settle(entry)

    def _settle(self, entry: Entry) -> None:
        try:
            thread = entry.work.abandoned
            if thread is not None:
                self._abandoned.append(thread)
            if self._must_restart():
                for waiting in self._queue:
                    self._end(waiting, "failed", error=_RESTART)
                self._queue.clear()
            self._forget()
            self._tell_positions()
        except Exception as error:  # the next run is worked on all the same
            log_failure(error)

    def _execute(self, entry: Entry) -> None:
        start = time.perf_counter()
        error = ""
        try:
            entry.work.execute()
        except InvalidWorkflow:
            error = "the workflow cannot be run as it is"
        except BaseException as failure:  # nothing that a run does may end the worker
            log_failure(failure)
            error = sentence(failure)
        if not entry.log.ended:
            status = "cancelled" if entry.cancelled and not error else "failed"
            self._end(entry, status, time.perf_counter() - start, error)

    def _end(self, entry: Entry, status: str, seconds: float = 0.0, error: str = "") -> None:
        event = {"event": "done", "status": status, "seconds": round(seconds, 6), "outputs": {}}
        entry.log.append({**event, "time": event["seconds"], **({"error": error} if error else {})})

    def _forget(self) -> None:
        """Let go of the oldest runs that are done, and of who had a turn long ago."""
        done = [entry for entry in self._entries.values() if entry.log.ended]
        kept: Counter[str] = Counter()
        for entry in reversed(done):
            kept[entry.owner] += 1
            if kept[entry.owner] > KEPT_PER_OWNER:
                del self._entries[entry.log.run]
        done = [entry for entry in done if entry.log.run in self._entries]
        for _ in range(len(done) - KEPT_IN_ALL):
            # Of whoever has most at the address that has most: nobody's many runs remove another's few.
            counts = Counter(entry.address or entry.owner for entry in done)
            (place, _), *_ = counts.most_common(1)
            there = [entry for entry in done if (entry.address or entry.owner) == place]
            (owner, _), *_ = Counter(entry.owner for entry in there).most_common(1)
            oldest = next(entry for entry in there if entry.owner == owner)
            done.remove(oldest)
            del self._entries[oldest.log.run]
        for owner in sorted(self._served, key=self._served.__getitem__)[:-OWNERS_REMEMBERED]:
            del self._served[owner]
