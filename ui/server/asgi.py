"""Requests and answers as ASGI has them, for the access guard."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Gradio's page has scripts and styles in it, and its components make functions of text.
_PAGE_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
_COMMON = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers of a request by lower-case names; of several with one name the first."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().rstrip(".")


def cookies_of(scope: Scope) -> dict[str, str]:
    """The cookies of a request by name."""
    pairs = (part.strip().partition("=") for part in headers_of(scope).get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs}


def with_safe_headers(send: Send, secure: bool) -> Send:
    """Add what every answer says to a browser, and make Gradio's cookies as strict as ours."""

    def edited(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        kept = [(name, _strict(value, secure) if name == b"set-cookie" else value) for name, value in headers]
        there = {name for name, _ in kept}
        kept += [pair for pair in _COMMON if pair[0] not in there]
        is_page = any(name == b"content-type" and value.startswith(b"text/html") for name, value in kept)
        if is_page and b"content-security-policy" not in there:
            kept.append((b"content-security-policy", _PAGE_POLICY.encode()))
        return kept

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": edited([(n.lower(), v) for n, v in message.get("headers", [])])}
        await send(message)

    return sending


def _strict(cookie: bytes, secure: bool) -> bytes:
    """A cookie that no other site's request carries."""
    parts = [part.strip() for part in cookie.split(b";")]
    plain = [part for part in parts if not part.lower().startswith(b"samesite")]
    if secure and b"secure" not in [part.lower() for part in plain]:
        plain.append(b"Secure")
    return b"; ".join([*plain, b"SameSite=Lax"])


def with_cookie(send: Send, name: str, value: str, secure: bool) -> Send:
    """Set a cookie with the answer, for a year."""
    cookie = f"{name}={value}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax" + "; Secure" * secure

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
            message = {**message, "headers": headers}
        await send(message)

    return sending


async def answer(send: Send, status: int, reason: str) -> None:
    """Answer with a sentence."""
    body = json.dumps({"error": reason, "detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def goodbye(send: Send, cookies: Sequence[str]) -> None:
    """Answer a logout: these cookies go, and whatever the browser kept of the page."""
    headers = [(b"content-length", b"0"), (b"clear-site-data", b'"cache", "storage"')]
    headers += [(b"set-cookie", f"{name}=; Path=/; Max-Age=0; HttpOnly".encode()) for name in cookies]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def redirect(send: Send, address: str) -> None:
    """Lead a browser somewhere else."""
    headers = [(b"location", address.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
