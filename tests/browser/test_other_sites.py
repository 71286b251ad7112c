"""What pages of other sites try in the browser of somebody who uses the canvas."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server
from tests.browser.driver import Canvas

ATTEMPTS = """async ([target, component]) => {
  const workflow = { format: 'kandinsky-workflow', version: 1, nodes: {} };
  const outcomes = {};
  const attempt = async (name, path, options) => {
    try {
      const answer = await fetch(target + path, { credentials: 'include', ...options });
      outcomes[name] = answer.type === 'opaque' ? 'blind' : answer.status;
    } catch {
      outcomes[name] = 'refused';
    }
  };
  const data = JSON.stringify({ name: 'planted', workflow, revision: null });
  const body = JSON.stringify({ component_id: component, fn_name: 'save', session_hash: 'x', data });
  const blind = { method: 'POST', mode: 'no-cors', headers: { 'content-type': 'text/plain' } };
  await attempt('blind save', 'gradio_api/component_server', { ...blind, body });
  await attempt('save', 'gradio_api/component_server', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body,
  });
  await attempt('read', 'config');
  await attempt('logout', 'kandinsky/logout', { method: 'POST' });
  await new Promise((done) => {
    const frame = document.createElement('iframe');
    frame.name = 'sent';
    document.body.append(frame);
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', enctype: 'text/plain', target: 'sent' });
    form.action = target + 'gradio_api/component_server';
    const field = document.createElement('input');
    [field.name, field.value] = [body.slice(0, -1) + ', "ignored": "', '"}'];
    form.append(field);
    document.body.append(form);
    frame.onload = done;
    form.submit();
  });
  return outcomes;
}"""


class EmptyPage(http.server.BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def other_port() -> Iterator[int]:
    """The port of another site on this machine."""
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield site.server_port
    site.shutdown()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_of_another_site_can_do_nothing(
    page: Page, server: Server, other_port: int, name: str
) -> None:
    Canvas(page).open(server.url)
    cookies = page.context.cookies()
    config = httpx.get(f"{server.url}config").json()
    (component,) = (c["id"] for c in config["components"] if "save" in (c["props"].get("server_fns") or []))
    sent: list[tuple[str, int]] = []
    page.on("response", lambda answer: sent.append((answer.request.method, answer.status)))
    page.goto(f"http://{name}:{other_port}/")
    sent.clear()
    outcomes = page.evaluate(ATTEMPTS, [server.url, component])
    assert outcomes == {
        "blind save": "blind",
        "save": "refused",
        "read": "refused",
        "logout": "refused",
    }
    posts = [status for method, status in sent if method == "POST"]
    assert len(posts) >= 2 and set(posts) == {403}
    asked = {"component_id": component, "fn_name": "saved", "session_hash": "x", "data": "{}"}
    saved = httpx.post(f"{server.url}gradio_api/component_server", json=asked).text
    assert "answer" in saved and "planted" not in saved
    assert page.context.cookies() == cookies


def test_a_link_on_another_site_leads_to_the_canvas_with_ones_own_work(
    page: Page, server: Server, other_port: int
) -> None:
    Canvas(page).open(server.url)
    cookies = page.context.cookies()
    page.goto(f"http://localhost:{other_port}/")
    page.evaluate("url => { location.href = url }", server.url)
    expect(page.locator(".surface")).to_be_visible(timeout=30_000)
    assert page.context.cookies() == cookies


def test_no_other_site_can_frame_the_canvas(page: Page, server: Server, other_port: int) -> None:
    page.goto(f"http://127.0.0.1:{other_port}/")
    with page.expect_response(server.url) as framed:
        page.evaluate("url => { document.body.innerHTML = `<iframe src=${url}></iframe>` }", server.url)
    assert framed.value.status == 403
