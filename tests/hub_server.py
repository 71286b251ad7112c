"""A hub on this machine: the few addresses of the real one that a download asks for, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """One repository. With `stalls`, a file's second half waits until `go_on` is set."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []
        self.stalls: set[str] = set()
        self.go_on = threading.Event()
        super().__init__(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/"):
            about = self._tree() if "/tree/" in path else self._model()
            self._send(json.dumps(about).encode(), body, {"Content-Type": "application/json"})
            return
        name = path.partition(f"/resolve/{COMMIT}/")[2]
        if name not in self.server.files:
            self.send_error(404)
            return
        if body:
            self.server.asked.append(name)
        data = self.server.files[name]
        headers = {"ETag": f'"{sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        self._send(data, body, headers, stall=name in self.server.stalls)

    def _model(self) -> dict[str, object]:
        siblings = [{"rfilename": name, "size": len(data)} for name, data in self.server.files.items()]
        return {"id": "owner/name", "sha": COMMIT, "siblings": siblings}

    def _tree(self) -> list[dict[str, object]]:
        return [
            {"type": "file", "path": name, "size": len(data), "oid": sha1(data).hexdigest()}
            for name, data in self.server.files.items()
        ]

    def _send(self, data: bytes, body: bool, headers: dict[str, str], stall: bool = False) -> None:
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0] or 0)
        self.send_response(206 if first else 200)
        for key, value in {**headers, "Content-Length": str(len(data) - first)}.items():
            self.send_header(key, value)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if not body:
            return
        half = max(first, len(data) // 2) if stall else len(data)
        with suppress(ConnectionError):  # a download that was stopped
            self.wfile.write(data[first:half])
            if half < len(data):
                self.wfile.flush()
                self.server.go_on.wait(60)
                self.wfile.write(data[half:])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hub_server(files: dict[str, bytes]) -> Iterator[Hub]:
    """Serve while the block runs."""
    hub = Hub(files)
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        hub.shutdown()
        hub.server_close()
