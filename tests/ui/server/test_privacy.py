"""Nobody reads what is somebody else's; with a login, nothing is there without one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from graph.files.allowed import FileRefused, Files, Privacy
from tests.ui.browser import Browser, Refusal
from tests.ui.serving import places, served, toys_and_pictures
from ui.server.accounts import Accounts
from ui.server.allowed_routes import is_served
from ui.server.reach import Reach
from ui.server.uploaded_files import UploadedFiles
from ui.studio.owners import user
from ui.studio.studio import Studio

Json = dict[str, Any]

ACCOUNTS = {"anna": "eins", "bert": "zwei"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(toys_and_pictures(), places(tmp_path_factory.mktemp("private")))


@pytest.fixture(scope="module")
def locked(studio: Studio) -> Iterator[str]:
    """A server with a login."""
    with served(studio, Accounts(ACCOUNTS)) as url:
        yield url


@pytest.fixture(scope="module")
def open_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that everybody may use."""
    studio = Studio(toys_and_pictures(), places(tmp_path_factory.mktemp("open")))
    with served(studio) as url:
        yield url


def logged_in(url: str, name: str) -> Browser:
    browser = Browser(url)
    assert browser.login(name, ACCOUNTS[name]) == 200
    return browser


def picture(tag: int) -> bytes:
    buffer = BytesIO()
    Pillow.new("RGB", (4, 4), (tag, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def saving(path: str, id: str) -> Json:
    load = {"type": "load_image", "params": {"path": path}}
    save = {"type": "save_image", "inputs": {"image": "load.image"}}
    nodes = {"load": load, "save": save}
    return {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, "ui": {"id": id}}


def everything_of(browser: Browser, tag: int) -> Json:
    """What somebody has after using the server: an upload, a run, a result, a file in Gradio's cache."""
    content = picture(tag)
    uploaded = browser.http.post("/kandinsky/picture", content=content).json()
    events = browser.run(saving(uploaded["ref"], "w"))
    assert events[-1]["status"] == "ok"
    (result,) = browser.ask("results", workflow="w")[:1]
    (cached,) = browser.http.post("/gradio_api/upload", files={"files": ("a.png", content)}).json()
    return {
        "upload": uploaded,
        "run": events[0]["run"],
        "result": result,
        "cached": cached,
        "content": content,
    }


def addresses(owned: Json) -> list[str]:
    """Where its owner reads it."""
    id = owned["result"]["id"]
    return [
        owned["upload"]["url"],
        owned["result"]["url"],
        owned["result"]["thumbnail"],
        f"/kandinsky/runs/{owned['run']}/events",
        f"/gradio_api/file={owned['cached']}",
        f"/gradio_api/file=/kandinsky/{id}/image.png",
        f"/gradio_api/file/{owned['cached']}",
    ]


def check_apart(one: Browser, other: Browser) -> None:
    """Each reads their own, and nothing of the other's."""
    mine, theirs = everything_of(one, 1), everything_of(other, 2)
    for browser, own, foreign in ((one, mine, theirs), (other, theirs, mine)):
        for address in addresses(own):
            assert browser.http.get(address).status_code in (200, 404), address
        assert browser.http.get(own["upload"]["url"]).content == own["content"]
        assert browser.http.get(f"/gradio_api/file={own['cached']}").content == own["content"]
        for address in addresses(foreign):
            assert browser.http.get(address).status_code in (403, 404), address
        assert foreign["result"]["id"] not in [r["id"] for r in browser.ask("results", workflow="w")]
        with pytest.raises(Refusal):
            browser.ask("result_workflow", id=foreign["result"]["id"])
        # Nor is it used: by content, by the place where it lies, or by a path below the current folder.
        ref = foreign["upload"]["ref"]
        sha256 = ref.removeprefix("sha256:")
        for path in (ref, foreign["cached"], f"{sha256}.png", f"inputs/{sha256}.png", f"../{sha256}.png"):
            problems = browser.ask("plan", workflow=saving(path, "x"))["problems"]
            assert problems and problems[0]["param"] == "path", path
            assert browser.run(saving(path, "x"))[-1]["status"] == "failed"


def test_people_with_a_login_are_kept_apart(locked: str, studio: Studio) -> None:
    check_apart(logged_in(locked, "anna"), logged_in(locked, "bert"))
    written = {path.parent.name for path in studio.places.output.rglob("*.png")}
    assert written == {"anna", "bert"}


def test_visitors_are_kept_apart(open_url: str) -> None:
    check_apart(Browser(open_url).enter(), Browser(open_url).enter())


def test_who_has_no_cookie_is_apart_from_visitors(open_url: str) -> None:
    check_apart(Browser(open_url), Browser(open_url).enter())


def test_who_brings_the_same_picture_may_use_it(open_url: str) -> None:
    one, other = Browser(open_url).enter(), Browser(open_url).enter()
    content = picture(77)
    ref = one.http.post("/kandinsky/picture", content=content).json()["ref"]
    assert other.ask("plan", workflow=saving(ref, "x"))["problems"]
    assert other.http.post("/kandinsky/picture", content=content).json()["ref"] == ref
    assert other.ask("plan", workflow=saving(ref, "x"))["problems"] == []


def test_a_cookie_that_was_made_up_is_nobody(open_url: str) -> None:
    browser = Browser(open_url)
    browser.http.cookies.set("kandinsky-visitor", "short")
    first = browser.http.get("/")
    assert first.headers["set-cookie"].startswith("kandinsky-visitor=")
    for part in ("HttpOnly", "SameSite=Lax"):
        assert part in first.headers["set-cookie"]
    assert "set-cookie" not in Browser(open_url).enter().http.get("/").headers


def test_saved_workflows_are_ones_own_with_a_login(locked: str) -> None:
    anna, bert = logged_in(locked, "anna"), logged_in(locked, "bert")
    anna.ask("save", name="Secret", workflow=saving("scene.png", "s"), revision=None)
    assert [item["name"] for item in anna.ask("saved")] == ["Secret"]
    assert bert.ask("saved") == []
    with pytest.raises(Refusal, match="no saved workflow"):
        bert.ask("load", name="Secret")
    with pytest.raises(Refusal, match="cannot be the name"):
        bert.ask("load", name="../anna/Secret")


def test_drafts_of_forms_are_ones_own(open_url: str) -> None:
    one, other = Browser(open_url).enter(), Browser(open_url).enter()
    draft = f"draft:{one.ask('draft', workflow=saving('scene.png', 'd'))['draft']}"
    for browser, known in ((one, True), (other, False)):
        body = {"workflow": draft, "inputs": "{}"}
        answer = call(browser, "run_workflow", body)
        assert ("event: complete" in answer) is known, answer


def call(browser: Browser, endpoint: str, body: Json) -> str:
    """An endpoint called as curl does; the events of its answer."""
    started = browser.http.post(f"/gradio_api/call/v2/{endpoint}", json=body)
    id = started.json()["event_id"]
    return browser.http.get(f"/gradio_api/call/{endpoint}/{id}").text


def test_nobody_hears_the_answers_to_somebody_elses_calls(open_url: str) -> None:
    one, other = Browser(open_url).enter(), Browser(open_url).enter()
    body = {"workflow": json.dumps(saving("scene.png", "c")), "inputs": "{}"}
    id = one.http.post("/gradio_api/call/v2/run_workflow", json=body).json()["event_id"]
    assert other.http.get(f"/gradio_api/call/run_workflow/{id}").status_code == 403
    assert "event: complete" in one.http.get(f"/gradio_api/call/run_workflow/{id}").text


def test_nobody_speaks_in_somebody_elses_session(open_url: str) -> None:
    one, other = Browser(open_url).enter(), Browser(open_url).enter()
    body = {"workflow": json.dumps(saving("scene.png", "c")), "inputs": "{}"}
    id = one.http.post("/gradio_api/call/v2/run_workflow", json=body).json()["event_id"]
    with one.http.stream("GET", "/gradio_api/heartbeat/page-of-one") as open_page:
        assert open_page.status_code == 200
    named = {"session_hash": "page-of-one"}
    for method, path, content in (
        ("GET", f"/gradio_api/call/v2/run_workflow/{id}", None),
        ("GET", "/gradio_api/heartbeat/page-of-one", None),
        ("GET", "/gradio_api/queue/data?session_hash=page-of-one", None),
        ("POST", "/gradio_api/queue/join", {"data": [], "fn_index": 0, **named}),
        ("POST", "/gradio_api/cancel", {"fn_index": 0, "event_id": id, **named}),
        ("POST", "/gradio_api/call/run_workflow", {"data": [], **named}),
        ("POST", "/gradio_api/call/run_workflow", {"data": [], "session_hash": "x" * 1000}),
    ):
        assert other.http.request(method, path, json=content).status_code == 403, path
    assert "event: complete" in one.http.get(f"/gradio_api/call/run_workflow/{id}").text


# A login for everything


def routes_of(studio: Studio, reach: Reach) -> list[tuple[str, str]]:
    """Method and address of every route there is, Gradio's and ours."""
    from ui.server.app import build

    door = build(studio, reach)
    found: list[tuple[str, str]] = []
    waiting = [(route, "") for route in door._app.routes]  # type: ignore[attr-defined]
    while waiting:
        route, prefix = waiting.pop()
        router = getattr(route, "original_router", None) or getattr(route, "app", None)
        if hasattr(router, "routes") and not hasattr(route, "methods"):
            waiting += [(item, prefix + (getattr(route, "path", "") or "")) for item in router.routes]
            continue
        found += [(method, prefix + route.path) for method in getattr(route, "methods", None) or ()]
    return sorted(set(found))


def filled(path: str, owned: Json) -> str:
    """The address of a route with what somebody has in it."""
    for name in ("path:path", "path_or_url:path", "url_path:path"):
        path = path.replace("{" + name + "}", owned["cached"].lstrip("/"))
    path = path.replace("{run}", owned["run"]).replace("{id}", owned["result"]["id"])
    path = path.replace("{sha256}", owned["upload"]["ref"].removeprefix("sha256:"))
    return "".join(part.partition("}")[2] if "}" in part else part for part in ("{" + path).split("{"))


STREAMS = ("/heartbeat/",)


def walk(browser: Browser, routes: list[tuple[str, str]], owned: Json) -> dict[tuple[str, str], int]:
    """What somebody else gets from every route: statuses, and nothing that its owner has."""
    statuses = {}
    cookies = dict(browser.http.cookies)
    for method, path in routes:
        if any(part in path for part in STREAMS):
            continue
        address = filled(path, owned)
        body = b"{}" if method in ("POST", "PUT") else None
        answer = browser.http.request(method, address, content=body)
        browser.http.cookies.update(cookies)
        statuses[method, address] = answer.status_code
        for secret in (owned["result"]["id"], owned["upload"]["ref"], owned["cached"], owned["run"]):
            assert secret not in answer.text, (method, address, secret)
        assert owned["content"] != answer.content, (method, address)
    return statuses


def test_without_the_login_nothing_is_there(locked: str, studio: Studio) -> None:
    owned = everything_of(logged_in(locked, "anna"), 5)
    routes = routes_of(studio, Reach(accounts=Accounts(ACCOUNTS)))
    statuses = walk(Browser(locked), routes, owned)
    for (method, address), status in statuses.items():
        if status in (303, 401, 403, 404, 405):
            continue
        # What is left is the login itself, and what its page is made of.
        assert address.rstrip("/") in LOGIN_PAGE or address.startswith(PARTS), (method, address, status)
    assert len(statuses) > 60
    assert statuses["GET", "/kandinsky/health"] == 200


def test_no_route_gives_somebody_what_is_anothers(locked: str, open_url: str, studio: Studio) -> None:
    owned = everything_of(logged_in(locked, "anna"), 6)
    statuses = walk(logged_in(locked, "bert"), routes_of(studio, Reach(accounts=Accounts(ACCOUNTS))), owned)
    assert statuses["GET", owned["result"]["url"]] == statuses["GET", owned["upload"]["url"]] == 404
    owned = everything_of(Browser(open_url).enter(), 7)
    statuses = walk(Browser(open_url).enter(), routes_of(studio, Reach()), owned)
    assert statuses["GET", owned["result"]["url"]] == statuses["GET", owned["upload"]["url"]] == 404


CLOSED = [
    "/gradio_api/proxy=http://127.0.0.1/",
    "/gradio_api/run-history/records",
    "/gradio_api/deep_link",
    "/gradio_api/token",
    "/gradio_api/dev/reload",
    "/gradio_api/vibe-code",
    "/gradio_api/custom_component/a/client/b/c.js",
    "/gradio_api/openapi.json",
    "/monitoring",
    "/monitoring/summary",
    "/pwa_icon",
    "/logout",
    "/docs",
    "/a-route-of-the-next-release",
    "/gradio_api/a-route-of-the-next-release",
]


def test_routes_that_we_do_not_use_are_refused(open_url: str, studio: Studio) -> None:
    visitor = Browser(open_url).enter()
    assert {path: visitor.http.get(path).status_code for path in CLOSED} == dict.fromkeys(CLOSED, 404)
    for route in ("run", "api"):
        called = visitor.http.post(f"/gradio_api/{route}/run_workflow", json={"data": ["text_to_image"]})
        assert called.status_code == 404
    served_ones = [path for method, path in routes_of(studio, Reach()) if is_served(method, path)]
    assert len(served_ones) > 20


def test_no_get_changes_anything(open_url: str, studio: Studio) -> None:
    """Every GET that is served, as its owner: what they have is the same afterwards."""
    owner = Browser(open_url).enter()
    owned = everything_of(owner, 8)
    owner.ask("save", name="kept", workflow=saving(owned["upload"]["ref"], "k"), revision=None)

    def everything() -> Any:
        here = [str(path) for path in sorted(Path(owned["cached"]).parents[1].rglob("*"))]
        return owner.ask("saved"), owner.ask("results", workflow="w"), owner.ask("queue"), here

    before = everything()
    for method, path in routes_of(studio, Reach()):
        if method in ("GET", "HEAD") and not any(part in path for part in STREAMS):
            owner.http.request(method, filled(path, owned))
    assert everything() == before
    assert [owner.http.get(url).status_code for url in addresses(owned)[:3]] == [200, 200, 200]


LOGIN_PAGE = ("", "/login", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json",
              "/gradio_api/theme.css", "/gradio_api/app_id",
              "/kandinsky/health", "/kandinsky/logout")  # fmt: skip
PARTS = ("/assets", "/static", "/svelte")


@pytest.mark.parametrize(
    "path",
    [
        "/config",
        "/config/",
        "/gradio_api/info",
        "/gradio_api/openapi.json",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/queue/data?session_hash=x",
        "/gradio_api/heartbeat/x",
        "/kandinsky/canvas.js",
        "/kandinsky/here",
        "/kandinsky/template/picture/scene.png",
        "//gradio_api/info",
        "//kandinsky/here",
    ],
)
def test_these_want_a_login(locked: str, path: str) -> None:
    assert Browser(locked).http.get(locked + path).status_code in (401, 404)
    nobody = Browser(locked)
    nobody.http.cookies.set("kandinsky-visitor", "a" * 43)
    nobody.http.cookies.set("access-token-unsecure-x", "a" * 22)
    assert nobody.http.get(locked + path).status_code in (401, 404)


def test_a_wrong_password_is_no_login(locked: str) -> None:
    browser = Browser(locked)
    for name, password in (("anna", "zwei"), ("carl", "eins"), ("", "")):
        assert browser.login(name, password) in (400, 422)
    assert browser.http.get("/kandinsky/here").status_code == 401


def test_after_the_logout_nothing_is_there(locked: str) -> None:
    browser = logged_in(locked, "anna")
    assert browser.http.get("/kandinsky/here").status_code == 204
    browser.http.get("/logout")
    browser.http.cookies.clear()
    assert browser.http.get("/kandinsky/here").status_code == 401


def test_other_sites_cannot_make_a_browser_do_something(open_url: str) -> None:
    browser = Browser(open_url).enter()
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert browser.http.post("/kandinsky/picture", content=picture(3), headers=headers).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://127.0.0.1/",
        "/gradio_api/file=http://127.0.0.1/",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../etc/passwd",
        "/gradio_api/runs",
        "/monitoring",
        "/gradio_api/vibe-code/",
        "/gradio_api/custom_component/x/server/component/y",
        "/gradio_api/stream/a/b/c/playlist-file",
    ],
)
def test_what_has_no_owner_is_closed(open_url: str, path: str) -> None:
    assert Browser(open_url).enter().http.get(path).status_code in (403, 404)


# What a workflow may read


def test_closed_folders_stay_closed_below_open_ones(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    (tmp_path / "outputs" / "anna").mkdir(parents=True)
    content = b"mine"
    sha256 = hashlib.sha256(content).hexdigest()
    (tmp_path / "inputs" / f"{sha256}.png").write_bytes(content)
    (tmp_path / "outputs" / "anna" / "a.png").write_bytes(content)
    (tmp_path / "open.png").write_bytes(content)
    (tmp_path / "link.png").symlink_to(tmp_path / "outputs" / "anna" / "a.png")
    closed = [tmp_path / "inputs", tmp_path / "outputs"]

    def files(owns: bool) -> Files:
        privacy = Privacy(closed, lambda _: owns)
        return Files(None, [tmp_path], cwd=tmp_path, models=tmp_path / "models", privacy=privacy)

    assert files(False).file(str(tmp_path / "open.png")).read() == content
    for path in (f"inputs/{sha256}.png", "outputs/anna/a.png", "link.png"):
        with pytest.raises(FileRefused, match="upload it"):
            files(True).file(str(tmp_path / path))
    for path in (f"{sha256}.png", f"sha256:{sha256}"):
        with pytest.raises(FileRefused, match="upload it"):
            files(False).file(path)
    assert files(True).file(f"sha256:{sha256}").read() == content
    with pytest.raises(FileRefused, match="upload it"):
        files(True).file(f"{sha256}.png")


def test_gradio_keeps_a_bounded_number_of_uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.server.uploaded_files.MOST_UPLOADS", 2)
    files = UploadedFiles()
    one, other = user("one"), user("other")
    paths = [tmp_path / name for name in ("a", "b", "c", "d")]
    for path in paths:
        path.write_text("x")
    files.add(other, str(paths[1]))
    for path in paths:
        files.add(one, str(path))
    assert [path.exists() for path in paths] == [False, True, True, True]
    assert [files.owns(one, str(path)) for path in paths] == [False, False, True, True]
    assert files.owns(other, str(paths[1]))
