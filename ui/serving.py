"""`kandinsky ui`: the page served until somebody presses Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from ui.memory import limit_memory
from ui.owners import Accounts
from ui.studio import Studio


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


def serve(studio: Studio, opened: socket.socket, host: str, accounts: Accounts | None = None) -> None:
    """Serve on an open socket, and say where; returns after Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="kandinsky-", ignore_cleanup_errors=True) as folder:
        # Both are read when Gradio is imported: nothing is told to anybody, and what people
        # upload through it is gone when the server ends.
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder))
        import uvicorn

        from ui.app import build

        limit_memory()
        config: Any = uvicorn.Config(
            build(studio, accounts),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        shown = f"[{host}]" if ":" in host else host
        print(f"Kandinsky Canvas is at http://{shown}:{opened.getsockname()[1]}", flush=True)
        try:
            uvicorn.Server(config).run(sockets=[opened])
        finally:
            studio.runs.close()
