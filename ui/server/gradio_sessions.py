"""How many pages one address may keep open: Gradio holds a quarter of a megabyte for each."""

from __future__ import annotations

from collections import OrderedDict

from fastapi import HTTPException
from gradio.state_holder import SessionState, StateHolder

from ui.server.conversations import LONGEST_ID
from ui.studio.limits import ADDRESS, TOO_MANY_PAGES

_MOST_REMEMBERED = 100_000


class LimitedSessions(StateHolder):
    """Gradio's sessions, at most `most` an address; an idle one goes before a new one is refused."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._addresses: OrderedDict[str, str] = OrderedDict()

    def __getitem__(self, session_id: str) -> SessionState:
        """The session, made where there is none.

        Raises:
            HTTPException: 429 when this address has too many.
        """
        if session_id not in self.session_data:
            address = self._addresses.get(session_id) or ADDRESS.get()
            if not self.admit(address, session_id):
                raise HTTPException(429, TOO_MANY_PAGES)
        return super().__getitem__(session_id)

    def admit(self, address: str, session: str) -> bool:
        """Whether a page at this address may have this session, for which an idle one may have to go."""
        if session in self.session_data:
            return True
        if len(session) > LONGEST_ID:
            return False
        of_address = [id for id in self.session_data if self._addresses.get(id) == address]
        if address and not address.startswith("user:") and len(of_address) >= self._most:
            idle = next((id for id in of_address if not self._is_busy(id)), None)  # least recently used first
            if idle is None:
                return False
            del self.session_data[idle]
            self.time_last_used.pop(idle, None)
        self._addresses[session] = address
        while len(self._addresses) > _MOST_REMEMBERED:
            self._addresses.popitem(last=False)
        return True

    def _is_busy(self, session: str) -> bool:
        return bool(self.blocks._queue.pending_event_ids_session.get(session))
