"""Which plan a canvas still waits for: the one of its newest edit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

_MOST_TABS = 10_000


class Superseded(Exception):
    """A newer edit of the same canvas is planned already."""


class Edits:
    """The newest edit of each open canvas; may be used from any thread."""

    def __init__(self) -> None:
        self._newest: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, owner: str, tab: str) -> Callable[[], None]:
        """Begin the plan of an edit; what is returned raises Superseded once a newer one has begun.

        Without a `tab` no edit supersedes another.
        """
        key = (owner, tab[:100])
        with self._lock:
            number = self._newest[key] = self._newest.pop(key, 0) + 1
            while len(self._newest) > _MOST_TABS:
                self._newest.popitem(last=False)

        def check() -> None:
            if tab and self._newest.get(key, number) != number:
                raise Superseded

        return check
