"""Runs: what will run is seen before, what runs meanwhile, and it is the same run as on the command line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Server
from tests.browser.driver import RUN_PATIENCE, Canvas, at, fresh_text_to_image, workflow

ALL = ("prior_models", "decoder", "prompt", "prior", "denoise", "pixels", "save")
PAINTED = ("prior", "denoise", "pixels", "save")
MANY = 1000
"""Steps that take long enough to do something meanwhile."""


def plans(canvas: Canvas, ids: tuple[str, ...], plan: str) -> None:
    for id in ids:
        expect(canvas.node(id).locator(".node")).to_have_attribute("data-plan", plan)


def activities(canvas: Canvas, ids: tuple[str, ...], activity: str) -> None:
    for id in ids:
        expect(canvas.node(id).locator(".node")).to_have_attribute("data-activity", activity)


def start(canvas: Canvas) -> str:
    """Press Run, wait until the denoiser is at its second step at least; the address of the run's events."""
    with canvas.page.expect_request(re.compile("/kandinsky/runs/[0-9a-f]+/events")) as asked:
        canvas.page.get_by_test_id("run").click()
    until_step(canvas)
    return asked.value.url.partition("?")[0]


def until_step(canvas: Canvas) -> None:
    running = re.compile(rf"^([2-9]|\d\d+)/{MANY} · [\d.]+ m?s$")
    expect(canvas.badge("denoise")).to_have_text(running, timeout=RUN_PATIENCE * 1000)


def events(canvas: Canvas, url: str) -> list[dict[str, Any]]:
    """Everything that a run told; it has to be over."""
    batches = [line[6:] for line in canvas.page.request.get(url).text().splitlines() if line[:6] == "data: "]
    return [event for batch in batches for event in json.loads(batch)]


def cancel(canvas: Canvas) -> None:
    canvas.page.get_by_role("button", name="Cancel", exact=True).click()
    canvas.until_done("Stopped")


@pytest.fixture
def somebody_else(browser: Browser, server: Server) -> Iterator[Canvas]:
    """Another person's canvas: another browser, as far as the server can tell."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    yield Canvas(context.new_page()).open(server.url)
    context.close()


def test_what_will_run_is_seen_before_and_a_second_run_reuses(canvas: Canvas) -> None:
    canvas.load_whole(fresh_text_to_image())
    plans(canvas, PAINTED, "run")
    expect(canvas.badge("denoise")).to_have_text("to run")
    expect(canvas.says).to_have_text(re.compile(r"^\d to run"))
    canvas.run()
    activities(canvas, PAINTED, "done")
    for id in PAINTED:
        expect(canvas.badge(id)).to_have_text(re.compile(r"^[\d.]+ m?s$"))
    plans(canvas, ("prior", "denoise", "pixels"), "reuse")
    first, _ = canvas.saved_picture("save")
    canvas.run()
    activities(canvas, ("prior", "denoise", "pixels"), "reused")
    activities(canvas, ("save",), "done")
    expect(canvas.badge("denoise")).to_have_text("reused")
    canvas.row("denoise", "seed").get_by_role("button", name="Roll a new seed").click()
    canvas.run()
    activities(canvas, ("prior",), "reused")
    activities(canvas, ("denoise", "pixels", "save"), "done")
    second, _ = canvas.saved_picture("save")
    assert first != second, "another seed made the same picture"


def test_run_to_here_runs_only_what_the_node_needs(canvas: Canvas) -> None:
    canvas.load_whole(fresh_text_to_image())
    canvas.node("prior").locator(".title").click(button="right")
    canvas.page.get_by_role("menuitem", name="Run to here").click()
    canvas.until_done()
    activities(canvas, ("prior_models", "prior"), "done")
    expect(canvas.node("prompt").locator(".node")).to_have_attribute(
        "data-activity", re.compile("done|reused")
    )
    activities(canvas, ("decoder", "denoise", "pixels", "save"), "")
    plans(canvas, ("prior",), "reuse")
    canvas.node("denoise").locator(".title").click()
    canvas.press("Control+Shift+Enter")
    activities(canvas, ("denoise",), "done")
    activities(canvas, ("prior",), "reused")
    activities(canvas, ("pixels", "save"), "")


def test_a_run_is_watched_reloaded_and_cancelled_within_a_step(canvas: Canvas) -> None:
    flow = fresh_text_to_image(MANY)
    # So large that a step takes longer than a busy machine needs to pass a click on.
    flow["nodes"]["denoise"]["params"] |= {"width": 640, "height": 640}
    canvas.load_whole(flow)
    url = start(canvas)
    activities(canvas, ("pixels", "save"), "waiting")
    expect(canvas.badge("save")).to_have_text("waiting")
    expect(canvas.badge("prior")).to_have_text(re.compile("s$"))
    expect(canvas.node("denoise").get_by_role("progressbar")).to_have_attribute("aria-valuemax", str(MANY))
    expect(canvas.preview("denoise")).to_have_attribute("src", re.compile("^data:image/"))
    expect(canvas.says).to_have_text("Running…")

    # Leaving the page does not stop it, and coming back shows it.
    canvas.page.goto("about:blank")
    canvas.page.go_back()
    until_step(canvas)
    activities(canvas, ("save",), "waiting")
    canvas.page.reload()
    until_step(canvas)
    expect(canvas.says).to_have_text("Running…")

    canvas.page.evaluate(
        """() => {
          const root = [...document.querySelectorAll('*')].find((one) => one.shadowRoot).shadowRoot;
          root.addEventListener('click', () => {
            const badge = root.querySelector('[data-id=denoise] [data-testid=badge]');
            window.seenAtClick = parseInt(badge.textContent);
          }, { capture: true, once: true });
        }"""
    )
    cancel(canvas)
    activities(canvas, ("denoise", "pixels", "save"), "stopped")
    told = events(canvas, url)
    assert told[-1]["status"] == "cancelled"
    last = max(event["step"] for event in told if event["event"] == "progress" and event["node"] == "denoise")
    seen = canvas.page.evaluate("window.seenAtClick")
    assert last - seen <= 3, f"pressed at step {seen} of {MANY}, it stopped at {last}"
    expect(canvas.page.get_by_test_id("run")).to_be_enabled()


def test_a_failed_node_says_why_and_others_go_on(canvas: Canvas) -> None:
    nodes = {
        "picture": {"type": "load_image", "params": {"path": "scene.png"}, "ui": at(0, 0)},
        "pick": {
            "type": "pick",
            "inputs": {"value": "picture.image"},
            "params": {"index": 5},
            "ui": at(340, 0),
        },
        "save": {"type": "save_image", "inputs": {"image": "pick.picked"}, "ui": at(680, 0)},
        "other": {"type": "preview", "inputs": {"image": "picture.image"}, "ui": at(340, 300)},
    }
    canvas.load_whole(workflow(nodes))
    canvas.page.get_by_test_id("run").click()
    canvas.until_done("Failed")
    expect(canvas.badge("pick")).to_have_text("failed")
    alert = canvas.node("pick").get_by_role("alert")
    expect(alert).to_contain_text("index is 5, but the batch has 1 row")
    alert.get_by_text("Details").click()
    expect(alert.locator("pre")).to_contain_text("ValueError")
    expect(canvas.badge("save")).to_have_text("skipped")
    activities(canvas, ("other",), "done")
    expect(canvas.preview("other")).to_be_visible()


def test_what_a_change_makes_stale_is_marked_before_the_server_answers(canvas: Canvas) -> None:
    canvas.load_whole(fresh_text_to_image())
    canvas.run()
    plans(canvas, ("prior", "denoise", "pixels"), "reuse")
    # From now on the server is silent.
    canvas.page.route("**/*", lambda _: None)
    field = canvas.row("denoise", "seed").get_by_role("spinbutton")
    field.fill("5")
    plans(canvas, ("denoise", "pixels", "save"), "stale")
    expect(canvas.badge("denoise")).to_have_text("changed")
    plans(canvas, ("prompt", "prior"), "reuse")
    canvas.row("prompt", "text").get_by_role("textbox").press_sequentially("!")
    plans(canvas, ("prompt", "prior", "denoise", "pixels", "save"), "stale")
    expect(canvas.node("prior_models").locator(".node")).not_to_have_attribute("data-plan", "stale")
    canvas.page.unroute("**/*")


def test_two_people_wait_for_each_other_and_see_only_their_own(canvas: Canvas, somebody_else: Canvas) -> None:
    canvas.load_whole(fresh_text_to_image(MANY))
    url = start(canvas)
    somebody_else.load_whole(fresh_text_to_image())
    somebody_else.page.get_by_test_id("run").click()
    expect(somebody_else.says).to_have_text("Waiting: 1 before you")
    somebody_else.page.get_by_role("button", name="Queue 2").click()
    rows = somebody_else.page.get_by_role("region", name="Queue").get_by_role("listitem")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Somebody else")
    expect(rows.first.get_by_role("button")).to_have_count(0)
    expect(rows.last).to_contain_text("Text to image")
    expect(rows.last).to_contain_text("1 before it")
    assert somebody_else.page.request.get(url).status == 404, "a stranger can read the events"
    cancel(canvas)
    somebody_else.until_done()
    somebody_else.saved_picture("save")
    theirs = somebody_else.preview("save").get_attribute("src") or ""
    assert canvas.page.request.get(urljoin(canvas.page.url, theirs)).status == 404
    expect(canvas.says).to_contain_text("Stopped")


def test_one_can_be_taken_out_of_the_queue(canvas: Canvas, somebody_else: Canvas) -> None:
    canvas.load_whole(fresh_text_to_image(MANY))
    start(canvas)
    somebody_else.load_whole(fresh_text_to_image())
    somebody_else.page.get_by_test_id("run").click()
    expect(somebody_else.says).to_have_text("Waiting: 1 before you")
    cancel(somebody_else)
    activities(somebody_else, ("denoise",), "")
    expect(canvas.says).to_have_text("Running…")
    cancel(canvas)


def test_the_command_line_makes_the_same_pixels(canvas: Canvas, tmp_path: Path) -> None:
    canvas.load_whole(fresh_text_to_image(steps=6))
    canvas.run()
    _, here = canvas.saved_picture("save")
    with canvas.page.expect_download() as download:
        canvas.pick_from_menu("Download as JSON")
    file = tmp_path / "same.json"
    download.value.save_as(file)
    program = [sys.executable, "-m", "ui.command.main"]
    command = [*program, "run", str(file), "--no-cache", "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=RUN_PATIENCE)
    with Image.open(tmp_path / "image.png") as there:
        assert np.array_equal(np.asarray(here), np.asarray(there.convert("RGB")))
