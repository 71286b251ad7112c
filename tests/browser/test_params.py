"""Params: each kind of widget, pictures that are chosen, dropped, pasted and carried, and painted masks."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Server
from tests.browser.driver import Canvas, at, template, workflow

BY = "\N{MULTIPLICATION SIGN}"
WIDGETS = workflow(
    {
        "prompt": {"type": "text_encode", "params": {"text": "a cube"}, "ui": at(0, 0)},
        "denoise": {"type": "unet_denoise", "ui": at(340, 0, more=True)},
        "prior": {"type": "prior", "params": {"seed": 7}, "ui": at(0, 240)},
        "area": {"type": "mask", "params": {"shape": "ellipse"}, "ui": at(680, 0, more=True)},
        "count": {"type": "integer", "params": {"value": 3}, "ui": at(0, 480)},
        "picture": {"type": "load_image", "ui": at(1000, 0)},
    }
)


def picture(seed: int = 0) -> bytes:
    """A small picture of random pixels, as a PNG file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def named(content: bytes) -> str:
    """What a workflow calls a picture."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def widgets(canvas: Canvas) -> Canvas:
    """Nodes with one widget of each kind, at full size."""
    canvas.load(WIDGETS)
    expect(canvas.nodes).to_have_count(len(WIDGETS["nodes"]))
    return canvas


def test_a_slider_and_its_number_are_one_value(widgets: Canvas) -> None:
    row = widgets.row("area", "x")
    slider, number = row.get_by_role("slider"), row.get_by_role("spinbutton")
    box = slider.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    widgets.drag((box["x"] + box["width"] * 0.25, y), (box["x"] + box["width"] * 0.8, y))
    value = widgets.until("dragged", lambda flow: flow["nodes"]["area"]["params"].get("x"))
    dragged = value["nodes"]["area"]["params"]["x"]
    assert 0.7 < dragged < 0.9
    assert float(number.input_value()) == dragged
    number.fill("0.5")
    number.press("Enter")
    widgets.until_param("area", "x", 0.5)
    expect(slider).to_have_value("0.5")
    slider.press("ArrowRight")
    widgets.until_param("area", "x", 0.51)
    widgets.page.locator(".surface").focus()
    widgets.press("Control+z")
    widgets.press("Control+z")
    widgets.until_param("area", "x", dragged)


def test_a_number_beyond_its_range_is_brought_into_it(widgets: Canvas) -> None:
    number = widgets.row("area", "feather").get_by_role("spinbutton")
    number.fill("9999")
    expect(number).to_have_attribute("aria-invalid", "true")
    expect(widgets.row("area", "feather").get_by_role("status")).to_have_text(
        "Takes a whole number from 0 to 512."
    )
    number.press("Enter")
    widgets.until_param("area", "feather", 512)
    expect(number).to_have_value("512")


def test_a_number_is_dragged_by_its_name(widgets: Canvas) -> None:
    x, y = widgets.middle(widgets.row("count", "value").locator("label"))
    widgets.drag((x, y), (x + 40, y))
    widgets.until_param("count", "value", 43)
    widgets.press("Control+z")
    widgets.until_param("count", "value", 3)


def test_a_text_area_grows_with_its_text(widgets: Canvas) -> None:
    field = widgets.row("prompt", "text").get_by_role("textbox")
    before = field.bounding_box()
    field.click()
    field.press("End")
    for line in range(6):
        field.press("Enter")
        field.press_sequentially(f"line {line}")
    after = field.bounding_box()
    assert before is not None
    assert after is not None
    assert after["height"] > 1.8 * before["height"]
    assert field.evaluate("(field) => field.scrollHeight - field.clientHeight") <= 2, "text is cut off"
    widgets.until("typed", lambda flow: flow["nodes"]["prompt"]["params"]["text"].endswith("\nline 5"))
    node = widgets.node("prompt").locator(".node").bounding_box()
    assert node is not None
    assert node["y"] + node["height"] >= after["y"] + after["height"], "the text hangs out of its node"


def test_choices_are_a_drop_down_and_yes_or_no_a_switch(widgets: Canvas) -> None:
    widgets.row("denoise", "scheduler").get_by_role("combobox").select_option("dpmpp_2m")
    widgets.until_param("denoise", "scheduler", "dpmpp_2m")
    switch = widgets.row("area", "invert").get_by_role("switch")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    widgets.until_param("area", "invert", True)
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.press("Space")
    widgets.until_param("area", "invert", False)


def test_a_seed_is_rolled_and_locked_against_runs_that_roll(canvas: Canvas) -> None:
    prior, denoise = (canvas.row(node, "seed") for node in ("prior", "denoise"))
    denoise.get_by_role("button", name="Roll a new seed").click()
    rolled = canvas.until("rolled", lambda flow: flow["nodes"]["denoise"]["params"]["seed"] != 7)
    seed = rolled["nodes"]["denoise"]["params"]["seed"]
    assert 0 <= seed < 2**53
    denoise.get_by_role("button", name="Keep this seed").click()
    canvas.page.get_by_role("button", name="Roll seeds on every run").click()
    canvas.run()
    assert canvas.param("denoise", "seed") == seed, "a locked seed was rolled"
    assert canvas.param("prior", "seed") != 7, "a run that rolls rolled nothing"
    expect(prior.get_by_role("spinbutton")).to_have_value(str(canvas.param("prior", "seed")))


def test_a_size_has_presets_and_is_swapped(widgets: Canvas) -> None:
    row = widgets.row("denoise", "size")
    row.get_by_role("combobox", name="Usual sizes").select_option(f"192 {BY} 128")
    widgets.until_param("denoise", "width", 192)
    widgets.until_param("denoise", "height", 128)
    row.get_by_role("button", name="Swap width and height").click()
    widgets.until_param("denoise", "width", 128)
    widgets.until_param("denoise", "height", 192)
    widgets.press("Control+z")
    widgets.press("Control+z")
    widgets.until("both are one step", lambda flow: "width" not in flow["nodes"]["denoise"].get("params", {}))


def test_null_is_auto_and_a_value_goes_back_to_its_default(widgets: Canvas) -> None:
    steps = widgets.row("denoise", "steps")
    number = steps.get_by_role("spinbutton")
    expect(number).to_have_attribute("placeholder", "auto")
    number.fill("9")
    number.press("Enter")
    widgets.until_param("denoise", "steps", 9)
    steps.hover()
    steps.get_by_role("button", name="Set steps to auto").click()
    widgets.until_param("denoise", "steps", None)
    expect(number).to_have_value("")
    strength = widgets.row("denoise", "strength")
    strength.get_by_role("spinbutton").fill("0.4")
    strength.get_by_role("spinbutton").press("Enter")
    widgets.until_param("denoise", "strength", 0.4)
    strength.hover()
    strength.get_by_role("button", name="Reset strength to its default").click()
    expect(strength.get_by_role("spinbutton")).to_have_value("1")
    widgets.until("reset", lambda flow: "strength" not in flow["nodes"]["denoise"].get("params", {}))


def test_weights_are_edited_added_and_taken_away(canvas: Canvas) -> None:
    canvas.load(template("interpolation"))
    mix = canvas.node("mix")
    expect(mix.locator(".from")).to_have_count(3)
    for index, weight in enumerate(("0.6", "0.1", "0.3"), 1):
        field = mix.get_by_role("spinbutton", name=f"Weight {index}")
        field.fill(weight)
        field.press("Enter")
    canvas.until_param("mix", "weights", [0.6, 0.1, 0.3])
    mix.get_by_role("button", name="Cut wire 2").click()
    canvas.until_param("mix", "weights", [0.6, 0.3])


# Pictures


def image_field(canvas: Canvas) -> Locator:
    return canvas.row("picture", "path").locator(".frame")


def test_a_picture_is_chosen_and_kept_by_its_content(widgets: Canvas, server: Server) -> None:
    content = picture(1)
    field = image_field(widgets)
    chooser = widgets.choose_file(field.get_by_role("button", name=re.compile("^path: ")))
    chooser.set_files({"name": "mine.png", "mimeType": "image/png", "buffer": content})
    widgets.until_param("picture", "path", named(content))
    expect(field).to_contain_text(f"mine.png 32 {BY} 24")
    sha256 = named(content).removeprefix("sha256:")
    assert (server.folder / "inputs" / f"{sha256}.png").read_bytes() == content
    shown, _ = widgets.fetch(field.locator("img").get_attribute("src") or "")
    assert shown == content
    field.hover()
    field.get_by_role("button", name="Remove the picture of path").click()
    widgets.until_param("picture", "path", "")


def test_a_picture_is_dropped_onto_its_field(widgets: Canvas) -> None:
    content = picture(2)
    before = widgets.nodes.count()
    widgets.drop_file("dropped.png", content, "image/png", at=widgets.middle(image_field(widgets)))
    widgets.until_param("picture", "path", named(content))
    expect(image_field(widgets)).to_contain_text(f"dropped.png 32 {BY} 24")
    assert widgets.nodes.count() == before, "the canvas took the picture as well"


def test_a_picture_is_pasted_into_the_field_that_has_the_focus(widgets: Canvas) -> None:
    content = picture(3)
    before = widgets.nodes.count()
    image_field(widgets).get_by_role("button", name=re.compile("^path: ")).focus()
    copy_picture(widgets, content)
    widgets.press("Control+v")
    flow = widgets.until("pasted", lambda flow: flow["nodes"]["picture"].get("params", {}).get("path"))
    # The browser writes the picture anew on its way through the clipboard: the pixels are the same.
    assert re.fullmatch("sha256:[0-9a-f]{64}", flow["nodes"]["picture"]["params"]["path"])
    _, seen = widgets.fetch(image_field(widgets).locator("img").get_attribute("src") or "")
    with Image.open(BytesIO(content)) as pasted:
        assert np.array_equal(np.asarray(seen), np.asarray(pasted))
    assert widgets.nodes.count() == before


def test_a_picture_pasted_or_dropped_onto_the_canvas_becomes_a_node(canvas: Canvas) -> None:
    canvas.clear()
    content = picture(4)
    canvas.drop_file("a.png", content, "image/png")
    canvas.until_param("load_image", "path", named(content))
    canvas.page.locator(".surface").focus()
    copy_picture(canvas, content)
    canvas.press("Control+v")
    canvas.until("pasted", lambda flow: flow["nodes"].get("load_image_2", {}).get("params"))


def copy_picture(canvas: Canvas, content: bytes) -> None:
    """Put a picture into the clipboard, as another program would."""
    canvas.page.bring_to_front()
    canvas.page.evaluate(
        """async (bytes) => {
          const blob = new Blob([new Uint8Array(bytes)], { type: 'image/png' });
          await navigator.clipboard.write([new ClipboardItem({ 'image/png': blob })]);
        }""",
        list(content),
    )


def test_what_is_no_picture_is_refused_and_the_field_stays_as_it_was(widgets: Canvas) -> None:
    field = image_field(widgets)
    widgets.drop_file("text.txt", b"hello", "text/plain", at=widgets.middle(field))
    expect(field.get_by_role("alert")).to_have_text("text.txt is not a picture.")
    widgets.drop_file("broken.png", picture(5)[:60], "image/png", at=widgets.middle(field))
    expect(field.get_by_role("alert")).to_contain_text("damaged")
    assert widgets.param("picture", "path") in (None, "")


def test_pictures_travel_in_the_file_only_when_asked_for(widgets: Canvas) -> None:
    content = picture(6)
    widgets.drop_file("mine.png", content, "image/png", at=widgets.middle(image_field(widgets)))
    widgets.until_param("picture", "path", named(content))
    plain, full = download(widgets, "Download as JSON"), download(widgets, "Download with pictures")
    assert "assets" not in plain
    sha256 = named(content).removeprefix("sha256:")
    assert {name: base64.b64decode(text) for name, text in full["assets"].items()} == {sha256: content}
    assert full["nodes"]["picture"]["params"]["path"] == named(content)
    assert {**full, "assets": None} == {**plain, "assets": None}


def test_the_menu_says_what_a_download_with_pictures_carries(widgets: Canvas) -> None:
    content = picture(7)
    widgets.drop_file("mine.png", content, "image/png", at=widgets.middle(image_field(widgets)))
    widgets.until_param("picture", "path", named(content))
    widgets.page.get_by_role("toolbar", name="Workflow").get_by_role("button", name="More").click()
    item = widgets.page.get_by_role("menuitem", name="Download with pictures", exact=True)
    expect(item).to_have_accessible_description(
        re.compile("the picture it uses, whole, but without camera data")
    )


def download(canvas: Canvas, item: str) -> dict[str, Any]:
    """The workflow that an item of the menu downloads."""
    with canvas.page.expect_download() as download:
        canvas.pick_from_menu(item)
    assert download.value.suggested_filename == "test.json"
    read: dict[str, Any] = json.loads(Path(download.value.path()).read_text("utf-8"))
    return read


# Masks


def test_a_painted_mask_restricts_the_repaint(canvas: Canvas) -> None:
    canvas.load(template("repaint"))
    canvas.row("area", "painted").get_by_role("button", name=re.compile("^painted: ")).click()
    dialog = canvas.page.get_by_role("dialog", name="Paint the mask")
    stage = dialog.get_by_role("application")
    expect(stage).to_be_visible()
    box = stage.locator(".sheet").bounding_box()
    assert box is not None

    def stroke(left: float, right: float, y: float) -> None:
        canvas.drag(
            (box["x"] + left * box["width"], box["y"] + y * box["height"]),
            (box["x"] + right * box["width"], box["y"] + y * box["height"]),
        )

    dialog.get_by_role("spinbutton", name="Brush size").fill("40")
    stroke(0.1, 0.4, 0.25)
    painted = coverage(stage)
    assert 0.02 < painted < 0.3
    stroke(0.6, 0.9, 0.75)
    assert coverage(stage) > 1.5 * painted
    canvas.press("Control+z")
    assert coverage(stage) == painted
    dialog.get_by_role("button", name="Use this mask").click()
    expect(dialog).to_have_count(0)
    flow = canvas.until("applied", lambda flow: flow["nodes"]["area"]["params"].get("painted"))
    assert flow["nodes"]["area"]["params"]["shape"] == "painted"
    _, mask = canvas.fetch(canvas.row("area", "painted").locator("img").get_attribute("src") or "")
    white = np.asarray(mask.convert("L").resize((128, 128))) > 0
    assert abs(white.mean() - painted) < 0.05
    assert not white[64:].any(), "what was undone is in the mask"

    canvas.run()
    _, made = canvas.saved_picture("save")
    repainted = np.asarray(made, dtype=int)
    _, start = canvas.fetch("/kandinsky/template/picture/scene.png")
    before = np.asarray(start.resize((128, 128)), dtype=int)
    change = np.abs(repainted - before).max(axis=2)
    feather = np.asarray(Image.fromarray(white).resize((128, 128))) | grown(white, 16)
    assert change[white].mean() > 10, "the painted part was not repainted"
    assert change[~feather].max() <= 2, "something else than the painted part was repainted"


def coverage(stage: Locator) -> float:
    """The share of the mask on the stage that is painted."""
    share: float = stage.locator("canvas").evaluate(
        """(canvas) => {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let painted = 0;
          for (let at = 3; at < data.length; at += 4) painted += data[at] > 127;
          return painted / (canvas.width * canvas.height);
        }"""
    )
    return share


def grown(area: np.ndarray, by: int) -> np.ndarray:
    """An area and what lies at most so many pixels beside it."""
    found = area.copy()
    for dy in range(-by, by + 1):
        for dx in range(-by, by + 1):
            found |= np.roll(area, (dy, dx), axis=(0, 1))
    return found
