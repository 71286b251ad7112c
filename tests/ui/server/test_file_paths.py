"""No call makes Gradio open a file or an address: only what its caller uploaded reaches the cache."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio import processing_utils
from gradio.blocks import Blocks
from gradio.state_holder import StateHolder
from gradio_client import Client, handle_file
from gradio_client.utils import is_file_obj, is_file_obj_with_meta

from tests.ui.browser import Browser
from tests.ui.server.test_privacy import picture
from tests.ui.serving import places, served, toys_and_pictures
from ui.server.gradio_private import MOST_DEPTH, check_files
from ui.server.uploaded_files import UploadedFiles
from ui.studio import templates
from ui.studio.owners import Owner
from ui.studio.studio import Studio

META = {"_type": "gradio.FileData"}
TEMPLATE = {
    "format": "kandinsky-workflow",
    "version": 1,
    "name": "Grey",
    "nodes": {
        "load": {"type": "load_image"},
        "small": {"type": "resize", "inputs": {"image": "load.image"}, "params": {"width": 4, "height": 4}},
        "save": {"type": "save_image", "inputs": {"image": "small.image"}},
    },
    "interface": {"inputs": {"picture": "load.path"}, "outputs": {"image": "save.image"}},
}


class Opened:
    """What Gradio copied into its cache, and the addresses that it fetched."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.addresses: list[str] = []


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    seen = Opened()
    copy = processing_utils.save_file_to_cache

    def copying(file_path: Any, cache_dir: str) -> str:
        seen.paths.append(str(file_path))
        return copy(file_path, cache_dir)

    async def fetching(url: str, *_: Any, **__: Any) -> str:
        seen.addresses.append(url)
        raise AssertionError(url)

    monkeypatch.setattr(processing_utils, "save_file_to_cache", copying)
    for name in ("async_ssrf_protected_download", "save_url_to_cache", "async_save_url_to_cache"):
        if hasattr(processing_utils, name):
            monkeypatch.setattr(processing_utils, name, fetching)
    return seen


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    made = templates.Template("grey", "Grey", "", TEMPLATE)
    monkeypatch.setattr("ui.server.endpoints.templates", lambda: (made,))
    with served(Studio(toys_and_pictures(), places(tmp_path))) as url:
        yield url


def hostile(outside: Path, foreign: str) -> dict[str, Any]:
    """Values that name a file which is not the caller's."""
    plain = {"path": str(outside), "meta": META}
    deep: Any = plain
    for _ in range(20):
        deep = [{"a": deep}]
    deeper: Any = plain
    for _ in range(MOST_DEPTH + 1):
        deeper = [deeper]
    return {
        "a file": plain,
        "a device": {"path": "/dev/zero", "meta": META},
        "an address": {"path": "http://127.0.0.1:9/x.png", "meta": META},
        "an address beside a path": {"path": str(outside), "url": "http://127.0.0.1:9/x.png", "meta": META},
        "another's upload": {"path": foreign, "meta": META},
        "a stream": {**plain, "is_stream": True},
        "nested": deep,
        "nested too deeply": deeper,
        "a list": [plain, plain],
        "odd meta": {"path": str(outside), "meta": "gradio.FileData"},
        "a result's path": {"path": "/kandinsky/" + "0" * 32 + "/image.png", "meta": META},
    }


def call(http: httpx.Client, route: str, value: Any) -> str:
    """Everything that a route answers to a call with this value."""
    if route in ("run", "api"):
        return http.post(f"/gradio_api/{route}/grey", json={"data": [value]}).text
    if route == "queue/join":
        config = http.get("/config").json()
        number = next(item["id"] for item in config["dependencies"] if item["api_name"] == "grey")
        body = {"data": [value], "fn_index": number, "session_hash": "s" + str(id(value))}
        http.post("/gradio_api/queue/join", json=body).raise_for_status()
        return http.get("/gradio_api/queue/data", params={"session_hash": body["session_hash"]}).text
    body = {"picture": value} if route == "call/v2" else {"data": [value]}
    answer = http.post(f"/gradio_api/{route}/grey", json=body)
    if "event_id" not in answer.json():
        return answer.text
    return http.get(f"/gradio_api/call/grey/{answer.json()['event_id']}").text


@pytest.mark.parametrize("route", ["run", "api", "call", "call/v2", "queue/join"])
def test_only_uploads_of_the_caller_are_opened(url: str, tmp_path: Path, opened: Opened, route: str) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("a secret")
    other, mine = Browser(url).enter(), Browser(url).enter()
    (foreign,) = other.http.post("/gradio_api/upload", files={"files": ("a.png", picture(1))}).json()
    for what, value in hostile(outside, foreign).items():
        answer = call(mine.http, route, value)
        assert "a secret" not in answer and "event: complete" not in answer, what
    assert opened.paths == [] and opened.addresses == []
    assert not list(Path(foreign).parents[1].rglob("outside.txt"))


@pytest.mark.parametrize("route", ["run", "api"])
def test_calls_beside_the_queue_are_refused(url: str, route: str) -> None:
    curl = httpx.Client(base_url=url, timeout=60)
    ref = curl.post("/kandinsky/picture", content=picture(4)).json()["ref"]
    answer = curl.post(f"/gradio_api/{route}/grey", json={"data": [ref]})
    assert answer.status_code in range(400, 500) and "data" not in answer.json()


@pytest.mark.parametrize(
    "value",
    [
        {"path": "/etc/hostname"},
        {"path": "/etc/hostname", "url": None, "orig_name": "mine.png"},
        {"url": "http://127.0.0.1:9/x.png"},
        {"path": None, "url": "data:image/png;base64,AAAA"},
        {"path": "http://127.0.0.1:9/x.png"},
        [{"image": {"path": "/etc/hostname"}, "caption": None}],
    ],
)
def test_a_component_for_files_is_given_uploads_alone(value: Any) -> None:
    """It takes file objects that do not say what they are for such, too; other inputs keep theirs as data."""
    request = SimpleNamespace(scope={"state": {"owner": Owner("mine")}})
    with pytest.raises(gr.Error, match="a file must be one that you uploaded before"):
        check_files([value], [gr.Image(render=False)], request, UploadedFiles())
    check_files([value], [gr.Textbox(render=False)], request, UploadedFiles())


def test_an_upload_passes_without_the_address_beside_it() -> None:
    mine, uploaded = Owner("mine"), UploadedFiles()
    uploaded.add(mine, "/tmp/gradio/a/mine.png")
    value = {"path": "/tmp/gradio/a/mine.png", "url": "http://127.0.0.1:9/x.png", "meta": META}
    image = [gr.Image(render=False)]
    check_files([value], image, SimpleNamespace(scope={"state": {"owner": mine}}), uploaded)
    assert value["url"] is None
    other = SimpleNamespace(scope={"state": {"owner": Owner("other")}})
    for request in (other, None):
        with pytest.raises(gr.Error, match="a file must be one that you uploaded before"):
            check_files([value], image, request, uploaded)


def test_a_call_has_a_bounded_number_of_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.server.gradio_private.MOST_VALUES", 100)
    request = SimpleNamespace(scope={"state": {"owner": Owner("mine")}})
    check_files([[1] * 99], [], request, UploadedFiles())
    with pytest.raises(gr.Error, match="has too many values"):
        check_files([[1] * 100], [], request, UploadedFiles())


def test_the_canvas_asks_with_texts_alone(url: str, tmp_path: Path, opened: Opened) -> None:
    mine = Browser(url).enter()
    mine.ask("hello")
    for value in hostile(tmp_path / "x", "/tmp/x").values():
        body = {"component_id": mine._canvas, "fn_name": "plan", "session_hash": "s", "data": value}
        answer = json.loads(mine.http.post("/gradio_api/component_server", json=body).json())
        assert answer == {"error": "a question is asked with the text of a JSON object"}
    assert opened.paths == [] and opened.addresses == []


def test_honest_callers_get_their_pictures(url: str, tmp_path: Path, opened: Opened) -> None:
    (tmp_path / "mine.png").write_bytes(picture(3))
    client = Client(url, verbose=False, download_files=str(tmp_path / "downloads"))
    made = client.predict(picture=handle_file(tmp_path / "mine.png"), api_name="/grey")
    assert Path(made).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert opened.addresses == []
    assert all(Path(path).name == "mine.png" for path in opened.paths), opened.paths


def test_curl_gets_a_picture(url: str, opened: Opened) -> None:
    curl = httpx.Client(base_url=url, timeout=60)
    ref = curl.post("/kandinsky/picture", content=picture(4)).json()["ref"]
    answer = call(curl, "call", ref)
    (file,) = json.loads(answer.rpartition("data: ")[2])
    assert file["url"].startswith(url) and file["meta"] == META
    assert curl.get(file["url"]).content[:4] == b"\x89PNG"
    assert opened.paths == []


def test_the_private_parts_of_gradio_are_as_we_know_them() -> None:
    """Fails on a release that changes what gradio_private.py and gradio_sessions.py rely on."""
    known = list(inspect.signature(Blocks.process_api).parameters)[:5]
    assert known == ["self", "block_fn", "inputs", "state", "request"]
    assert inspect.iscoroutinefunction(Blocks.process_api)
    with gr.Blocks() as blocks:
        gr.api(lambda: 1, api_name="one")
    assert [list(function.inputs) for function in blocks.fns.values()] == [[]]
    assert is_file_obj_with_meta({"path": "x", "meta": META}) and is_file_obj({"path": "x"})
    assert not is_file_obj_with_meta({"path": "x", "meta": {}})
    holder = StateHolder()
    holder.set_blocks(blocks)
    assert holder["a"] is holder["a"] and list(holder.session_data) == ["a"] and "a" in holder.time_last_used
    assert dict(blocks._queue.pending_event_ids_session) == {}
