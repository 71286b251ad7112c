"""The page: the canvas, and the workflow as a form."""

from __future__ import annotations

import warnings
from typing import Any

import anyio
import gradio as gr
from fastapi import FastAPI, HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from starlette.routing import Mount

from ui.server.access_guard import AccessGuard
from ui.server.accounts import Accounts
from ui.server.asgi import App
from ui.server.calls import Calls
from ui.server.canvas import canvas
from ui.server.cookies import Cookies
from ui.server.endpoints import add_endpoints
from ui.server.form import CSS, form
from ui.server.gradio_private import GuardedBlocks
from ui.server.gradio_sessions import LimitedSessions
from ui.server.login_guard import LoginGuard, LoginPaused
from ui.server.login_page import login_message
from ui.server.questions import Questions
from ui.server.questions_route import add_questions
from ui.server.reach import Reach
from ui.server.routes import add_routes
from ui.server.uploaded_files import UploadedFiles
from ui.studio.limits import ADDRESS
from ui.studio.log import log_failure
from ui.studio.store import StoreError
from ui.studio.studio import Studio

TITLE = "Kandinsky Canvas"
LARGEST_UPLOAD = "64mb"

# The canvas has the whole window; Gradio's own margins and footer would only take room from it.
_CSS = """
.nav-holder, body:has(#canvas) footer { display: none !important; }
#canvas { position: fixed; inset: 0; }
#canvas .html-container { padding: 0 !important; height: 100%; }
#canvas .html-container > div { height: 100%; }
"""


def theme() -> gr.themes.Base:
    """Gradio's own, but for grey and orange, which are too pale there to read: below 4.5 : 1."""
    return gr.themes.Default().set(
        body_text_color_subdued="#596270",
        input_placeholder_color="#6b7280",
        button_primary_background_fill="#b8430a",
        button_primary_background_fill_hover="#98370a",
        button_primary_background_fill_dark="#c2410c",
        button_primary_background_fill_hover_dark="#a8380a",
    )


def pages(studio: Studio, calls: Calls) -> GuardedBlocks:
    """The Gradio pages: the canvas at `/`, the form at `/form`, and the endpoints."""
    with GuardedBlocks(title=TITLE, fill_height=True, fill_width=True, analytics_enabled=False) as blocks:
        canvas()
    with blocks.route("Form", "form", show_in_navbar=False):
        form(blocks, studio, calls)
        add_endpoints(blocks, studio, calls)
    return blocks


def build(studio: Studio, reach: Reach) -> App:
    """The whole application, with its door."""
    uploaded = UploadedFiles()
    calls = Calls(studio, uploaded)
    blocks = pages(studio, calls)
    blocks.uploaded, blocks.discretion = uploaded, studio.discretion
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # Gradio leaves the question which other sites may call to this one.
    app.add_middleware(
        CORSMiddleware, allow_origins=reach.origins, allow_methods=["GET", "POST"], allow_headers=["*"]
    )
    app.add_exception_handler(OSError, _not_stored)
    answers = Questions(studio, calls)
    add_routes(app, studio, answers)
    add_questions(app, answers)
    with warnings.catch_warnings():
        # It says that what we turn off cannot be turned on.
        warnings.filterwarnings("ignore", message="SSR mode")
        _mount(app, blocks, reach)
    mounted: Any
    (mounted,) = (route.app for route in app.routes if isinstance(route, Mount))
    sessions = mounted.state_holder = LimitedSessions(reach.limits.sessions_per_address)
    sessions.set_blocks(blocks)
    cookies = Cookies(reach.cookie_key, studio.has_data)
    logins = GradioLogins(mounted) if reach.accounts is not None else None
    return AccessGuard(app, reach, cookies, uploaded, sessions, logins)


def _not_stored(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - what a handler is given
    """A full disk, or a folder that was removed: what is asked for works again once it is there."""
    log_failure(error)
    reason = str(error) if isinstance(error, StoreError) else getattr(error, "strerror", None) or "it failed"
    return JSONResponse({"error": f"this cannot be stored or read at the moment: {reason}"}, 507)


def _mount(app: FastAPI, blocks: gr.Blocks, reach: Reach) -> None:
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        root_path=reach.root_path or None,
        auth=_login(reach.accounts) if reach.accounts is not None else None,
        auth_message=login_message(TITLE),
        footer_links=["api", "settings"],
        max_file_size=LARGEST_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        css=_CSS + CSS,
    )
    blocks.api_open = False  # or /run and /api would call endpoints beside the queue


def _login(accounts: Accounts) -> Any:
    guard = LoginGuard()

    async def check(name: str, password: str) -> bool:
        address = ADDRESS.get()
        try:
            delay = guard.begin(name, address)
        except LoginPaused as paused:
            wait = {"Retry-After": f"{paused.seconds:.0f}"}
            raise HTTPException(429, f"{paused}"[:1].upper() + f"{paused}"[1:], wait) from None
        fits = await anyio.to_thread.run_sync(accounts.check, name, password)
        if fits:
            guard.succeeded(name, address)
        await anyio.sleep(delay)
        return fits

    return check


class GradioLogins:
    """Who is logged in, as Gradio knows it: a token of a cookie -> the name."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def name(self, cookies: dict[str, str]) -> str | None:
        """The name of who has these cookies, None for nobody."""
        found = (self._app.tokens.get(cookies.get(cookie)) for cookie in self._cookies())
        return next((name for name in found if name is not None), None)

    def end(self, cookies: dict[str, str]) -> list[str]:
        """End the session with these cookies; the names of the cookies that belonged to it."""
        for cookie in self._cookies():
            self._app.tokens.pop(cookies.get(cookie), None)
        return self._cookies()

    def _cookies(self) -> list[str]:
        return [f"{kind}-{self._app.cookie_id}" for kind in ("access-token", "access-token-unsecure")]
