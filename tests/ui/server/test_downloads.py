"""A checkpoint that is not here is fetched when somebody agrees, who may; the size is said first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.context import Environment, Unavailable
from graph.node import node
from graph.nodetypes.catalogue import Catalogue
from nodes import load_prior
from tests.ui.browser import Browser, Refusal
from tests.ui.serving import places, served
from ui.studio.studio import Studio

WORKFLOW = {"format": "kandinsky-workflow", "version": 1, "nodes": {"load": {"type": "far_away"}}}
FETCHED: list[str] = []


@node(title="Far away", group="Toy", folds=True)
def far_away(*, source: str = "owner/name", environment: Environment) -> int:
    """Something on the hub."""
    if source not in FETCHED:
        if not environment.download:
            raise Unavailable(f"checkpoint {source} is not on this machine", fetch="3.7 GB")
        environment.tell(source, 0, 3_700_000_000)
        environment.tell(source, 1_000_000_000, 3_700_000_000)
        while source == "owner/endless":
            environment.check()
            time.sleep(0.01)
        FETCHED.append(source)
    return 1


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Browser]:
    FETCHED.clear()
    studio = Studio(
        Catalogue([far_away.node_type]),  # type: ignore[attr-defined]
        places(tmp_path),
        downloads=request.param,
    )
    with served(studio) as url:
        yield Browser(url).enter()


@pytest.mark.parametrize("server", [True], indirect=True)
def test_a_click_fetches_what_planning_misses(server: Browser) -> None:
    assert server.ask("hello")["downloads"]
    missing = {
        "node": "load",
        "message": "checkpoint owner/name is not on this machine",
        "fetch": "3.7 GB",
    }
    assert server.ask("plan", workflow=WORKFLOW)["problems"] == [missing]
    refused = server.run(WORKFLOW)
    assert refused[-2]["problems"] == [missing]
    assert refused[-1]["status"] == "failed"
    assert FETCHED == []
    events = server.run(WORKFLOW, download=True)
    told = [
        (event["name"], event["done"], event["total"]) for event in events if event["event"] == "fetching"
    ]
    assert told == [("owner/name", 0, 3_700_000_000), ("owner/name", 1_000_000_000, 3_700_000_000)]
    assert events[-1]["status"] == "ok"
    assert FETCHED == ["owner/name"]
    assert server.ask("plan", workflow=WORKFLOW)["problems"] == []


@pytest.mark.parametrize("server", [False], indirect=True)
def test_others_cannot_fill_the_disk_of_a_server(server: Browser) -> None:
    assert not server.ask("hello")["downloads"]
    with pytest.raises(Refusal, match="fetched by the owner of the server's machine alone"):
        server.run(WORKFLOW, download=True)
    assert server.run(WORKFLOW)[-1]["status"] == "failed"
    assert FETCHED == []


@pytest.mark.parametrize("server", [True], indirect=True)
def test_a_download_can_be_stopped(server: Browser) -> None:
    load = {"type": "far_away", "params": {"source": "owner/endless"}}
    workflow = {**WORKFLOW, "nodes": {"load": load}}
    run = server.ask("start", workflow=workflow, download=True)["run"]
    seen = []
    for event in server.events(run):
        seen.append(event)
        if event["event"] == "fetching":
            server.ask("cancel", run=run)
    assert seen[-1]["event"] == "done" and seen[-1]["status"] == "cancelled"
    assert FETCHED == []
    assert server.run(WORKFLOW, download=True)[-1]["status"] == "ok"


@pytest.mark.parametrize("server", [True], indirect=True)
def test_a_visitor_behind_a_proxy_on_this_machine_is_not_its_owner(server: Browser) -> None:
    server.http.headers["x-forwarded-for"] = "203.0.113.9"
    assert not server.ask("hello")["downloads"]
    with pytest.raises(Refusal, match="fetched by the owner of the server's machine alone"):
        server.run(WORKFLOW, download=True)
    assert FETCHED == []
    del server.http.headers["x-forwarded-for"]
    assert server.ask("hello")["downloads"]


def test_the_hub_is_asked_for_the_owner_of_the_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what it said to the owner told to others."""
    asked: list[str] = []

    def answer(name: str, *_: object) -> tuple[str, dict[str, int]]:
        asked.append(name)
        return "c" * 40, {"model_index.json": 2, "prior/diffusion_pytorch_model.safetensors": 123_000_000}

    monkeypatch.setattr("nodes.checkpoints.hub._answer", answer)
    monkeypatch.setattr("nodes.checkpoints.hub.find", lambda *_: None)
    load = {"type": "load_prior", "params": {"source": "owner/secret"}}
    workflow = {**WORKFLOW, "nodes": {"load": load}}
    for downloads in (True, False):
        catalogue = Catalogue([load_prior.node_type])  # type: ignore[attr-defined]
        studio = Studio(catalogue, places(tmp_path / str(downloads)), downloads=downloads)
        with served(studio) as url:
            owner, visitor = Browser(url).enter(), Browser(url).enter()
            visitor.http.headers["x-forwarded-for"] = "203.0.113.9"
            for browser, may in ((owner, downloads), (visitor, False)):
                asked.clear()
                (problem,) = browser.ask("plan", workflow=workflow)["problems"]
                assert problem["message"] == "checkpoint owner/secret is not on this machine"
                assert asked == (["owner/secret"] if may else [])
                assert ("fetch" in problem) is may
