"""Which plan a canvas still waits for: the one of its newest edit, and that not for ever."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

PLAN_SECONDS = 8.0
"""A request has 10 s in all; what is left is for reading it and for the answer."""
_MOST_TABS = 10_000


class Superseded(Exception):
    """A newer edit of the same canvas is planned already."""


class PlanTakesLong(Exception):
    """The workflow cannot be planned in the time that one request may take; the message is one sentence."""

    def __init__(self) -> None:
        super().__init__(
            f"planning this workflow takes more than {PLAN_SECONDS:.0f} s, which is the limit here; "
            "a smaller one, or kandinsky plan on the command line, will do"
        )


class Edits:
    """The newest edit of each open canvas; requests in many threads ask it."""

    def __init__(self) -> None:
        self._newest: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def patience(self, owner: str, tab: str) -> Callable[[], None]:
        """Begin the plan of an edit; what is returned raises once nobody waits for it any more.

        Without a `tab` no edit supersedes another.
        """
        key = (owner, tab[:100])
        with self._lock:
            number = self._newest[key] = self._newest.pop(key, 0) + 1
            while len(self._newest) > _MOST_TABS:
                self._newest.popitem(last=False)
        deadline = time.monotonic() + PLAN_SECONDS

        def check() -> None:
            if time.monotonic() > deadline:
                raise PlanTakesLong
            if tab and self._newest.get(key, number) != number:
                raise Superseded

        return check
