"""Names and passwords of the people who may use a server."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SCRYPT = re.compile(r"scrypt\$([0-9a-f]{32})\$([0-9a-f]{64})")
_LARGEST_FILE = 1 << 20


class AccountsRefused(ValueError):
    """A file of accounts that cannot be used; the message is one sentence."""


class Accounts:
    """Names and their passwords, from a file with a line `name:password` or `name:scrypt$...` for each."""

    def __init__(self, secrets_by_name: Mapping[str, str]) -> None:
        self._secrets = {name: _hashed(secret) for name, secret in secrets_by_name.items()}
        self._nobody = password_hash("")

    @classmethod
    def read(cls, path: Path) -> Accounts:
        """The accounts in a file.

        Raises:
            AccountsRefused: saying which line is wrong.
            OSError: when it cannot be read.
        """
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
        try:
            lines = data.decode("utf-8-sig").splitlines() if len(data) <= _LARGEST_FILE else None
        except UnicodeDecodeError:
            lines = None
        if lines is None:
            raise AccountsRefused(f"{path} is not a text of at most 1 MB, one name:password a line")
        found: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, secret = line.partition(":")
            if not (_NAME.fullmatch(name) and secret):
                expected = "name:password with letters, digits, . _ - in the name"
                raise AccountsRefused(f"{path}, line {number} is no account: expected {expected}")
            if name.lower() in map(str.lower, found):
                raise AccountsRefused(f"{path}, line {number}: there is another account called {name!r}")
            found[name] = secret
        if not found:
            raise AccountsRefused(f"{path} holds no account: expected a line name:password for each person")
        return cls(found)

    def check(self, name: str, password: str) -> bool:
        """Whether this is the password of that name; takes as long for an unknown name."""
        return _fits(password, self._secrets.get(name, self._nobody)) and name in self._secrets


def password_hash(password: str) -> str:
    """What may stand for a password in the file: its salted hash (scrypt), which does not tell it."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(password, salt).hex()}"


def _hashed(secret: str) -> str:
    return secret if _SCRYPT.fullmatch(secret) else password_hash(secret)


def _fits(password: str, hashed: str) -> bool:
    match = _SCRYPT.fullmatch(hashed)
    assert match is not None
    return hmac.compare_digest(_scrypt(password, bytes.fromhex(match[1])), bytes.fromhex(match[2]))


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(errors="surrogatepass"), salt=salt, n=2**14, r=8, p=1, dklen=32)
