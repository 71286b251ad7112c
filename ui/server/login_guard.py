"""Makes guessing passwords slow, without locking anybody out of their account."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FAILURES = 10
"""Failed logins of a name from an address, or of an address, before it has to wait."""
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 900.0
"""Seconds; each failure after a pause doubles the next one."""
SLOW_AFTER, SLOW_SECONDS = 100, 1.0
"""After so many failures of a name, from wherever, every answer about it takes so much longer."""
_FORGOTTEN_AFTER = 3600.0
_MOST_REMEMBERED = 10_000

_log = logging.getLogger("kandinsky.login")


class LoginPaused(Exception):
    """Too many logins failed; `seconds` is how long to wait."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"too many logins failed: try again in {seconds:.0f} seconds")


@dataclass
class _Count:
    last: float
    failures: int = 0
    until: float = 0.0
    pause: float = FIRST_PAUSE


class LoginGuard:
    """Counts failed logins: for each name and address, for each address, and for each name.

    Only the event loop calls it, so that its state needs no lock. An attempt counts as failed from its start,
    or many at once would all be let through.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[str, str], _Count] = OrderedDict()

    def begin(self, name: str, address: str) -> float:
        """Note an attempt; the seconds that its answer is to be delayed by.

        Raises:
            LoginPaused: when this address has to wait first.
        """
        now = self._clock()
        # The address first: while it is paused, names that it invents must not push out other counts.
        places = []
        for key in (("", address), (name, address)):
            places.append(self._count(key, now))
            if places[-1].until > now:
                raise LoginPaused(places[-1].until - now)
        for place in places:
            place.failures += 1
            place.last = now
            if place.failures >= FAILURES:
                place.until = now + place.pause
                place.pause = min(2 * place.pause, LONGEST_PAUSE)
                _log.warning(
                    "%d failed logins from %s: paused for %.0f s", place.failures, address, place.until - now
                )
        anywhere = self._count((name, ""), now)
        anywhere.failures += 1
        anywhere.last = now
        return SLOW_SECONDS if anywhere.failures > SLOW_AFTER else 0.0

    def succeeded(self, name: str, address: str) -> None:
        """Take back that the attempt counted as failed."""
        self._counts.pop((name, address), None)
        for key in (("", address), (name, "")):
            count = self._counts.get(key)
            if count is not None:
                count.failures = max(count.failures - 1, 0)
                if count.failures < FAILURES:
                    count.until, count.pause = 0.0, FIRST_PAUSE

    def _count(self, key: tuple[str, str], now: float) -> _Count:
        count = self._counts.get(key)
        if count is None or (now - count.last > _FORGOTTEN_AFTER and now > count.until):
            count = self._counts[key] = _Count(now)
        self._counts.move_to_end(key)
        while len(self._counts) > _MOST_REMEMBERED:
            self._counts.popitem(last=False)
        return count
