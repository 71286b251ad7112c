"""The guard of the server: every request passes here first, and nothing behind it is reached without.

It refuses what other sites attempt and routes that are not ours, decides whose a request is (`owner_of`),
asks for the login where there is one, and keeps files apart: Gradio's own file route serves whatever is in
its cache to whoever knows the path, so only what the requester uploaded is let through to it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol

from anyio import to_thread

from graph.workflow import json_text
from ui.memory import give_back
from ui.server.allowed_routes import is_free, is_served
from ui.server.asgi import (
    App,
    Message,
    Receive,
    Scope,
    Send,
    answer,
    cookies_of,
    goodbye,
    headers_of,
    redirect,
    with_cookie,
    with_safe_headers,
)
from ui.server.conversations import Conversations
from ui.server.cookies import COOKIE, Cookies
from ui.server.forwarded import client_of
from ui.server.origins import is_preflight, refusal
from ui.server.reach import Reach
from ui.server.uploaded_files import UploadedFiles
from ui.server.workflow_requests import LARGE_BYTES
from ui.studio.limits import ADDRESS, TOO_MANY_PAGES
from ui.studio.owners import Owner, peer, user

LARGE_BODY = 4 * 2**20
"""After a larger one, memory is given back to the system."""
LARGEST_BODY = 160 * 2**20
"""Bytes of one request: a workflow of 64 MB, written as a JSON text within JSON."""

_PAGES = ("/", "/form", "/form/")
_FILE = re.compile(r"/gradio_api/file[=/](.*)", re.DOTALL)
_RESULT = re.compile(r"/?kandinsky/([0-9a-f]{32})/[^/]*")
_UPLOAD = re.compile(r"/gradio_api/upload/?")
_CALL = re.compile(r"/gradio_api/call/(v2/)?[^/]+/?")
_JOIN = re.compile(r"/gradio_api/queue/join/?")
_CANCEL = re.compile(r"/gradio_api/cancel/?")
_JSON = re.compile(r"/gradio_api/(call/.+|queue/join|cancel|reset|component_server)/?", re.DOTALL)


class Logins(Protocol):
    """Who is logged in."""

    def name(self, cookies: dict[str, str]) -> str | None:
        """The name of who has these cookies, None for nobody."""

    def end(self, cookies: dict[str, str]) -> list[str]:
        """End the session with these cookies; the names of the cookies that belonged to it."""


class GradioSessions(Protocol):
    """What Gradio keeps for each open page."""

    def admit(self, address: str, session: str) -> bool:
        """Whether a page at this address may have this session, for which an idle one may have to go."""


class BodyTooLarge(Exception):
    """A request has a larger body than any that makes sense."""


class AccessGuard:
    """ASGI middleware around the whole application.

    Args:
        logins: given where a login is wanted.
    """

    def __init__(
        self,
        app: App,
        reach: Reach,
        cookies: Cookies,
        uploaded: UploadedFiles,
        sessions: GradioSessions,
        logins: Logins | None,
    ) -> None:
        self._app = app
        self._reach = reach
        self._cookies = cookies
        self._uploaded = uploaded
        self._sessions = sessions
        self._logins = logins
        self._conversations = Conversations()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        path = scope["path"] = _within(scope["path"], self._reach.root_path)
        client = client_of(scope, self._reach)
        send = with_safe_headers(send, scope.get("scheme") == "https")
        foreign = refusal(scope["method"], headers_of(scope), self._reach)
        if foreign is not None:
            await answer(send, 403, foreign)
            return
        if not (is_served(scope["method"], path) or is_preflight(scope, self._reach)):
            await answer(send, 404, "Not found")
            return
        owner, send = self._owner(scope, send)
        if owner is None and self._logins is not None and not is_free(scope["method"], path):
            if path in _PAGES:  # Gradio shows its login on the first page alone
                await redirect(send, "./" if path.count("/") == 1 else "../")
            else:
                await answer(send, 401, "Not authenticated")
            return
        owner = replace(owner or peer(client.address), address=client.address, of_machine=client.of_machine)
        scope["state"] = {**scope.get("state", {}), "owner": owner}
        ADDRESS.set(owner.block)
        await self._serve(scope, receive, send, owner)

    def _owner(self, scope: Scope, send: Send) -> tuple[Owner | None, Send]:
        """Whose a request is, None where that is not known; who is new gets a cookie with the answer."""
        cookies = cookies_of(scope)
        if self._logins is not None:
            name = self._logins.name(cookies)
            return (user(name) if name is not None else None), send
        given = cookies.get(COOKIE, "")
        owner = self._cookies.owner(given)
        if owner is None and scope["path"] in _PAGES:
            owner, cookie = self._cookies.exchanged(given) or self._cookies.new()
            send = with_cookie(send, COOKIE, cookie, scope.get("scheme") == "https")
        return owner, send

    async def _serve(self, scope: Scope, receive: Receive, send: Send, owner: Owner) -> None:
        path = scope["path"]
        if path == "/kandinsky/logout":
            ended = self._logins.end(cookies_of(scope)) if self._logins is not None else []
            await goodbye(send, ended)
            return
        refused = self._refuse(scope, owner)
        if refused is not None:
            await answer(send, *refused)
            return
        if scope["method"] == "POST":
            if _UPLOAD.fullmatch(path):
                send = _noting(scope, send, lambda answer: self._note_uploads(owner, answer))
            elif _CALL.fullmatch(path):
                send = _noting(scope, send, lambda answer: self._note_call(owner, answer))
            if _JSON.fullmatch(path):
                body = await _whole(receive)
                refused = await self._refuse_body(owner, path, body)
                if refused is not None:
                    await answer(send, *refused)
                    return
                receive = _again(body, receive)
        await self._limited(scope, receive, send)

    def _refuse(self, scope: Scope, owner: Owner) -> tuple[int, str] | None:
        """Status and reason where a request goes no further; results are led to where they are checked."""
        path = scope["path"]
        query = scope["query_string"].decode("latin-1")
        if scope["method"] == "GET" and not self._conversations.may_get(owner, path, query):
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

    async def _refuse_body(self, owner: Owner, path: str, body: bytes) -> tuple[int, str] | None:
        """Status and reason where a JSON body is not looked at, or not in this session."""
        if json_text.values_in(body) > json_text.MAX_VALUES:
            return 413, f"The request holds too many values: the limit is {json_text.MAX_VALUES:,}"
        if not any(pattern.fullmatch(path) for pattern in (_CALL, _JOIN, _CANCEL)):
            return None
        large = len(body) > LARGE_BYTES
        session = await to_thread.run_sync(_session_of, body) if large else _session_of(body)
        return self._refuse_session(owner, session, bool(_JOIN.fullmatch(path)))

    def _refuse_session(self, owner: Owner, session: str, joins: bool) -> tuple[int, str] | None:
        """Status and reason where a call may neither be made nor ended in a session; "" is none."""
        if (session or joins) and not self._conversations.begin(owner, session):
            return 403, "This session is somebody else's"
        if joins and not self._sessions.admit(owner.block, session):
            return 429, TOO_MANY_PAGES
        return None

    def _note_uploads(self, owner: Owner, answer: Any) -> None:
        for path in answer if isinstance(answer, list) else ():
            if isinstance(path, str):
                self._uploaded.add(owner, path)

    def _note_call(self, owner: Owner, answer: Any) -> None:
        if isinstance(answer, dict) and isinstance(answer.get("event_id"), str):
            self._conversations.begin(owner, answer["event_id"])
            self._sessions.admit(owner.block, answer["event_id"])

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

        length = headers_of(scope).get("content-length", "")
        too_large = length.isdigit() and int(length) > LARGEST_BODY
        if not too_large:
            with suppress(BodyTooLarge):
                await self._app(scope, limited, starting)
        if taken > LARGE_BODY:
            await to_thread.run_sync(give_back)
        if too_large and not started:
            await answer(send, 413, f"The request is too large: the limit is {LARGEST_BODY >> 20} MB")


def owner_of(request: Any) -> Owner:
    """Whose a request is: one of Starlette, or of Gradio (which wraps one)."""
    wrapped = getattr(request, "request", request)
    owner = wrapped.scope["state"]["owner"]
    assert isinstance(owner, Owner)
    return owner


def _within(path: str, root: str) -> str:
    """The path within the app, whether or not a proxy removed what it serves the app below."""
    path = "/" + path.lstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


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
