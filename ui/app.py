"""The page: the canvas, and the workflow as a form."""

from __future__ import annotations

import warnings
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.routing import Mount

from ui.access import App, Door, Sessions, UploadedFiles
from ui.answers import Answers
from ui.api import add_endpoints
from ui.calls import Calls
from ui.canvas import canvas
from ui.form import CSS, form
from ui.owners import Accounts
from ui.routes import add_routes
from ui.studio import Studio

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


def pages(studio: Studio, calls: Calls) -> gr.Blocks:
    """The Gradio pages: the canvas at `/`, the form at `/form`, and the endpoints."""
    with gr.Blocks(title=TITLE, fill_height=True, fill_width=True, analytics_enabled=False) as blocks:
        canvas(Answers(studio, calls))
    with blocks.route("Form", "form", show_in_navbar=False):
        form(blocks, studio, calls)
        add_endpoints(blocks, studio, calls)
    return blocks


def build(studio: Studio, accounts: Accounts | None = None, root_path: str | None = None) -> App:
    """The whole application, with its door.

    Args:
        accounts: who may log in; without them everybody may come in.
    """
    uploaded = UploadedFiles()
    calls = Calls(studio, uploaded)
    blocks = pages(studio, calls)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_routes(app, studio, Answers(studio, calls))
    with warnings.catch_warnings():
        # It says that what we turn off cannot be turned on.
        warnings.filterwarnings("ignore", message="SSR mode")
        _mount(app, blocks, accounts, root_path)
    return Door(app, uploaded, _sessions(app) if accounts is not None else None)


def _mount(app: FastAPI, blocks: gr.Blocks, accounts: Accounts | None, root_path: str | None) -> None:
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        root_path=root_path,
        auth=_login(accounts) if accounts is not None else None,
        # Gradio's login has no title; one that stands anywhere in a page is the page's.
        auth_message=f"<title>{TITLE}</title>{TITLE} wants to know who you are.",
        footer_links=["api", "settings"],
        max_file_size=LARGEST_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        css=_CSS + CSS,
    )


def _login(accounts: Accounts) -> Any:
    import anyio

    async def check(name: str, password: str) -> bool:
        return await anyio.to_thread.run_sync(accounts.check, name, password)

    return check


def _sessions(app: FastAPI) -> Sessions:
    """Who is logged in, as Gradio knows it."""
    mounted: Any
    (mounted,) = (route.app for route in app.routes if isinstance(route, Mount))

    def session(cookies: dict[str, str]) -> str | None:
        for kind in ("access-token", "access-token-unsecure"):
            name: str | None = mounted.tokens.get(cookies.get(f"{kind}-{mounted.cookie_id}"))
            if name is not None:
                return name
        return None

    return session
