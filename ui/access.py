"""The door of the server: every request passes here first, and nothing behind it is reached without.

It says who asks (`owner_of`), wants the login where there is one, and keeps files apart: Gradio's own file
route serves whatever lies in its cache to whoever knows the path, so only what the asker uploaded is let
through to it.
"""

from __future__ import annotations

import json
import os
import re
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs

from ui.owners import COOKIE, Owner, new_secret, peer, user, visitor

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 160 * 2**20
"""Bytes of one request: a workflow of 64 MB, written as a JSON text within JSON."""
MOST_UPLOADS = 200
"""Files of one owner in Gradio's cache; older ones are removed."""
MOST_CONVERSATIONS = 50_000

# What the login page itself is made of.
_BEFORE_LOGIN = re.compile(
    r"/|/login/?|/logout|/theme\.css|/favicon\.ico|/robots\.txt|/manifest\.json|/(assets|static|svelte)/.*|"
    r"/gradio_api/(theme\.css|login_check/?|app_id/?)"
)
_PAGES = ("/", "/form", "/form/")
# Parts of Gradio that serve files without an owner, ask other servers, or keep what people did.
_CLOSED = re.compile(
    r"/gradio_api/(proxy=|stream/|deep_link|runs|run-history|vibe|undo-vibe|process_recording|profiling|dev/)"
    r"|/gradio_api/custom_component/|/monitoring|/pwa_icon"
)
_FILE = re.compile(r"/gradio_api/file[=/](.*)", re.DOTALL)
_RESULT = re.compile(r"/?kandinsky/([0-9a-f]{32})/[^/]*")
_UPLOAD = re.compile(r"/gradio_api/upload/?")
_CALL = re.compile(r"/gradio_api/call/(v2/)?[^/]+/?")
_CALLED = re.compile(r"/gradio_api/call/[^/]+/([^/]+)/?")
_JOIN = re.compile(r"/gradio_api/queue/join/?")
_HEARD = re.compile(r"/gradio_api/queue/data/?")


class Sessions(Protocol):
    """Who is logged in."""

    def __call__(self, cookies: dict[str, str]) -> str | None:
        """The name of who has these cookies, None for nobody."""


class BodyTooLarge(Exception):
    """A request has a larger body than any that makes sense."""


class UploadedFiles:
    """The files in Gradio's upload folder, by owner: the newest ones of each, in this process only."""

    def __init__(self) -> None:
        self._paths: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)

    def add(self, owner: Owner, path: str) -> None:
        """Remember that somebody uploaded a file."""
        paths = self._paths[owner.id]
        paths[os.path.abspath(path)] = None  # noqa: PTH100 - links are not followed
        while len(paths) > MOST_UPLOADS:
            oldest, _ = paths.popitem(last=False)
            # Gradio keeps the same content of two people in one file.
            if not any(oldest in others for others in self._paths.values()):
                Path(oldest).unlink(missing_ok=True)

    def owns(self, owner: Owner, path: str) -> bool:
        """Whether somebody uploaded this very file."""
        return os.path.abspath(path) in self._paths.get(owner.id, ())  # noqa: PTH100


class Conversations:
    """Gradio's calls and sessions, by who began them: the answers are for them alone."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()

    def begin(self, owner: Owner, id: str) -> bool:
        """Remember who began a call or session; False where somebody else did already."""
        known = self._owners.setdefault(id, owner.id)
        while len(self._owners) > MOST_CONVERSATIONS:
            self._owners.popitem(last=False)
        return known == owner.id

    def has(self, owner: Owner, id: str) -> bool:
        """Whether this person began it."""
        return self._owners.get(id) == owner.id


class Door:
    """ASGI middleware around the whole application.

    Args:
        sessions: given where a login is wanted.
    """

    def __init__(self, app: App, uploaded: UploadedFiles, sessions: Sessions | None) -> None:
        self._app = app
        self._uploaded = uploaded
        self._sessions = sessions
        self._conversations = Conversations()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        path = scope["path"] = "/" + scope["path"].lstrip("/")
        cookies = _cookies(scope)
        owner = self._who(cookies)
        if owner is None and path in _PAGES and self._sessions is None:
            secret = new_secret()
            owner = visitor(secret)
            send = _with_cookie(send, secret, scope.get("scheme") == "https")
        if self._sessions is not None and owner is None and not _BEFORE_LOGIN.fullmatch(path):
            if path in _PAGES:  # Gradio shows its login on the first page alone
                await _redirect(send, "./" if path.count("/") == 1 else "../")
            else:
                await _answer(send, 401, "Not authenticated")
            return
        address = (scope.get("client") or ("unknown", 0))[0]
        at_machine = self._sessions is None and _is_local(scope, address)
        owner = replace(owner or peer(address), address=address, of_machine=at_machine)
        scope["state"] = {**scope.get("state", {}), "owner": owner}
        refused = self._refuse(scope, owner)
        if refused is not None:
            await _answer(send, *refused)
            return
        if scope["method"] == "POST":
            if _UPLOAD.fullmatch(path):
                send = _noting(scope, send, lambda answer: self._note_uploads(owner, answer))
            elif _CALL.fullmatch(path):
                send = _noting(scope, send, lambda answer: self._note_call(owner, answer))
            elif _JOIN.fullmatch(path):
                body = await _whole(receive)
                if not self._conversations.begin(owner, _session_of(body)):
                    await _answer(send, 403, "This session is somebody else's")
                    return
                receive = _again(body, receive)
        await self._limited(scope, receive, send)

    def _who(self, cookies: dict[str, str]) -> Owner | None:
        if self._sessions is None:
            return visitor(cookies.get(COOKIE, ""))
        name = self._sessions(cookies)
        return user(name) if name is not None else None

    def _refuse(self, scope: Scope, owner: Owner) -> tuple[int, str] | None:
        """Status and reason where a request goes no further; results are led to where they are checked."""
        path = scope["path"]
        if _CLOSED.match(path):
            return 404, "Not found"
        if scope["method"] not in ("GET", "HEAD") and _header(scope, b"sec-fetch-site") == "cross-site":
            return 403, "Another site may not do this"
        called = _CALLED.fullmatch(path) if scope["method"] == "GET" else None
        heard = parse_qs(scope["query_string"].decode("latin-1")) if _HEARD.fullmatch(path) else {}
        for id in [*([called[1]] if called else []), *heard.get("session_hash", ())]:
            if not self._conversations.has(owner, id):
                return 403, "This is the answer to somebody else"
        match = _FILE.fullmatch(path)
        if match is None:
            return None
        result = _RESULT.fullmatch(match[1])
        if result is not None:
            scope["path"] = f"/kandinsky/result/{result[1]}"
            scope["raw_path"] = scope["path"].encode()
            return None
        return None if self._uploaded.owns(owner, match[1]) else (403, "File not allowed")

    def _note_uploads(self, owner: Owner, answer: Any) -> None:
        for path in answer if isinstance(answer, list) else ():
            if isinstance(path, str):
                self._uploaded.add(owner, path)

    def _note_call(self, owner: Owner, answer: Any) -> None:
        if isinstance(answer, dict) and isinstance(answer.get("event_id"), str):
            self._conversations.begin(owner, answer["event_id"])

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Go on, with an eye on how much is sent to us."""
        started = too_large = False
        taken = 0

        async def limited() -> Message:
            nonlocal taken, too_large
            message = await receive()
            taken += len(message.get("body", b""))
            too_large = taken > LARGEST_BODY
            if too_large:
                raise BodyTooLarge
            return message

        async def starting(message: Message) -> None:
            nonlocal started
            if started or not too_large:  # what the application makes of it is not sent
                started = True
                await send(message)

        length = _header(scope, b"content-length")
        too_large = length.isdigit() and int(length) > LARGEST_BODY
        if not too_large:
            with suppress(BodyTooLarge):
                await self._app(scope, limited, starting)
        if too_large and not started:
            await _answer(send, 413, f"The request is too large: the limit is {LARGEST_BODY >> 20} MB")


def owner_of(request: Any) -> Owner:
    """Who asks: of a request of Starlette, or of Gradio (which wraps one)."""
    wrapped = getattr(request, "request", request)
    owner = wrapped.scope["state"]["owner"]
    assert isinstance(owner, Owner)
    return owner


def _is_local(scope: Scope, address: str) -> bool:
    """Whether a request began on this machine: its peer is a loopback address, and no proxy forwarded it."""
    forwarded = any(name == b"forwarded" or name.startswith(b"x-forwarded-") for name, _ in scope["headers"])
    try:
        return ip_address(address).is_loopback and not forwarded
    except ValueError:
        return False


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _cookies(scope: Scope) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in _header(scope, b"cookie").split(";"))
    return {name: value for name, _, value in pairs}


def _with_cookie(send: Send, secret: str, secure: bool) -> Send:
    cookie = f"{COOKIE}={secret}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax" + "; Secure" * secure

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
            message = {**message, "headers": headers}
        await send(message)

    return sending


async def _answer(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"error": reason, "detail": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _redirect(send: Send, address: str) -> None:
    headers = [(b"location", address.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _noting(scope: Scope, send: Send, note: Callable[[Any], None]) -> Send:
    """Look at a JSON answer before it is sent."""
    # Uncompressed, or it could not be read here.
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
    body = bytearray()

    async def noting(message: Message) -> None:
        if message["type"] == "http.response.body":
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                note(_json(bytes(body)))
        await send(message)

    return noting


async def _whole(receive: Receive) -> bytes:
    """The body of a request; of one that is too large, what is enough to see that."""
    body = bytearray()
    more = True
    while more and len(body) <= LARGEST_BODY:
        message = await receive()
        body.extend(message.get("body", b""))
        more = message.get("more_body", False)
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already, then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _session_of(body: bytes) -> str:
    asked = _json(body)
    session = asked.get("session_hash") if isinstance(asked, dict) else None
    return session if isinstance(session, str) else ""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
