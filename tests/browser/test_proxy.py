"""The canvas behind a reverse proxy: a real nginx where one is installed, else a small one of this file."""

from __future__ import annotations

import http.client
import http.server
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Server, start_server, stop
from tests.browser.driver import Canvas

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
DOCUMENTED = Path(__file__).parents[2] / "docs" / "nginx.conf"
DEFAULTS = "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {upstream}; }} }}"
"""What everybody writes first: nginx then calls the server by the upstream's name, and forwards nothing."""
FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")

Proxy = Callable[[str], str]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, "the proxy did not start"
            time.sleep(0.05)


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Callable[[str, int], None]]:
    """Starts nginx with the text of a configuration for its `http` block."""
    started: list[subprocess.Popen[bytes]] = []

    def start(text: str, port: int) -> None:
        if NGINX is None:
            pytest.skip("nginx is not installed")
        folders = "\n".join(f"{name}_temp_path {tmp_path}/{name};" for name in FOLDERS)
        config = tmp_path / "nginx.conf"
        config.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
            f"http {{ access_log off;\n{folders}\n{text}\n}}"
        )
        started.append(subprocess.Popen([NGINX, "-c", str(config), "-p", str(tmp_path)]))
        wait_for(port)

    yield start
    for process in started:
        process.terminate()
        process.wait(20)


class SmallProxy(http.server.BaseHTTPRequestHandler):
    """Passes requests on as nginx does by default: the Host is the upstream's."""

    protocol_version = "HTTP/1.1"
    upstream = ""

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else None
        connection = http.client.HTTPConnection(self.upstream, timeout=120)
        kept = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        connection.request(
            self.command, self.path, body, {**kept, "Host": self.upstream, "Connection": "close"}
        )
        answer = connection.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("connection", "close")
        self.close_connection = True
        self.end_headers()
        while part := answer.read1(65536):
            self.wfile.write(part)
            self.wfile.flush()

    do_HEAD = do_POST = do_GET  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def small_proxy() -> Iterator[Callable[[str], int]]:
    """Starts the small proxy before an upstream; its port."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(upstream: str) -> int:
        handler = type("Handler", (SmallProxy,), {"upstream": upstream})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()


def paints(page: Page, url: str) -> None:
    """The canvas opens there, runs its template, and shows the events as they come, without an error."""
    bad: list[str] = []
    page.on("response", lambda answer: bad.append(answer.url) if answer.status >= 400 else None)
    canvas = Canvas(page).open(url)
    canvas.run()
    assert not [address for address in bad if not address.endswith("/favicon.ico")]


def test_behind_nginx_as_it_comes(
    page: Page, server: Server, nginx: Callable[[str, int], None], small_proxy: Callable[[str], int]
) -> None:
    upstream = server.url.removeprefix("http://").strip("/")
    if NGINX is None:
        port = small_proxy(upstream)
    else:
        port = free_port()
        nginx(DEFAULTS.format(port=port, upstream=f"http://{upstream}"), port)
    paints(page, f"http://127.0.0.1:{port}/")


def test_the_documented_configuration_below_a_path(
    page: Page, tmp_path: Path, nginx: Callable[[str, int], None]
) -> None:
    options = ("--trusted-proxy", "127.0.0.1", "--allow-host", "canvas.example", "--root-path", "/canvas")
    running, process = start_server(tmp_path / "server", *options)
    try:
        port = free_port()
        text = DOCUMENTED.read_text()
        for old, new in (
            ("listen 8080;", f"listen 127.0.0.1:{port};"),
            ("location / {", "location /canvas/ {"),
            ("proxy_pass http://127.0.0.1:7860;", f"proxy_pass {running.url};"),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        nginx(text, port)
        paints(page, f"http://127.0.0.1:{port}/canvas/")
        named = {"host": "canvas.example"}
        assert httpx.get(f"http://127.0.0.1:{port}/canvas/kandinsky/health", headers=named).json() == {
            "queue": "works"
        }
        for forged in ({**named, "x-forwarded-host": "evil.example"}, {"x-forwarded-host": "canvas.example"}):
            host = forged.get("host", "evil.example")
            answer = httpx.get(
                f"http://127.0.0.1:{port}/canvas/kandinsky/health", headers={**forged, "host": host}
            )
            assert answer.status_code == (200 if host == "canvas.example" else 403)
        # The configuration's own limits end what is too large before the server sees it.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.putrequest("POST", "/canvas/kandinsky/open")
        connection.putheader("content-length", str(161 * 2**20))
        connection.endheaders()
        assert connection.getresponse().status == 413
    finally:
        stop(process)
