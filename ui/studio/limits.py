"""How much one owner, one address, and everybody together may have on a server.

Limits for an address hold for visitors without a login: a cookie is free, so many owners may be one person.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

MB = 2**20

DRAFTS_PER_OWNER, DRAFTS_IN_ALL = 20, 500
DRAFT_BYTES_PER_OWNER, DRAFT_BYTES_PER_ADDRESS, DRAFT_BYTES_IN_ALL = 64 * MB, 128 * MB, 512 * MB
"""What the form opens is kept in memory."""
SAVED_PER_OWNER, SAVED_BYTES_PER_OWNER = 500, 200 * MB
SAVED_IN_ALL, SAVED_BYTES_IN_ALL = 2000, 400 * MB
"""Without a login, where everybody shares one folder."""
ADDRESS: ContextVar[str] = ContextVar("ADDRESS", default="")
"""What the request that is answered now counts for: see `Owner.block`."""
TOO_MANY_PAGES = "There are too many open pages from your address: close one, or try again later"
CONNECTIONS = 1000
"""Open connections of the whole server; each canvas keeps about three. Over it, it answers with 503."""


@dataclass(frozen=True)
class Limits:
    """The limits that options change: each for one address."""

    drafts_per_address: int = 50
    queued_per_address: int = 20
    sessions_per_address: int = 50


def block(address: str) -> str:
    """What counts as one address: of IPv6 its /64, which is what a single household is given."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return str(parsed)
