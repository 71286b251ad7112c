"""Workflows as they are on somebody's canvas, kept for a while so that their form can be opened."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from ui.studio import limits
from ui.studio.owners import Owner


class DraftRefused(Exception):
    """A draft for which there is no room; the message is one sentence."""


@dataclass(frozen=True)
class Draft:
    """The text of a workflow file: parsed, it would take ten times the memory."""

    owner: str
    block: str
    text: str


class Drafts:
    """Drafts in memory. Where an owner has too many, their own oldest goes; nobody else's does."""

    def __init__(self, most_per_address: int) -> None:
        self._most_per_address = most_per_address
        self._drafts: OrderedDict[str, Draft] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, owner: Owner, text: str) -> str:
        """Keep a workflow for its owner; its id.

        Raises:
            DraftRefused: when it is too large, or there are too many at this address or in all.
        """
        draft = Draft(owner.id, owner.block, text)
        with self._lock:
            self._make_room(draft)
            others = self._drafts.values()
            if owner.user is None:
                same = [other for other in others if other.block == draft.block]
                most = (self._most_per_address, limits.DRAFT_BYTES_PER_ADDRESS)
                _check(same, draft, *most, "from your address")
            _check(others, draft, limits.DRAFTS_IN_ALL, limits.DRAFT_BYTES_IN_ALL, "on this server")
            id = secrets.token_hex(16)
            self._drafts[id] = draft
        return id

    def get(self, owner: Owner, id: str) -> str | None:
        """One's own draft, None for any other."""
        draft = self._drafts.get(id)
        return draft.text if draft is not None and draft.owner == owner.id else None

    def _make_room(self, draft: Draft) -> None:
        if len(draft.text) > limits.DRAFT_BYTES_PER_OWNER:
            limit = limits.DRAFT_BYTES_PER_OWNER // limits.MB
            raise DraftRefused(f"this workflow is too large to be opened as a form: the limit is {limit} MB")
        own = [(id, other) for id, other in self._drafts.items() if other.owner == draft.owner]
        size = len(draft.text) + sum(len(other.text) for _, other in own)
        for number, (id, other) in enumerate(own):
            left = len(own) - number
            if left < limits.DRAFTS_PER_OWNER and size <= limits.DRAFT_BYTES_PER_OWNER:
                break
            del self._drafts[id]
            size -= len(other.text)


def _check(others: Iterable[Draft], draft: Draft, most: int, most_bytes: int, where: str) -> None:
    sizes = [len(other.text) for other in others]
    if len(sizes) >= most:
        raise DraftRefused(f"{most} forms are open {where} already, which is the limit: try again later")
    if sum(sizes) + len(draft.text) > most_bytes:
        limit = most_bytes // limits.MB
        raise DraftRefused(f"the forms that are open {where} take {limit} MB, the limit: try again later")
