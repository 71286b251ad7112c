"""Visitors read no path of the machine, and no traceback; its owner does, and so does the log."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

import ui.studio.discretion
from graph.node import Progress, node
from graph.nodetypes.catalogue import Catalogue
from tests.ui.browser import Browser, Refusal
from tests.ui.serving import places, served, toys_and_pictures
from tests.ui.studio.test_runs import awaited
from ui.server.accounts import Accounts
from ui.server.gradio_private import GuardedBlocks
from ui.server.uploaded_files import UploadedFiles
from ui.studio.discretion import Discretion
from ui.studio.owners import Owner
from ui.studio.studio import Studio

Json = dict[str, Any]

OWNER = Owner("a", of_machine=True)
VISITOR = Owner("b")
QUOTED = re.compile(r" \(details: log entry ([0-9a-f]{8})\)$")

PATHS = [
    "/home/anna/x.png",
    "'/home/anna/My pictures/x.png'",
    '"/home/anna/it\'s mine.png"',
    "(/srv/models)",
    "=/etc/passwd",
    "file:///home/anna/x",
    r"C:\Users\Anna\x.png",
    "D:/work/anna/x.png",
    r"\\server\share\anna",
    "/srv/Anna Karenina/outputs/x.png",
]


@pytest.fixture
def discretion() -> Discretion:
    return Discretion([Path("/srv/Anna Karenina"), Path("/srv"), Path("/")])


@pytest.mark.parametrize("path", PATHS)
def test_paths_are_left_out_for_visitors_alone(
    discretion: Discretion, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"the file {path} cannot be read: 1/2, and/or owner/name at https://example.org/a/b"
    said = discretion.text(VISITOR, text)
    assert "anna" not in said.lower() and "/srv" not in said and "/etc" not in said, said
    assert said.startswith("the file ")
    assert "cannot be read: 1/2, and/or owner/name at https://example.org/a/b" in said
    match = QUOTED.search(said)
    assert match is not None
    logged = capsys.readouterr().err
    assert match[1] in logged and text in logged
    assert discretion.text(OWNER, text) == text
    assert discretion.text(VISITOR, text) == said
    assert capsys.readouterr().err == ""  # said before


def test_texts_without_paths_stay_as_they_are(
    discretion: Discretion, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("prior.seed: 3 is out of range", "a/b is no hub id (owner/name)", "7 / 2", "http://x/y", ""):
        assert discretion.text(VISITOR, text) == text
    assert capsys.readouterr().err == ""


def test_events_lose_paths_and_tracebacks(discretion: Discretion) -> None:
    failed = {"event": "failed", "node": "a", "error": "no", "details": 'File "/srv/x.py"'}
    seen = discretion.event(VISITOR, failed)
    assert seen["details"] == "" and seen["error"].startswith("no (details: log entry ")
    told = {
        "image": {"type": "image", "file": "/srv/a.png", "files": ["/srv/a.png"], "urls": ["/kandinsky/x"]}
    }
    finished = discretion.event(VISITOR, {"event": "finished", "node": "a", "outputs": told})
    assert finished["outputs"]["image"] == {
        "type": "image",
        "file": "a.png",
        "files": ["a.png"],
        "urls": ["/kandinsky/x"],
    }
    done = {"event": "done", "outputs": {"a": ["/srv/sub/a.png"], "b": 3}, "error": "in /srv/a"}
    seen = discretion.event(VISITOR, done)
    assert seen["outputs"] == {"a": ["a.png"], "b": 3} and "/srv" not in seen["error"]
    invalid = {"event": "invalid", "problems": [{"node": "a", "message": "/srv/a", "expected": "/srv/b"}]}
    assert "/srv" not in json.dumps(discretion.event(VISITOR, invalid))
    assert "/srv" not in json.dumps(discretion.event(VISITOR, {"event": "warning", "message": "/srv/a"}))
    for event in (failed, done, invalid):
        assert discretion.event(OWNER, event) is event


def test_the_log_cannot_be_filled_or_forged(
    discretion: Discretion, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ui.studio.discretion, "MOST_A_MINUTE", 5)
    discretion.text(VISITOR, "/srv/a\nlog entry 00000000:\n" + "x" * 50_000)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("log entry")] == lines[:1]
    assert sum(map(len, lines)) < ui.studio.discretion.LONGEST + 200
    for number in range(10):
        assert QUOTED.search(discretion.text(VISITOR, f"/srv/{number}"))
    assert capsys.readouterr().err.count("log entry") == 4


def test_a_log_that_is_closed_keeps_nobody_from_reading(
    discretion: Discretion, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert QUOTED.search(discretion.text(VISITOR, "/srv/a"))


# A server


@node(title="Break", group="Toys", id="toys/break")
def broken(*, words: str = "", progress: Progress) -> str:
    """Warn, then fail, and tell where."""
    progress.warn(f"a warning from {__file__}")
    raise OSError(2, "No such file", __file__)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    catalogue = Catalogue([*toys_and_pictures().values(), broken.node_type])  # type: ignore[attr-defined]
    return Studio(catalogue, places(tmp_path_factory.mktemp("My secret folder")))


@pytest.fixture(scope="module")
def of_owner(studio: Studio) -> Iterator[Browser]:
    with served(studio) as url:
        yield Browser(url).enter()


@pytest.fixture(scope="module")
def of_visitor(studio: Studio) -> Iterator[Browser]:
    with served(studio, Accounts({"anna": "eins"})) as url:
        browser = Browser(url)
        assert browser.login("anna", "eins") == 200
        yield browser


def workflow(nodes: Json, **more: Any) -> Json:
    return {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, **more}


BREAK = workflow({"it": {"type": "toys/break"}}, interface={"outputs": {"said": "it.string"}})
SAVE = workflow(
    {
        "load": {"type": "load_image", "params": {"path": "scene.png"}},
        "save": {"type": "save_image", "inputs": {"image": "load.image"}},
    },
    interface={"outputs": {"image": "save.image"}},
)


def tells(text: str, studio: Studio) -> bool:
    """Whether a text names a folder of the machine, or where code lies."""
    places = (
        str(studio.places.output.parent),
        "secret folder",
        str(Path(__file__).parents[1]),
        "Traceback",
        ".py",
    )
    return any(place in text for place in places)


def everything_said(browser: Browser, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the server says when things go wrong, by every way out."""
    said = [json.dumps(browser.run(BREAK)), json.dumps(browser.run(SAVE))]
    outside = workflow({"load": {"type": "load_image", "params": {"path": str(studio.places.output)}}})
    said += [json.dumps(browser.run(outside)), json.dumps(browser.ask("plan", workflow=outside))]
    for text in (json.dumps(BREAK), json.dumps(outside)):
        started = browser.http.post(
            "/gradio_api/call/v2/run_workflow", json={"workflow": text, "inputs": "{}"}
        ).json()
        said.append(browser.http.get(f"/gradio_api/call/run_workflow/{started['event_id']}").text)

    def fails(*_: Any) -> None:
        raise OSError(13, "Permission denied", str(studio.places.workflows))

    with monkeypatch.context() as patched:
        patched.setattr("ui.studio.library.Library.load", fails)
        patched.setattr("ui.studio.library.Library.saved", fails)
        for question, fields in (("load", {"name": "x"}), ("saved", {})):
            with pytest.raises(Refusal) as refusal:
                browser.ask(question, **fields)
            said.append(str(refusal.value))
        body = {"workflow": "saved:x", "inputs": "{}"}
        id = browser.http.post("/gradio_api/call/v2/run_workflow", json=body).json()["event_id"]
        said.append(browser.http.get(f"/gradio_api/call/run_workflow/{id}").text)
    return said


def test_a_visitor_reads_no_paths_whatever_goes_wrong(
    of_visitor: Browser, studio: Studio, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for said in everything_said(of_visitor, studio, monkeypatch):
        assert not tells(said, studio), said
    numbers = set(re.findall(r"log entry ([0-9a-f]{8})", said))
    assert numbers
    logged = capfd.readouterr().err
    assert "Traceback" in logged and all(number in logged for number in numbers)


def test_the_owner_of_the_machine_reads_everything(
    of_owner: Browser, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = everything_said(of_owner, studio, monkeypatch)
    assert all(tells(text, studio) for text in said), [text for text in said if not tells(text, studio)]
    assert "Traceback" in said[0] and "log entry" not in "".join(said)


@pytest.mark.parametrize("owner", [OWNER, VISITOR])
def test_what_gradio_cannot_do_is_said_without_paths(discretion: Discretion, owner: Owner) -> None:
    def fails() -> str:
        raise FileNotFoundError(2, "No such file", "/srv/secret")

    with GuardedBlocks() as blocks:
        gr.api(fails, api_name="fails")
    blocks.uploaded, blocks.discretion = UploadedFiles(), discretion
    request = SimpleNamespace(scope={"state": {"owner": owner}})
    expected = FileNotFoundError if owner.of_machine else gr.Error
    with pytest.raises(expected) as raised:
        awaited(blocks.process_api(0, [], None, request))
    assert ("/srv/secret" in str(raised.value)) is owner.of_machine
    assert ("log entry" in str(raised.value)) is not owner.of_machine


def test_pages_and_answers_name_no_folder(of_visitor: Browser, studio: Studio) -> None:
    for address in ("/", "/form", "/config", "/gradio_api/info"):
        answer = of_visitor.http.get(address)
        folders = (Path.cwd(), Path.home(), studio.places.output.parent, Path(sys.prefix))
        assert answer.status_code == 200
        assert not any(f"{folder}/" in answer.text for folder in folders), address
    for question in ("hello", "active", "queue", "saved"):
        assert not tells(json.dumps(of_visitor.ask(question)), studio), question
