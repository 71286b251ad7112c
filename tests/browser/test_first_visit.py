"""The first visit: a template that runs, a word on what to press, and every template to choose from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Server
from tests.browser.driver import WORKFLOWS, Canvas, links, template

FILES = sorted(WORKFLOWS.glob("*.json"))


def test_a_template_is_there_and_run_makes_a_picture(canvas: Canvas, server: Server) -> None:
    first = template("text_to_image")
    expect(canvas.nodes).to_have_count(len(first["nodes"]))
    expect(canvas.wires).to_have_count(links(first))
    expect(canvas.page.get_by_label("Name of the workflow")).to_have_value(first["name"])
    canvas.run()
    content, picture = canvas.saved_picture("save")
    assert content.startswith(b"\x89PNG")
    assert picture.size == (128, 128)
    pixels = np.asarray(picture, dtype=float)
    assert pixels.std() > 15, "the picture is nearly of one colour"
    assert pixels[:, :, 0].max() - pixels[:, :, 1].min() > 100, "nothing red is in the picture of a red cube"
    assert content in [path.read_bytes() for path in server.outputs.rglob("*.png")]


def test_three_hints_say_what_to_press_until_they_are_closed(canvas: Canvas) -> None:
    hints = canvas.page.get_by_role("region", name="First steps")
    expect(hints.get_by_role("listitem")).to_have_count(3)
    expect(hints).to_contain_text("Press Run")
    hints.get_by_role("button", name="Close first steps").click()
    expect(hints).to_have_count(0)
    canvas.page.reload()
    expect(canvas.node("prompt")).to_be_visible()
    expect(hints).to_have_count(0)


def card(dialog: Locator, file: Path) -> Locator:
    """The card of a template, by its title and sentence."""
    read = json.loads(file.read_text("utf-8"))
    titled = dialog.locator(".card").filter(has=dialog.page.get_by_text(read["name"], exact=True))
    return titled.filter(has_text=read["description"])


def test_the_template_browser_shows_every_file_with_a_sentence_and_a_picture(canvas: Canvas) -> None:
    canvas.page.get_by_role("button", name="Templates").click()
    dialog = canvas.page.get_by_role("dialog", name="Templates")
    expect(dialog.locator(".card")).to_have_count(len(FILES))
    for file in FILES:
        found = card(dialog, file)
        expect(found).to_have_count(1)
        found.scroll_into_view_if_needed()
        if (WORKFLOWS / "thumbnails" / f"{file.stem}.webp").is_file():
            expect(found.locator("img")).to_have_js_property("complete", True)
            assert found.locator("img").evaluate("(image) => image.naturalWidth") > 0, file.stem
        else:
            expect(found.locator("svg")).to_be_visible()


@pytest.mark.parametrize("file", FILES[::5], ids=lambda file: file.stem)
def test_picking_a_template_opens_it(canvas: Canvas, file: Path) -> None:
    read = json.loads(file.read_text("utf-8"))
    canvas.page.get_by_role("button", name="Templates").click()
    dialog = canvas.page.get_by_role("dialog", name="Templates")
    card(dialog, file).click()
    expect(dialog).to_have_count(0)
    flow = canvas.until("the template is open", lambda flow: flow["name"] == read["name"])
    assert flow["nodes"] == read["nodes"]
    assert flow["interface"] == read["interface"]
    expect(canvas.page.get_by_role("button", name="Undo")).to_be_disabled()


def test_a_template_is_found_and_opened_by_keys(canvas: Canvas) -> None:
    canvas.page.locator(".surface").focus()
    canvas.press("t")
    search = canvas.page.get_by_role("dialog", name="Templates").get_by_role("searchbox")
    expect(search).to_be_focused()
    search.fill("repaint")
    search.press("Enter")
    canvas.until("the template is open", lambda flow: "mask" in str(flow["nodes"]))
    expect(canvas.page.get_by_role("dialog")).to_have_count(0)
