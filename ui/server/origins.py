"""Requests that a page of another site makes in somebody's browser are refused.

Without a login, whoever's browser can reach the server can use it, and every page in that browser could try:
by posts whose answer it cannot read, or under a name of its own that leads to this address (DNS rebinding).
Programs such as curl send neither Origin nor Sec-Fetch-*, and are no browser that could be misused.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from ui.server.asgi import Scope, host_name
from ui.server.reach import Reach


def refusal(method: str, headers: Mapping[str, str], reach: Reach) -> str | None:
    """Why a request is refused, None where it is not. `headers` by lower-case names."""
    host = headers.get("host", "")
    if not _is_own(host_name(host), reach):
        shown = host[:90] or "nothing"
        return f"This server does not go by {shown!r}; start it with --allow-host NAME to use that name"
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin.lower() in reach.origins:
        return None
    if site in ("same-origin", "none"):  # the browser's own word, which no page can forge
        return None
    if site is not None:
        opened = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return None if opened and method in ("GET", "HEAD") else _FOREIGN
    if origin is None or _is_same(origin, host, reach):
        return None
    return _FOREIGN


_FOREIGN = (
    "Another site may not use this server; --allow-origin ORIGIN admits a site of one's own, "
    "and --allow-host NAME the name that a proxy gives this one"
)


def _is_own(name: str, reach: Reach) -> bool:
    """Whether a name is this server's. An IP address always is: rebinding needs a name."""
    try:
        ip_address(name)
    except ValueError:
        return name in reach.own_names
    return True


def _is_same(origin: str, host: str, reach: Reach) -> bool:
    """Whether a page of `origin` is one of ours: of the host that the request is for, or a name we go by."""
    try:
        parts = urlsplit(origin.lower())
        named = parts.hostname in {name.lower() for name in reach.names}
    except ValueError:
        return False
    return bool(parts.netloc) and (parts.netloc == host.lower() or named)


def is_preflight(scope: Scope, reach: Reach) -> bool:
    """Whether a browser asks beforehand what a page of an admitted site may send."""
    return scope["method"] == "OPTIONS" and bool(reach.origins)
