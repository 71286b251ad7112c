"""No request costs more than its share of memory and time; `bench_requests` sends the same ones whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from graph.problems import InvalidWorkflow
from tests.benchmarks.bench_requests import blank_png, bodies, forget_peak, resident, send, workflow
from tests.browser.conftest import start_server, stop
from tests.ui.server.test_privacy import picture
from tests.ui.serving import places, toys_and_pictures
from ui.studio import studio as module
from ui.studio.owners import Owner
from ui.studio.studio import Studio

SCALE = 0.05
CHEAP = ("empty JPEG segments", "empty PNG chunks", "empty WebP chunks", "a compressed text of 64 MB")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_hostile_bodies_stay_cheap(tmp_path: Path) -> None:
    """A twentieth of each body: 155 MB for the first of them before segments were counted."""
    server, process = start_server(tmp_path)
    try:
        send(server.url, "/kandinsky/picture", [blank_png(64)])
        for name in CHEAP:
            address, sent = bodies(SCALE)[name]
            before = resident(process.pid)
            forget_peak(process.pid)
            seconds, statuses = send(server.url, address, sent)
            assert resident(process.pid, "VmHWM") - before < 80, name
            assert seconds < 10 and statuses == {422}, name
    finally:
        stop(process)


def test_pictures_that_a_workflow_carries_are_counted_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio, owner = Studio(toys_and_pictures(), places(tmp_path)), Owner("a")
    monkeypatch.setattr(module, "MOST_ASSET_PIXELS", 48)
    from graph.workflow.json_text import read

    three = read(workflow([picture(1), picture(2), picture(3)]))  # of 16 pixels each
    assert "assets" not in studio.take_assets(owner, three)
    four = read(workflow([picture(4), picture(5), picture(6), picture(7)]))
    with pytest.raises(InvalidWorkflow, match="pixels together; expected fewer"):
        studio.take_assets(owner, four)
    known = read(workflow([picture(1), picture(2), picture(3), picture(8)]))
    assert "assets" not in studio.take_assets(owner, known)  # what is here already costs nothing
    studio.runs.close()
