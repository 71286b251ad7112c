"""What is on the form: picked, ordered and described on the canvas; then filled in by people and programs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Server
from tests.browser.driver import PATIENCE, RUN_PATIENCE, Canvas, fresh_text_to_image


@pytest.fixture
def panel(canvas: Canvas) -> Locator:
    """The form builder beside the template."""
    canvas.page.get_by_role("toolbar").get_by_role("button", name="Form", exact=True).click()
    return canvas.page.get_by_role("region", name="Form", exact=True)


def side(panel: Locator, title: str) -> Locator:
    return panel.get_by_role("region", name=f"{title} of the form")


def entry(panel: Locator, called: str) -> Locator:
    """The row of an entry."""
    move = panel.page.get_by_role("button", name=f"Move {called}: drag, or arrow keys")
    return panel.get_by_role("listitem").filter(has=move)


def names(canvas: Canvas, of: str = "inputs") -> list[str]:
    found: dict[str, Any] = canvas.workflow()["interface"][of]
    return list(found)


def until_names(canvas: Canvas, *first: str) -> None:
    canvas.until(f"the form begins with {first}", lambda _: names(canvas)[: len(first)] == list(first))


def test_entries_are_ordered_by_dragging_by_keys_and_by_buttons(canvas: Canvas, panel: Locator) -> None:
    assert names(canvas)[:3] == ["prompt", "seed", "width"]
    grip = entry(panel, "Width").get_by_role("button", name="Move Width: drag, or arrow keys")
    start = canvas.middle(grip)
    end = canvas.middle(entry(panel, "Prompt"))
    canvas.drag(start, (start[0], end[1] - 6))
    until_names(canvas, "width", "prompt", "seed")
    expect(grip).to_be_focused()
    canvas.press("ArrowDown")
    until_names(canvas, "prompt", "width", "seed")
    expect(grip).to_be_focused()
    entry(panel, "Seed").get_by_role("button", name="Move Seed up").click()
    until_names(canvas, "prompt", "seed", "width")
    canvas.page.locator(".surface").focus()
    canvas.press("Control+z")
    until_names(canvas, "prompt", "width", "seed")


def test_params_are_put_on_the_form_described_and_taken_off(canvas: Canvas, panel: Locator) -> None:
    inputs = side(panel, "Inputs")
    inputs.get_by_role("button", name="Add").click()
    inputs.get_by_role("searchbox").fill("scheduler")
    inputs.get_by_role("button", name="Add scheduler of UNet denoise").click()
    canvas.until("it is there", lambda _: names(canvas)[-1] == "scheduler")
    expect(inputs.get_by_role("button", name="Add scheduler of UNet denoise")).to_have_attribute(
        "aria-disabled", "true"
    )
    inputs.get_by_role("button", name="Done").click()
    entry(panel, "scheduler").get_by_role("button", name="scheduler denoise.scheduler").click()
    panel.get_by_label("Title", exact=True).fill("Way")
    panel.get_by_label("Help", exact=True).fill("How the noise goes.")
    panel.get_by_label("Name", exact=True).fill("prompt")
    panel.get_by_label("Name", exact=True).press("Enter")
    expect(panel.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    panel.get_by_label("Name", exact=True).fill("way")
    panel.get_by_label("Name", exact=True).press("Enter")
    flow = canvas.until("described", lambda _: names(canvas)[-1] == "way")
    assert flow["interface"]["inputs"]["way"] == {
        "targets": ["denoise.scheduler"],
        "title": "Way",
        "help": "How the noise goes.",
    }
    entry(panel, "Way").get_by_role("button", name="Take Way off the form").click()
    canvas.until("taken off", lambda _: "way" not in names(canvas))
    # The menu of a param does it as well.
    canvas.row("prior", "seed").get_by_text("seed", exact=True).click(button="right")
    expect(canvas.page.get_by_role("menuitem", name="on the form")).to_be_visible()


def test_one_entry_sets_several_params(canvas: Canvas, panel: Locator) -> None:
    entry(panel, "Steps").get_by_role("button", name="Steps denoise.steps").click()
    panel.get_by_role("combobox", name="Set with Steps as well").select_option("prior.steps")
    flow = canvas.until("both", lambda flow: len(flow["interface"]["inputs"]["steps"]["targets"]) == 2)
    assert flow["interface"]["inputs"]["steps"]["targets"] == ["denoise.steps", "prior.steps"]
    panel.get_by_role("button", name="Steps does not set denoise.steps").click()
    canvas.until("one", lambda flow: flow["interface"]["inputs"]["steps"]["targets"] == ["prior.steps"])


def test_a_target_that_is_gone_is_told(canvas: Canvas, panel: Locator) -> None:
    # Deleting a node takes its entries off; a file may still name what is not there.
    flow = canvas.workflow()
    flow["interface"]["inputs"]["prompt"]["targets"] = ["nobody.text"]
    canvas.load(flow)
    expect(panel).to_contain_text('nobody.text: there is no node "nobody"')


def handed_over(canvas: Canvas, panel: Locator) -> Page:
    """The form that opens."""
    with canvas.page.context.expect_page() as opening:
        panel.get_by_role("button", name="Open as form").click()
    form = opening.value
    expect(form.get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=PATIENCE * 2000)
    return form


def test_the_form_is_as_its_author_wants_it_and_paints_what_the_canvas_does(
    canvas: Canvas, panel: Locator
) -> None:
    flow = fresh_text_to_image()
    flow["name"] = "Mine"
    inputs = flow["interface"]["inputs"]
    flow["interface"]["inputs"] = {
        "seed": {**inputs["seed"], "title": "Dice"},
        "prompt": {"targets": ["prompt.text"], "title": "Wish", "help": "Say what you want to see."},
    }
    canvas.load_whole(flow)
    canvas.run()
    _, painted = canvas.saved_picture("save")
    form = handed_over(canvas, panel)
    expect(form.get_by_role("heading", name="Mine")).to_be_visible()
    labels = [text.split("\n")[0] for text in form.locator("#form label").all_inner_texts()]
    assert [label for label in labels if label in ("Dice", "Wish", "Steps")] == ["Dice", "Wish"]
    expect(form.get_by_text("Say what you want to see.")).to_be_visible()
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form.get_by_text("Done in")).to_be_visible(timeout=RUN_PATIENCE * 1000)
    picture = form.locator(".form-pictures img").first
    answer = form.request.get(urljoin(form.url, picture.get_attribute("src")))
    with Image.open(BytesIO(answer.body())) as shown:
        assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(painted))


def test_a_program_gets_the_pixels_that_the_canvas_shows(
    canvas: Canvas, server: Server, tmp_path: Path
) -> None:
    flow = fresh_text_to_image()
    seed = flow["nodes"]["prior"]["params"].pop("seed")
    flow["nodes"]["prior"]["params"] = {"seed": seed}
    flow["nodes"]["prompt"]["params"]["text"] = "a blue cone"
    canvas.load_whole(flow)
    canvas.run()
    _, painted = canvas.saved_picture("save")
    client = Client(server.url, verbose=False, download_files=str(tmp_path), analytics_enabled=False)
    made = client.predict(prompt="a blue cone", seed=seed, steps=3, api_name="/text_to_image")
    with Image.open(made) as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(painted))
