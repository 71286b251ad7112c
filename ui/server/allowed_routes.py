"""The routes that are served: ours, and those of Gradio's that the page, the form and the API need.

Everything else is refused, also what a coming release of Gradio adds. Routes that change something are
reached by POST alone.
"""

from __future__ import annotations

import re

_API = r"/gradio_api"

_BEFORE_LOGIN = {  # what the login page is made of
    "GET": (
        r"/",
        r"/login/?",
        r"/(theme\.css|favicon\.ico|robots\.txt|manifest\.json)",
        r"/(assets|static|svelte)/.+",
        rf"{_API}/theme\.css",
        rf"{_API}/(login_check|app_id)/?",
        r"/kandinsky/health",
    ),
    "POST": (r"/login/?", r"/kandinsky/logout"),
}
_SERVED = {
    "GET": (
        *_BEFORE_LOGIN["GET"],
        r"/form/?",
        r"/config/?",
        rf"{_API}/info/?",
        rf"{_API}/startup-events",
        rf"{_API}/heartbeat/[^/]+",
        rf"{_API}/queue/(data|status)",
        rf"{_API}/upload_progress",
        rf"{_API}/call/(v2/)?[^/]+/[^/]+",
        rf"{_API}/file[=/].+",
        r"/kandinsky/(here|canvas\.js)",
        r"/kandinsky/picture/[0-9a-f]{64}",
        r"/kandinsky/template/picture/[^/]+",
        r"/kandinsky/template/[^/]+/thumbnail",
        r"/kandinsky/result/[0-9a-f]{32}(/thumbnail)?",
        r"/kandinsky/runs/[^/]+/events",
    ),
    "POST": (
        *_BEFORE_LOGIN["POST"],
        rf"{_API}/call/(v2/)?[^/]+/?",
        rf"{_API}/queue/join/?",
        rf"{_API}/cancel",
        rf"{_API}/reset/?",
        rf"{_API}/upload/?",
        rf"{_API}/component_server/?",
        r"/kandinsky/(picture|open)",
    ),
}


def _whole(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.DOTALL)


_FREE = {method: _whole(patterns) for method, patterns in _BEFORE_LOGIN.items()}
_ALL = {method: _whole(patterns) for method, patterns in _SERVED.items()}


def is_served(method: str, path: str) -> bool:
    """Whether a request goes further than the access guard."""
    return _matches(_ALL, method, path)


def is_free(method: str, path: str) -> bool:
    """Whether it does so before a login."""
    return _matches(_FREE, method, path)


def _matches(table: dict[str, re.Pattern[str]], method: str, path: str) -> bool:
    pattern = table.get("GET" if method == "HEAD" else method)
    return pattern is not None and pattern.fullmatch(path) is not None
