"""A browser, the server that people start, and a page with the canvas for each test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.driver import Canvas

START_SECONDS = 90
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""A browser that asks nobody for anything by itself, so that what is asked for is the page's doing."""


@dataclass(frozen=True)
class Server:
    """A running `kandinsky ui` with folders of its own."""

    url: str
    folder: Path

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"


def start_server(
    folder: Path, *options: str, port: int | None = None
) -> tuple[Server, subprocess.Popen[str]]:
    """`kandinsky ui` on a free port if none is given, in an own current folder; waits until it answers."""
    if port is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    program = [sys.executable, "-m", "ui.command.main"]
    command = [*program, "ui", "--port", str(port), "--cache", str(folder / "cache")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(
        [*command, *options], cwd=folder, env=environment, stdout=log, stderr=log, text=True
    )
    url = f"http://127.0.0.1:{port}/"
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the server did not start: {(folder / 'server.log').read_text()[-3000:]}")
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.1)
        else:
            break
    return Server(url, folder), process


def stop(process: subprocess.Popen[str]) -> None:
    """End a server as Ctrl-C does."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not ask for options."""
    running, process = start_server(tmp_path_factory.mktemp("server"))
    yield running
    stop(process)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("Chromium is needed for the tests of the canvas; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield launched
        launched.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    made.grant_permissions(["clipboard-read", "clipboard-write"])
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page; an error that its scripts let through fails the test."""
    made = context.new_page()
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    assert not errors, f"the page raised {errors}"


@pytest.fixture
def canvas(page: Page, server: Server) -> Canvas:
    """The canvas with the first template on it."""
    return Canvas(page).open(server.url)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, those of the browser share one worker, and with it one server."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))
            # A machine that is busy with something else may starve a browser for seconds. What fails twice in
            # a row is no such moment; a first failure is printed (R) and is to be looked into all the same.
            item.add_marker(pytest.mark.flaky(reruns=1))
