"""Whom a request is from: its peer, or where that is a trusted proxy, the client that it names.

What proxies add is removed from every request, so that nothing behind the access guard can be misled by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from ui.server.asgi import Scope, headers_of, host_name
from ui.server.reach import Reach


@dataclass(frozen=True)
class Client:
    """Where a request came from."""

    address: str
    of_machine: bool
    """It is from this machine, and nothing says that somebody else's request was passed on."""


def client_of(scope: Scope, reach: Reach) -> Client:
    """The client of a request; its scope has neither forwarding headers nor a proxy's name afterwards."""
    peer = (scope.get("client") or ("unknown", 0))[0]
    said = {name: value for name, value in scope["headers"] if _forwards(name)}
    if said:
        scope["headers"] = [pair for pair in scope["headers"] if not _forwards(pair[0])]
    if not reach.trusts(peer):
        direct = not said and not _is_passed_on(scope)
        return Client(peer, reach.has_owner and _is_loopback(peer) and direct)
    if _first(said, b"x-forwarded-proto") in ("http", "https"):
        scope["scheme"] = _first(said, b"x-forwarded-proto")
    host = _first(said, b"x-forwarded-host")
    if host:
        rest = [pair for pair in scope["headers"] if pair[0] != b"host"]
        scope["headers"] = [(b"host", host.encode("latin-1")), *rest]
    hops = [hop.strip() for hop in said.get(b"x-forwarded-for", b"").decode("latin-1").split(",")]
    named = [hop for hop in reversed(hops) if _is_address(hop) and not reach.trusts(hop)]
    return Client(named[0] if named else peer, False)


def _is_passed_on(scope: Scope) -> bool:
    """Whether a request came by a proxy that says nothing of itself, as nginx does by default.

    It speaks HTTP/1.0, or calls this server by another name or address than the browser does.
    """
    headers = headers_of(scope)
    origin, host = headers.get("origin"), headers.get("host", "").lower()
    renamed = origin is not None and origin.lower().partition("://")[2] != host
    name = host_name(host)
    elsewhere = _is_address(name) and not (_is_loopback(name) or ip_address(name).is_unspecified)
    return scope.get("http_version") == "1.0" or renamed or elsewhere


def _forwards(name: bytes) -> bool:
    return name in (b"forwarded", b"via", b"x-real-ip", b"x-gradio-server") or name.startswith(
        b"x-forwarded-"
    )


def _first(said: dict[bytes, bytes], name: bytes) -> str:
    return said.get(name, b"").decode("latin-1").partition(",")[0].strip()


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(text: str) -> bool:
    return _is_address(text) and ip_address(text).is_loopback
