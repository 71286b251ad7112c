"""Whose a request is: somebody's who logged in, a browser's that was here before, or an address's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from ui.studio.limits import block


@dataclass(frozen=True)
class Owner:
    """Whom runs, results and pictures belong to."""

    id: str
    user: str | None = None
    """The name that they logged in with."""
    address: str = field(default="", compare=False)
    """The address that this request came from; empty where there was no request."""
    of_machine: bool = field(default=False, compare=False)
    """Whether this request came from the person who sits at this machine. Everybody else is a visitor: they
    cause no download, nothing is looked up with the machine's hub token for them, and they see no paths."""

    @property
    def block(self) -> str:
        """What limits for an address count: the address of a visitor, the name of who logged in."""
        return self.id if self.user is not None else block(self.address)


NOBODY = Owner("")
"""Stands where no request was made."""


def user(name: str) -> Owner:
    """Somebody who logged in."""
    return Owner(f"user:{name}", name)


def visitor(secret: str) -> Owner:
    """The visitor whose cookie holds this secret, which the id does not give away."""
    return Owner(f"visitor:{hashlib.sha256(secret.encode()).hexdigest()[:32]}")


def peer(address: str) -> Owner:
    """A program without cookies at this address: curl, or a script."""
    return Owner(f"peer:{address}")
