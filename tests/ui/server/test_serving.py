"""The server as the canvas uses it: questions, pictures, runs that outlive the page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from graph.workflow.embedded import extract
from tests.ui.browser import Browser, Refusal
from tests.ui.serving import places, served, toys_and_pictures
from ui.studio.studio import Studio
from ui.studio.templates import FOLDER

Json = dict[str, Any]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(toys_and_pictures(), places(tmp_path_factory.mktemp("studio")))


@pytest.fixture(scope="module")
def url(studio: Studio) -> Iterator[str]:
    with served(studio) as url:
        yield url


@pytest.fixture
def browser(url: str) -> Browser:
    return Browser(url).enter()


def workflow(nodes: Json, **more: Any) -> Json:
    return {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, **more}


def numbers(amount: int = 1, **more: Any) -> Json:
    return workflow({"one": {"type": "toys/number", "params": {"amount": amount}}}, **more)


def slow(seconds: float = 0.02, steps: int = 1000, tag: int = 0) -> Json:
    """Steps with previews, enough of them to be cancelled."""
    one = {"type": "toys/number", "params": {"amount": tag}}
    params = {"seconds": seconds, "steps": steps}
    return workflow(
        {"one": one, "slow": {"type": "toys/slow", "inputs": {"a": "one.value"}, "params": params}}
    )


def picture_of(colour: tuple[int, int, int], size: tuple[int, int] = (6, 4)) -> bytes:
    buffer = BytesIO()
    Pillow.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def saving(path: str, **more: Any) -> Json:
    """A workflow that reads a picture and saves it."""
    load = {"type": "load_image", "params": {"path": path}}
    return workflow({"load": load, "save": {"type": "save_image", "inputs": {"image": "load.image"}}}, **more)


def of(events: list[Json], kind: str) -> list[Json]:
    return [event for event in events if event["event"] == kind]


def test_hello_says_all_that_the_canvas_needs(browser: Browser) -> None:
    hello = browser.ask("hello")
    assert {"toys/number", "load_image"} <= set(hello["catalogue"]["nodes"])
    assert hello["templates"][0]["id"] == "text_to_image"
    assert {item["id"] for item in hello["templates"]} == {path.stem for path in FOLDER.glob("*.json")}
    assert hello["user"] is None
    assert hello["devices"][:2] == ["auto", "cpu"]


def test_plan_and_run(browser: Browser) -> None:
    assert browser.ask("plan", workflow=numbers(31), base="", to=None) == {
        "problems": [],
        "nodes": {"one": "run"},
        "because": {},
    }
    events = browser.run(numbers(31))
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert of(events, "finished")[0]["outputs"]["value"] == {"type": "int", "value": 31}
    assert events[-1]["status"] == "ok"
    assert browser.ask("plan", workflow=numbers(31))["nodes"] == {"one": "reuse"}


def test_a_plan_says_why_a_node_runs(browser: Browser) -> None:
    def kept(amount: int) -> dict[str, Any]:
        return {**numbers(amount), "ui": {"id": "a-workflow-that-is-explained"}}

    assert browser.ask("plan", workflow=kept(41))["because"] == {"one": "new"}
    browser.run(kept(41))
    planned = browser.ask("plan", workflow=kept(42))
    assert planned["nodes"] == {"one": "run"}
    assert planned["because"] == {"one": "Amount changed from 41 to 42"}
    assert browser.ask("plan", workflow={**kept(42), "ui": {"id": "another"}})["because"] == {"one": "new"}


def test_problems_come_from_the_plan_and_from_the_run(browser: Browser) -> None:
    wrong = numbers(5000)
    (problem,) = browser.ask("plan", workflow=wrong)["problems"]
    assert (problem["node"], problem["param"]) == ("one", "amount")
    events = browser.run(wrong)
    assert [event["event"] for event in events] == ["queued", "invalid", "done"]
    assert of(events, "invalid")[0]["problems"] == [problem]
    assert events[-1]["status"] == "failed"
    assert browser.ask("plan", workflow={"nodes": {}})["problems"]
    with pytest.raises(Refusal, match="not a workflow"):
        browser.ask("start", workflow=[1, 2])


def test_a_failed_node_says_why(browser: Browser) -> None:
    one = {"type": "toys/number"}
    fail = {"type": "toys/fail", "inputs": {"a": "one.value"}, "params": {"message": "no, really"}}
    events = browser.run(workflow({"one": one, "fail": fail}))
    assert of(events, "failed")[0]["error"] == "no, really"
    assert events[-1]["status"] == "failed"


def test_a_run_outlives_the_page_and_is_found_again(browser: Browser) -> None:
    run = browser.ask("start", workflow=slow(0.005, 60, tag=1), to="slow")["run"]
    seen: list[Json] = []
    for event in browser.events(run):
        seen.append(event)
        if event["event"] == "progress" and event["step"] >= 3:
            break  # the page is closed
    again = Browser(str(browser.http.base_url))
    again.http.cookies = browser.http.cookies
    (active,) = again.ask("active")
    assert (active["run"], active["to"], active["position"]) == (run, "slow", 0)
    assert active["workflow"]["nodes"].keys() == {"one", "slow"}
    rest = list(again.events(run, seen[-1]["seq"] + 1))
    assert [event["seq"] for event in [*seen, *rest]] == list(range(len(seen) + len(rest)))
    assert rest[-1]["status"] == "ok"
    whole = list(again.events(run))
    assert [event["event"] for event in whole] == [event["event"] for event in [*seen, *rest]]
    assert sum("preview" in event for event in whole) == 1  # of those that were told, the newest
    assert again.ask("active") == []


def test_two_tabs_follow_the_same_run(browser: Browser) -> None:
    run = browser.ask("start", workflow=slow(0.005, 30, tag=2))["run"]
    tabs: list[list[int]] = [[], []]

    def follow(tab: list[int]) -> None:
        other = Browser(str(browser.http.base_url))
        other.http.cookies = browser.http.cookies
        tab += [event["seq"] for event in other.events(run)]

    threads = [threading.Thread(target=follow, args=(tab,)) for tab in tabs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert tabs[0] == tabs[1] == list(range(len(tabs[0])))


def test_cancelling_acts_within_a_step(browser: Browser) -> None:
    run = browser.ask("start", workflow=slow(0.05, tag=3))["run"]
    asked = 0.0
    for event in browser.events(run):
        if event["event"] == "progress" and not asked:
            browser.ask("cancel", run=run)
            asked = time.perf_counter()
    assert event["status"] == "cancelled"
    assert time.perf_counter() - asked < 1.0


def test_the_queue_shows_positions_and_only_ones_own(url: str, browser: Browser) -> None:
    other = Browser(url).enter()
    first = browser.ask("start", workflow={**slow(tag=4), "name": "mine"})["run"]
    second = other.ask("start", workflow={**slow(tag=5), "name": "theirs"})["run"]
    assert browser.ask("queue") == [
        {"run": first, "name": "mine", "mine": True, "position": 0},
        {"run": "", "name": "", "mine": False, "position": 1},
    ]
    assert other.ask("active")[0]["position"] == 1
    with pytest.raises(Refusal, match="not known"):
        other.ask("cancel", run=first)
    with pytest.raises(Refusal, match="not known"):
        list(other.events(first))
    browser.ask("cancel", run=first)
    positions = []
    for event in other.events(second):
        if event["event"] == "queued":
            positions.append(event["position"])
        if event["event"] == "progress":
            other.ask("cancel", run=second)
    assert positions == [1, 0]


def test_too_many_runs_are_refused_in_a_sentence(browser: Browser) -> None:
    started = [browser.ask("start", workflow=slow(tag=6))["run"] for _ in range(8)]
    with pytest.raises(Refusal, match="you have 8 runs waiting already"):
        while True:
            started.append(browser.ask("start", workflow=slow(tag=6))["run"])
    for run in reversed(started):
        browser.ask("cancel", run=run)


def test_event_traffic_is_the_same_for_a_large_graph(browser: Browser) -> None:
    def bytes_of_events(extra: int) -> int:
        nodes = {f"n{number}": {"type": "note", "params": {"text": "x" * 100}} for number in range(extra)}
        big = slow(0, 40, tag=7 + extra)
        events = browser.run({**big, "nodes": {**big["nodes"], **nodes}}, to="slow")
        return max(len(json.dumps(event)) for event in events if event["event"] in ("progress", "finished"))

    assert abs(bytes_of_events(300) - bytes_of_events(0)) < 20


# Pictures


def test_uploads_are_kept_by_content_and_used(browser: Browser, studio: Studio) -> None:
    content = picture_of((10, 200, 30))
    answer = browser.http.post("/kandinsky/picture", content=content).json()
    sha256 = hashlib.sha256(content).hexdigest()
    assert answer == {
        "ref": f"sha256:{sha256}",
        "url": f"/kandinsky/picture/{sha256}",
        "width": 6,
        "height": 4,
    }
    assert (studio.places.inputs / f"{sha256}.png").read_bytes() == content
    shown = browser.http.get(answer["url"])
    assert (shown.content, shown.headers["content-type"]) == (content, "image/png")
    assert shown.headers["x-content-type-options"] == "nosniff"
    events = browser.run(saving(answer["ref"]))
    summary = next(event for event in of(events, "finished") if event["node"] == "save")["outputs"]["image"]
    (address,) = summary["urls"]
    assert np.array(Pillow.open(BytesIO(browser.http.get(address).content)))[0, 0].tolist() == [10, 200, 30]
    loaded = next(event for event in of(events, "finished") if event["node"] == "load")["outputs"]
    # Neither saved nor shown, and seen all the same.
    assert Pillow.open(BytesIO(base64.b64decode(loaded["image"]["thumbnail"]))).size == (6, 4)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"<svg/>"])
def test_what_is_no_picture_is_not_taken(browser: Browser, content: bytes) -> None:
    answer = browser.http.post("/kandinsky/picture", content=content)
    assert answer.status_code == 422
    assert "picture" in answer.json()["error"]


def test_too_large_pictures_are_not_taken(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    import nodes.batches
    import ui.studio.uploads

    monkeypatch.setattr(nodes.batches, "MOST_PIXELS", 10)
    answer = browser.http.post("/kandinsky/picture", content=picture_of((1, 2, 3)))
    assert "6 x 4 pixels" in answer.json()["error"]
    monkeypatch.undo()
    monkeypatch.setattr(ui.studio.uploads, "LARGEST", 10)
    assert (
        "the limit is"
        in browser.http.post("/kandinsky/picture", content=picture_of((1, 2, 3))).json()["error"]
    )
    monkeypatch.undo()
    monkeypatch.setattr(ui.studio.uploads, "MOST", 0)
    assert (
        "one too many"
        in browser.http.post("/kandinsky/picture", content=picture_of((1, 2, 3))).json()["error"]
    )


def test_templates_bring_their_pictures(browser: Browser) -> None:
    scene = browser.http.get("/kandinsky/template/picture/scene.png")
    assert scene.content == (FOLDER / "scene.png").read_bytes()
    assert browser.run(saving("scene.png"))[-1]["status"] == "ok"
    for name in ("text_to_image.json", "..%2Fpyproject.toml", "%2Fetc%2Fpasswd", "nothing.png"):
        assert browser.http.get(f"/kandinsky/template/picture/{name}").status_code == 404
    for item in browser.ask("hello")["templates"]:
        if item["thumbnail"]:
            assert browser.http.get(item["thumbnail"]).headers["content-type"] == "image/webp"


def test_results_come_with_what_made_them(browser: Browser) -> None:
    made = saving("scene.png", ui={"id": "my-workflow"}, name="Mine")
    for name in ("one", "two"):
        made["nodes"]["save"]["params"] = {"name": name}
        browser.run(made)
    two, one = browser.ask("results", workflow="my-workflow")
    scene = Pillow.open(FOLDER / "scene.png")
    assert (one["node"], (one["width"], one["height"])) == ("save", scene.size)
    assert one["params"]["save.name"] == "one"
    sha256 = hashlib.sha256((FOLDER / "scene.png").read_bytes()).hexdigest()
    assert two["params"]["load.path"] == f"sha256:{sha256}"
    small = Pillow.open(BytesIO(browser.http.get(two["thumbnail"]).content))
    assert (small.format, max(small.size) <= 320) == ("WEBP", True)
    record = browser.ask("result_workflow", id=one["id"])
    assert record["nodes"]["save"]["params"] == {"name": "one", "format": "png", "metadata": True}
    carried = extract(browser.http.get(one["url"]).content)
    assert carried is not None
    assert json.loads(carried) == record
    assert browser.ask("results", workflow="another") == []
    with pytest.raises(Refusal, match="not there"):
        browser.ask("result_workflow", id="0" * 32)


# Saved workflows and files


def test_save_load_conflict_versions(browser: Browser) -> None:
    saved = browser.ask("save", name="Try", workflow=numbers(1, ui={"id": "try"}), revision=None)
    assert saved["status"] == "saved"
    stale = browser.ask("save", name="Try", workflow=numbers(2), revision=None)
    assert (stale["status"], stale["revision"]) == ("conflict", saved["revision"])
    newer = browser.ask("save", name="Try", workflow=numbers(2), revision=saved["revision"])
    loaded = browser.ask("load", name="Try")
    assert loaded["revision"] == newer["revision"]
    assert loaded["workflow"] == numbers(2)
    (version,) = browser.ask("versions", name="Try")
    assert browser.ask("old_version", name="Try", id=version["id"])["ui"] == {"id": "try"}
    (listed,) = [item for item in browser.ask("saved") if item["name"] == "Try"]
    assert (listed["nodes"], listed["thumbnail"]) == (1, "")
    browser.ask("remove", name="Try")
    assert "Try" not in [item["name"] for item in browser.ask("saved")]
    with pytest.raises(Refusal, match="cannot be the name"):
        browser.ask("save", name="../x", workflow=numbers(), revision=None)


def test_the_list_shows_the_newest_picture(browser: Browser) -> None:
    made = saving("scene.png", ui={"id": "seen"})
    browser.ask("save", name="Seen", workflow=made, revision=None)
    browser.run(made)
    (listed,) = [item for item in browser.ask("saved") if item["name"] == "Seen"]
    assert browser.http.get(listed["thumbnail"]).status_code == 200


def test_a_file_with_its_pictures_is_complete(url: str, browser: Browser) -> None:
    text = browser.ask("file_text", workflow=saving("scene.png"), pictures=True)
    sha256 = hashlib.sha256((FOLDER / "scene.png").read_bytes()).hexdigest()
    assert list(json.loads(text)["assets"]) == [sha256]
    assert json.loads(text)["nodes"]["load"]["params"]["path"] == f"sha256:{sha256}"
    plain = browser.ask("file_text", workflow=saving("scene.png"), pictures=False)
    assert json.loads(plain) == saving("scene.png")
    other = Browser(url).enter()  # somebody who gets the file by mail
    opened = other.http.post("/kandinsky/open", content=text.encode()).json()
    assert "assets" not in opened["workflow"]
    assert other.http.get(f"/kandinsky/picture/{sha256}").status_code == 200
    assert other.run(opened["workflow"])[-1]["status"] == "ok"


def test_a_saved_picture_runs_for_somebody_else_where_its_files_are_known(
    url: str, browser: Browser, studio: Studio
) -> None:
    events = browser.run(saving("scene.png"))
    (address,) = next(e for e in of(events, "finished") if e["node"] == "save")["outputs"]["image"]["urls"]
    other = Browser(url).enter()
    opened = other.http.post("/kandinsky/open", content=browser.http.get(address).content).json()["workflow"]
    sha256 = hashlib.sha256((FOLDER / "scene.png").read_bytes()).hexdigest()
    assert opened["nodes"]["load"]["params"]["path"] == f"sha256:{sha256}"
    assert other.http.get(f"/kandinsky/picture/{sha256}").content == (FOLDER / "scene.png").read_bytes()
    assert other.run(opened)[-1]["status"] == "ok"
    assert (studio.places.inputs / f"{sha256}.png").read_bytes() == (FOLDER / "scene.png").read_bytes()
    unknown = saving(f"sha256:{'0' * 64}")
    unknown["nodes"]["load"]["ui"] = {"files": {f"sha256:{'0' * 64}": "cat.png"}}
    (problem,) = other.ask("plan", workflow=unknown)["problems"]
    assert problem["message"].startswith("'cat.png' (sha256:000") and "upload it" in problem["message"]


def test_opening_pictures_and_broken_files(browser: Browser) -> None:
    events = browser.run(saving("scene.png", name="Inside"))
    (address,) = next(e for e in of(events, "finished") if e["node"] == "save")["outputs"]["image"]["urls"]
    opened = browser.http.post("/kandinsky/open", content=browser.http.get(address).content).json()
    assert opened["workflow"]["name"] == "Inside"
    unknown = workflow({"x": {"type": "no/such"}})
    opened = browser.http.post("/kandinsky/open", content=json.dumps(unknown).encode()).json()
    assert opened == {"workflow": unknown}  # what is wrong with it, its plan says
    for content, message in (
        (b"{", "not JSON"),
        (b"[]", "not a workflow"),
        (picture_of((0, 0, 0)), "carries no workflow"),
        (b"\xff\xfe\x00", "UTF-8"),
    ):
        answer = browser.http.post("/kandinsky/open", content=content)
        assert answer.status_code == 422
        assert message in answer.json()["error"]


# Questions that nobody should ask


@pytest.mark.parametrize(
    ("question", "fields", "message"),
    [
        ("load", {}, "missing a required argument"),
        ("load", {"name": 3}, "3 as name"),
        ("load", {"name": "a", "more": 1}, "unexpected keyword"),
        ("start", {"workflow": numbers(), "to": ["one"]}, "as to"),
        ("plan", {"workflow": "text"}, ""),
        ("old_version", {"name": "a", "id": "../../../etc/passwd"}, "no version"),
        ("results", {"workflow": None}, "as workflow"),
    ],
)
def test_wrong_questions_are_refused_in_a_sentence(
    browser: Browser, question: str, fields: Json, message: str
) -> None:
    if message:
        with pytest.raises(Refusal, match=message):
            browser.ask(question, **fields)
    else:
        assert browser.ask(question, **fields)["problems"]


def test_questions_come_as_the_text_of_an_object(browser: Browser) -> None:
    browser.ask("active")
    for data in (None, [], "[]", "{", '{"a": 1, "a": 2}', 7):
        body = {"component_id": browser._canvas, "fn_name": "active", "session_hash": "s", "data": data}
        answer = json.loads(browser.http.post("/gradio_api/component_server", json=body).json())
        assert set(answer) == {"error"}


def test_a_huge_request_is_refused(url: str, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    import ui.server.access_guard

    monkeypatch.setattr(ui.server.access_guard, "LARGEST_BODY", 1000)
    answer = browser.http.post("/kandinsky/picture", content=b"x" * 2000)
    assert answer.status_code == 413
    pieces = iter([b"x" * 600] * 4)
    assert browser.http.post("/kandinsky/open", content=pieces).status_code == 413


def test_the_page_asks_nobody_else(browser: Browser) -> None:
    for path in ("/", "/form", "/config", "/theme.css"):
        text = browser.http.get(path).text
        for stranger in ("googleapis.com", "gstatic.com", "cdn.", "cloudflare", "analytics.g"):
            assert stranger not in text, (path, stranger)
    config = browser.http.get("/config").json()
    assert config["stylesheets"] == []
    assert config["analytics_enabled"] is False
    assert not config.get("run_history")


def test_below_another_path(studio: Studio) -> None:
    with served(studio, root_path="/studio") as url:
        page = httpx.get(url).text
        root = re.search(r'"root":"([^"]*)"', page)
        assert root is not None
        assert root[1].endswith("/studio")  # what the canvas puts before every address
