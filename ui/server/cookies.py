"""The cookie that a visitor is known by: a random secret, signed so that none can be invented.

Cookies of the first edition are bare secrets. One whose owner has something here is exchanged for a signed
one with the same owner.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from itsdangerous import BadSignature, Signer

from ui.studio.owners import Owner, visitor

COOKIE = "kandinsky-visitor"
KEY_FILE = "cookies.key"
KEY_BYTES = 32

_UNSIGNED = re.compile(r"[A-Za-z0-9_-]{43}")


class Cookies:
    """Gives out and reads the cookies of visitors.

    Args:
        has_data: whether an owner, by id, has anything on this server.
    """

    def __init__(self, key: bytes, has_data: Callable[[str], bool]) -> None:
        self._signer = Signer(key, salt=COOKIE)
        self._has_data = has_data

    def new(self) -> tuple[Owner, str]:
        """A visitor who was never here, and their cookie."""
        return self._signed(secrets.token_urlsafe(32))

    def owner(self, cookie: str) -> Owner | None:
        """The visitor with this cookie; None for one that was not given out here."""
        try:
            return visitor(self._signer.unsign(cookie).decode())
        except (BadSignature, UnicodeError):
            return None

    def exchanged(self, cookie: str) -> tuple[Owner, str] | None:
        """The visitor with this cookie of the first edition, and a signed one for them."""
        if not _UNSIGNED.fullmatch(cookie) or not self._has_data(visitor(cookie).id):
            return None
        return self._signed(cookie)

    def _signed(self, secret: str) -> tuple[Owner, str]:
        return visitor(secret), self._signer.sign(secret).decode()


def cookie_key(folder: Path) -> bytes:
    """The key in a folder, made where there is none; only its user may read it.

    Raises:
        OSError: when it can be neither read nor made, or is damaged.
    """
    path = folder / KEY_FILE
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
    except FileExistsError:
        pass
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"{path} is damaged: expected {KEY_BYTES} bytes; without it a new one is made")
    return key
