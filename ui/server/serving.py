"""`kandinsky ui`: the page served until somebody presses Ctrl-C."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ui.memory import limit_memory, rarely_search_for_garbage
from ui.server.reach import Reach
from ui.studio.limits import CONNECTIONS
from ui.studio.studio import Studio

if TYPE_CHECKING:
    from uvicorn import Server


LOOPBACK = ("127.0.0.1", "localhost", "::1")


class CannotServe(Exception):
    """The server cannot start; the message is one sentence."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; before anything slow begins, so that a busy port is told at once.

    Raises:
        CannotServe: when the port is taken, or the host is none of this machine.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(128)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotServe(f"cannot serve on {host}, port {port}: {reason}; --port N takes another") from None
    return opened


def serve(studio: Studio, opened: socket.socket, reach: Reach) -> None:
    """Serve on an open socket, and say where; returns after Ctrl-C."""
    # As Ctrl-C: what has to be tidied up is tidied up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with server(studio, reach) as serving:
        limit_memory()
        rarely_search_for_garbage()
        for line in welcome(reach.host, opened.getsockname()[1], reach.accounts is not None):
            print(line, flush=True)
        try:
            serving.run(sockets=[opened])
        finally:
            # Or Python would look through all of Gradio and torch for seconds before it ends.
            gc.freeze()


def welcome(host: str, port: int, login: bool) -> list[str]:
    """Where the canvas is, and who can come in."""
    everywhere = host in ("", "0.0.0.0", "::")
    shown = "127.0.0.1" if everywhere else f"[{host}]" if ":" in host else host
    lines = [f"Kandinsky Canvas is at http://{shown}:{port}"]
    if not login and host not in LOOPBACK:
        lines.append("Everybody who can reach this machine may use it; --auth FILE wants a login.")
    return lines


@contextmanager
def server(studio: Studio, reach: Reach) -> Iterator[Server]:
    """The server, ready to run; afterwards no run goes on, and what Gradio kept of uploads is gone."""
    with tempfile.TemporaryDirectory(prefix="kandinsky-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is told to anybody
        os.environ["GRADIO_RUN_HISTORY"] = "False"  # nor kept of what people do
        os.environ["GRADIO_TEMP_DIR"] = folder
        import uvicorn

        from ui.server.app import build

        config: Any = uvicorn.Config(
            build(studio, reach),
            proxy_headers=False,  # the access guard decides which proxy is believed
            limit_concurrency=CONNECTIONS,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        try:
            yield uvicorn.Server(config)
        finally:
            studio.runs.close()
