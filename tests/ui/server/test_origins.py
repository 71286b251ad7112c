"""What pages of other sites try is refused; programs and our own pages are not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ui.serving import places, served, toys_and_pictures
from ui.server.origins import refusal
from ui.server.reach import Reach, network
from ui.studio.studio import Studio

HOST = "127.0.0.1:7860"


MACHINE = socket.gethostname()
ADDRESSES = ["127.0.0.1:7860", "[::1]:7860", "192.168.1.5"]
OWN = [*ADDRESSES, "localhost:1", "LOCALHOST.", MACHINE, f"{MACHINE}.local:7860"]


@pytest.mark.parametrize("host", [*OWN, "studio.lan", "canvas.example:8080"])
def test_names_of_this_server(host: str) -> None:
    reach = Reach(host="studio.lan", names=("canvas.example",))
    assert refusal("POST", {"host": host}, reach) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example:7860", "localhost.evil.example"]
)
def test_a_name_that_leads_here_by_rebinding_is_refused(host: str) -> None:
    refused = refusal("GET", {"host": host}, Reach())
    assert refused is not None and "--allow-host" in refused


NAVIGATION = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    ("method", "headers", "allowed"),
    [
        ("POST", {}, True),  # curl, gradio_client
        ("POST", {"origin": f"http://{HOST}"}, True),  # a browser over plain http from another machine
        ("POST", {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}, True),
        (
            "POST",
            {"origin": "https://canvas.example", "sec-fetch-site": "same-origin"},
            True,
        ),  # behind a proxy
        ("GET", {"sec-fetch-site": "none", **NAVIGATION}, True),
        ("GET", {"sec-fetch-site": "cross-site", **NAVIGATION}, True),  # following a link
        ("GET", {"sec-fetch-site": "same-site", **NAVIGATION}, True),
        ("POST", {"origin": "http://127.0.0.1:9999", "sec-fetch-site": "same-site"}, False),  # another port
        ("POST", {"origin": "http://127.0.0.1:9999"}, False),
        ("POST", {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}, False),
        ("POST", {"origin": "http://evil.example"}, False),
        ("POST", {"origin": "null"}, False),
        ("GET", {"origin": "http://evil.example"}, False),
        (
            "GET",
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
            False,
        ),
        (
            "GET",
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
            False,
        ),
        ("POST", {"sec-fetch-site": "cross-site", **NAVIGATION}, False),  # a form of another site
        ("POST", {"origin": "https://mine.example", "sec-fetch-site": "cross-site"}, True),
        ("POST", {"origin": "https://mine.example.evil.example"}, False),
    ],
)
def test_requests_of_pages(method: str, headers: dict[str, str], allowed: bool) -> None:
    reach = Reach(origins=("https://mine.example",))
    assert (refusal(method, {"host": HOST, **headers}, reach) is None) is allowed


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    studio = Studio(toys_and_pictures(), places(tmp_path_factory.mktemp("origins")))
    with served(studio, origins=("https://mine.example",)) as url:
        yield url


def test_every_answer_says_who_may_frame_and_what_a_page_may_load(url: str) -> None:
    page = httpx.get(url)
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy and "img-src 'self' data: blob:" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "SameSite=Lax" in page.headers["set-cookie"] and "HttpOnly" in page.headers["set-cookie"]


def test_a_blind_post_of_another_site_changes_nothing(url: str) -> None:
    body = '{"data": "{}", "fn_name": "saved", "component_id": 1, "session_hash": "x"}'
    for origin in ("http://127.0.0.1:1", "http://evil.example", "null"):
        headers = {"origin": origin, "content-type": "text/plain"}
        for route in ("/gradio_api/component_server", "/kandinsky/open", "/gradio_api/queue/join"):
            answer = httpx.post(url + route, content=body, headers=headers)
            assert answer.status_code == 403 and "Another site" in answer.json()["error"], route
            assert "access-control-allow-origin" not in answer.headers


def test_a_site_of_ones_own_is_admitted(url: str) -> None:
    asked = {"origin": "https://mine.example", "access-control-request-method": "POST"}
    preflight = httpx.options(url + "/gradio_api/call/run_workflow", headers=asked)
    assert preflight.headers["access-control-allow-origin"] == "https://mine.example"
    answer = httpx.get(url + "/config", headers={"origin": "https://mine.example"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://mine.example"


def test_gradios_own_cross_origin_answers_are_off(tmp_path: Path) -> None:
    with served(Studio(toys_and_pictures(), places(tmp_path))) as url:
        answer = httpx.get(url + "/config", headers={"sec-fetch-site": "none", "origin": url})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_below_a_path_whether_or_not_the_proxy_removes_it(tmp_path: Path) -> None:
    with served(Studio(toys_and_pictures(), places(tmp_path)), root_path="/canvas") as url:
        for path in ("/kandinsky/health", "/canvas/kandinsky/health", "//canvas/kandinsky/health"):
            assert httpx.get(url + path).json() == {"queue": "works"}
        assert httpx.get(url + "/canvasses/kandinsky/health").status_code == 404


def test_networks_of_proxies() -> None:
    reach = Reach(proxies=(network("10.0.0.0/8"), network("::1")))
    assert reach.trusts("10.1.2.3") and reach.trusts("::1")
    assert not reach.trusts("127.0.0.1") and not reach.trusts("unknown")
    assert Reach().has_owner and not reach.has_owner
