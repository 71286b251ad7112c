"""Gradio's calls and sessions, by who began them: to know the id of one must not be enough to use it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from urllib.parse import parse_qs

from ui.studio.owners import Owner

MOST_CONVERSATIONS = 2_000
"""Calls and sessions that are remembered for one visitor, or for one address without a login."""
LONGEST_ID = 128
"""Characters; Gradio's have at most 36."""

_CALLED = re.compile(r"/gradio_api/call/(?:v2/)?[^/]+/([^/]+)/?")
_KEPT_OPEN = re.compile(r"/gradio_api/heartbeat/([^/]+)/?")
_HEARD = re.compile(r"/gradio_api/queue/data/?")


class Conversations:
    """Who began which call or session: the answers are for them alone."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._begun: defaultdict[str, list[str]] = defaultdict(list)
        """Address or user -> their calls and sessions, oldest first."""

    def begin(self, owner: Owner, id: str) -> bool:
        """Remember who began a call or session; False where somebody else did already, or it is no id."""
        if len(id) > LONGEST_ID:
            return False
        if id not in self._owners:
            self._owners[id] = owner.id
            begun = self._begun[owner.block]
            begun.append(id)
            if len(begun) > MOST_CONVERSATIONS:
                self._forget_one(begun)
        return self._owners[id] == owner.id

    def _forget_one(self, begun: list[str]) -> None:
        """The oldest of whoever has most at an address: a neighbour's excess costs nobody their answers."""
        (most, _), *_ = Counter(self._owners[id] for id in begun).most_common(1)
        oldest = next(id for id in begun if self._owners[id] == most)
        begun.remove(oldest)
        del self._owners[oldest]

    def may_get(self, owner: Owner, path: str, query: str) -> bool:
        """Whether what is read there belongs to a call or session of this person, or to none."""
        open_page = _KEPT_OPEN.fullmatch(path)  # the first that a page asks for
        if open_page is not None and not self.begin(owner, open_page[1]):
            return False
        return all(self._owners.get(id) == owner.id for id in _named(path, query))


def _named(path: str, query: str) -> Iterator[str]:
    """The calls and sessions whose answers are read there."""
    called = _CALLED.fullmatch(path)
    if called is not None:
        yield called[1]
    if _HEARD.fullmatch(path):
        yield from parse_qs(query).get("session_hash", ())
