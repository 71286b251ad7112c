"""Requests with workflows: worked on in threads, for a limited time, and the large ones two at once.

Python computes in one thread at a time: many large workflows at once would only keep everybody waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread
from anyio.lowlevel import RunVar

from graph.patience import interruptible
from ui.studio import deadline

LARGE_BYTES, LARGE_NODES = 2**20, 1000
"""A workflow of more is a large one."""
LARGE_AT_ONCE = 2

P = ParamSpec("P")
T = TypeVar("T")
_turns: RunVar[CapacityLimiter] = RunVar("turns")


async def work(large: bool, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread; a large workflow waits for its turn first.

    Raises:
        TakesLong: when the time is over, in the queue or at work.
    """
    check = deadline.deadline()

    def timed() -> T:
        check()
        with interruptible(check):
            return do(*args, **kwargs)

    if not large:
        return await to_thread.run_sync(timed)
    turns = _limiter()
    try:
        with fail_after(deadline.SECONDS):
            await turns.acquire()
    except TimeoutError:
        raise deadline.TakesLong from None
    try:
        return await to_thread.run_sync(timed)
    finally:
        turns.release()


def _limiter() -> CapacityLimiter:
    """The turns of this event loop."""
    try:
        return _turns.get()
    except LookupError:
        turns = CapacityLimiter(LARGE_AT_ONCE)
        _turns.set(turns)
        return turns
