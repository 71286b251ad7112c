"""The page: the canvas, and the workflow as a form."""

from __future__ import annotations

from typing import Any

import gradio as gr
from fastapi import FastAPI

from ui.access import App, Door, Sessions, UploadedFiles
from ui.answers import Answers
from ui.canvas import canvas
from ui.owners import Accounts
from ui.routes import add_routes
from ui.studio import Studio

TITLE = "Kandinsky Canvas"
LARGEST_UPLOAD = "64mb"

# The canvas has the whole window; Gradio's own margins and footer would only take room from it.
_CSS = """
html, body, gradio-app { height: 100%; margin: 0; }
.gradio-container { padding: 0 !important; max-width: none !important; }
.gradio-container > main, .gradio-container .contain { padding: 0 !important; }
footer { display: none !important; }
"""


def page(answers: Answers) -> gr.Blocks:
    """The Gradio page."""
    with gr.Blocks(title=TITLE, fill_height=True, fill_width=True, analytics_enabled=False) as blocks:
        canvas(answers)
    return blocks


def build(studio: Studio, accounts: Accounts | None = None, root_path: str | None = None) -> App:
    """The whole application, with its door.

    Args:
        accounts: who may log in; without them everybody may come in.
    """
    answers = Answers(studio)
    blocks = page(answers)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_routes(app, studio, answers)
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        root_path=root_path,
        auth=_login(accounts) if accounts is not None else None,
        footer_links=[],
        run_history=False,
        max_file_size=LARGEST_UPLOAD,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        css=_CSS,
    )
    return Door(app, UploadedFiles(), _sessions(blocks) if accounts is not None else None)


def _login(accounts: Accounts) -> Any:
    import anyio

    async def check(name: str, password: str) -> bool:
        return await anyio.to_thread.run_sync(accounts.check, name, password)

    return check


def _sessions(blocks: gr.Blocks) -> Sessions:
    """Who is logged in, as Gradio knows it."""

    def session(cookies: dict[str, str]) -> str | None:
        app = blocks.app
        for kind in ("access-token", "access-token-unsecure"):
            name: str | None = app.tokens.get(cookies.get(f"{kind}-{app.cookie_id}"))
            if name is not None:
                return name
        return None

    return session
