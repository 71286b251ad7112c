"""Looking at what was made: full size, two side by side, the gallery, pictures that carry their workflow."""

from __future__ import annotations

import json
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.driver import Canvas, fresh_text_to_image, links

BY = "\N{MULTIPLICATION SIGN}"
SEED = 424242


@pytest.fixture
def made(canvas: Canvas) -> Canvas:
    """A picture was made."""
    canvas.load_whole(fresh_text_to_image())
    canvas.run()
    return canvas


def again(canvas: Canvas, seed: int = SEED) -> None:
    """Make another picture, with another seed of the decoder."""
    field = canvas.row("denoise", "seed").get_by_role("spinbutton")
    field.fill(str(seed))
    field.press("Enter")
    canvas.until_param("denoise", "seed", seed)
    canvas.run()


def compare_both(canvas: Canvas) -> Locator:
    """The two pictures of the gallery under a divider."""
    canvas.page.locator(".surface").focus()
    canvas.press("g")
    gallery = canvas.page.get_by_role("region", name="Gallery")
    tiles = gallery.get_by_role("article")
    expect(tiles).to_have_count(2)
    for tile in tiles.all():
        tile.get_by_role("checkbox").check()
    gallery.get_by_role("button", name="Compare").click()
    return canvas.page.get_by_role("dialog", name="Compare")


def view(picture: Locator) -> tuple[float, float, float]:
    """Where a picture lies in its window, and how much it is magnified."""
    style = picture.get_attribute("style") or ""
    found = re.search(r"translate\(([-\d.e]+)px, ([-\d.e]+)px\) scale\(([\d.]+)\)", style)
    assert found, style
    return float(found[1]), float(found[2]), float(found[3])


def settled(picture: Locator) -> tuple[float, float, float]:
    """The view once it has followed the size of its window."""
    last = view(picture)
    for _ in range(50):
        picture.page.wait_for_timeout(100)
        now = view(picture)
        if now == last:
            return now
        last = now
    raise AssertionError("the view does not come to rest")


def test_nodes_show_what_they_made_and_a_click_shows_it_full_size(made: Canvas) -> None:
    for node in ("denoise", "pixels", "save"):
        expect(made.preview(node)).to_have_js_property("complete", True)
        assert made.preview(node).evaluate("(image) => image.naturalWidth") > 0, node
    made.node("save").get_by_role("button", name="See the picture of Save image full size").click()
    dialog = made.page.get_by_role("dialog", name="Save image")
    picture = dialog.locator("img")
    expect(dialog).to_contain_text(f"128 {BY} 128")
    fitted = settled(picture)
    assert fitted[2] > 3, "a small picture is not shown large"
    made.press("1")
    expect(dialog.get_by_role("button", name="100 %")).to_be_visible()
    assert view(picture)[2] == 1
    dialog.get_by_role("button", name="Zoom in").click()
    assert view(picture)[2] == pytest.approx(1.25)
    made.press("0")
    assert settled(picture) == pytest.approx(fitted)
    x, y = made.middle(picture)
    made.page.mouse.move(x, y)
    made.page.mouse.wheel(0, -600)
    expect(picture).not_to_have_attribute("style", re.compile(rf"scale\({fitted[2]}\)"))
    near = view(picture)
    assert near[2] > 2 * fitted[2]
    made.drag((x, y), (x + 70, y + 40))
    moved = view(picture)
    assert (moved[0] - near[0], moved[1] - near[1]) == pytest.approx((70, 40), abs=2)
    made.press("Escape")
    expect(dialog).to_have_count(0)
    expect(made.node("save").get_by_role("button", name="See the picture")).to_be_focused()


def test_the_gallery_shows_each_result_and_puts_its_params_back(made: Canvas) -> None:
    first = made.param("denoise", "seed")
    again(made)
    made.page.get_by_role("button", name="Gallery", exact=True).click()
    gallery = made.page.get_by_role("region", name="Gallery")
    tiles = gallery.get_by_role("article")
    expect(tiles).to_have_count(2)
    expect(tiles.first).to_contain_text(f"128 {BY} 128")
    expect(tiles.first.get_by_label("Differs from the one before in")).to_have_text(
        re.compile(rf"denoise\.seed\s*{SEED}")
    )
    prompt = made.row("prompt", "text").get_by_role("textbox")
    before = prompt.input_value()
    prompt.fill("something else")
    tiles.last.get_by_role("button", name=re.compile("^Put these params back")).click()
    made.until_param("denoise", "seed", first)
    made.until_param("prompt", "text", before)
    said = made.page.get_by_label("Messages")
    expect(said).to_have_text(re.compile(r"Put back: prompt\.text, .*denoise\.seed"))
    made.page.locator(".surface").focus()
    made.press("Control+z")
    made.until_param("prompt", "text", "something else")
    tiles.first.get_by_role("button", name=re.compile("^Look at")).click()
    expect(made.page.get_by_role("dialog")).to_contain_text(f"128 {BY} 128")
    made.press("ArrowRight")
    expect(made.page.get_by_role("dialog")).to_contain_text("2 of 2")
    made.press("Escape")
    tiles.first.get_by_role("button", name=re.compile("^Open its workflow")).click()
    made.until_param("denoise", "seed", SEED)
    made.until_param("prompt", "text", before)


def test_two_pictures_are_compared_with_a_divider_moved_by_keys(made: Canvas) -> None:
    _, older = made.saved_picture("save")
    again(made)
    _, newer = made.saved_picture("save")
    dialog = compare_both(made)
    divider = dialog.get_by_role("slider")
    expect(divider).to_be_focused()
    expect(divider).to_have_value("50")
    shows(dialog, older, newer, 0.5)
    for _ in range(25):
        made.press("ArrowRight")
    expect(divider).to_have_value("75")
    shows(dialog, older, newer, 0.75)
    made.press("Home")
    shows(dialog, older, newer, 0.0)
    made.press("s")
    shows(dialog, newer, older, 0.0)
    made.press("Escape")
    expect(dialog).to_have_count(0)


def shows(dialog: Locator, left: Image.Image, right: Image.Image, split: float) -> None:
    """The dialog shows one picture to the left of the divider, and the other to its right."""
    box = dialog.locator(".box")
    expect(box).to_have_css("--split", f"{split * 100:g}%")
    with Image.open(BytesIO(box.screenshot())) as seen:
        shown = np.asarray(seen.convert("RGB").resize(left.size, Image.Resampling.BOX), dtype=float)
    expected = np.asarray(left, dtype=float)
    beyond = np.arange(left.width) >= split * left.width
    expected[:, beyond] = np.asarray(right, dtype=float)[:, beyond]
    # Beside the divider itself and the edges.
    counts = np.abs(np.arange(left.width) - split * left.width) > 4
    error = np.abs(shown - expected)[4:-4, counts].mean()
    other = np.abs(np.asarray(left, dtype=float) - np.asarray(right, dtype=float)).mean()
    assert error < 3 < other, f"the picture is off by {error:.1f} of 255; the two differ by {other:.1f}"


def test_a_dropped_picture_of_ours_opens_its_workflow(made: Canvas) -> None:
    flow = made.workflow()
    content, _ = made.saved_picture("save")
    made.clear()
    made.drop_file("image.png", content, "image/png")
    opened = made.until("opened", lambda now: now["nodes"])
    assert set(opened["nodes"]) == set(flow["nodes"])
    assert opened["name"] == flow["name"]
    for id, node in flow["nodes"].items():
        assert opened["nodes"][id].get("inputs") == node.get("inputs"), id
        # What was really used is written down: what the checkpoint recommends as well.
        assert node.get("params", {}).items() <= opened["nodes"][id].get("params", {}).items(), id
    expect(made.wires).to_have_count(links(flow))
    made.run()
    again_made, _ = made.saved_picture("save")
    with Image.open(BytesIO(content)) as first, Image.open(BytesIO(again_made)) as second:
        assert np.array_equal(np.asarray(first), np.asarray(second))


def test_a_dropped_file_opens_and_any_other_picture_becomes_a_node(canvas: Canvas) -> None:
    flow = fresh_text_to_image()
    flow["name"] = "From a file"
    canvas.drop_file("other.json", json.dumps(flow).encode(), "application/json")
    canvas.until("opened", lambda now: now["name"] == "From a file")
    expect(canvas.page.get_by_label("Name of the workflow")).to_have_value("From a file")
    buffer = BytesIO()
    Image.new("RGB", (8, 8), "green").save(buffer, "PNG")
    canvas.drop_file("plain.png", buffer.getvalue(), "image/png", at=canvas.empty_place())
    canvas.until("a node", lambda now: len(now["nodes"]) == len(flow["nodes"]) + 1)
