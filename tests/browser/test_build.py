"""Adding nodes: from the palette, by the search box, by double click, Space and right click."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.driver import Canvas


def test_a_node_is_dragged_out_of_the_palette(canvas: Canvas) -> None:
    canvas.clear()
    x, y = canvas.empty_place()
    item = canvas.page.get_by_role("complementary", name="Palette of nodes").get_by_role(
        "button", name="UNet denoise", exact=True
    )
    canvas.drag(canvas.middle(item), (x, y - 200))
    expect(canvas.nodes).to_have_count(1)
    box = canvas.node("unet_denoise").bounding_box()
    assert box is not None
    assert abs(box["x"] - (x - 60)) < 40, "it does not lie where it was dropped"
    assert abs(box["y"] - (y - 216)) < 40, "it does not lie where it was dropped"


def test_letting_go_over_the_palette_adds_nothing(canvas: Canvas) -> None:
    canvas.clear()
    palette = canvas.page.get_by_role("complementary", name="Palette of nodes")
    start = canvas.middle(palette.get_by_role("button", name="Prior", exact=True))
    canvas.drag(start, (start[0] + 30, start[1] + 40))
    expect(canvas.nodes).to_have_count(0)


def test_the_palette_is_grouped_searchable_and_explains_itself(canvas: Canvas) -> None:
    palette = canvas.page.get_by_role("complementary", name="Palette of nodes")
    titles = palette.get_by_role("heading").all_inner_texts()
    assert [title.title() for title in titles][:3] == ["Load", "Kandinsky", "Picture"]
    palette.get_by_role("searchbox").fill("mask")
    expect(palette.get_by_role("button", name="Mask", exact=True)).to_be_visible()
    expect(palette.get_by_role("button", name="Load prior", exact=True)).to_have_count(0)
    palette.get_by_role("button", name="Help on Mask").click()
    expect(palette).to_contain_text("Say which part of a picture is to be repainted")
    expect(palette).to_contain_text("How many pixels the edge is softened by.")
    palette.get_by_role("searchbox").fill("zebra")
    expect(palette).to_contain_text("No node is called “zebra”")


def test_a_double_click_offers_every_node_at_the_pointer(canvas: Canvas) -> None:
    canvas.clear()
    x, y = canvas.empty_place()
    canvas.page.mouse.dblclick(x, y - 250)
    canvas.search("movq dec")
    expect(canvas.node("movq_decode")).to_be_visible()
    box = canvas.node("movq_decode").bounding_box()
    assert box is not None
    assert abs(box["x"] + 60 - x) < 40
    canvas.press("Control+z")
    expect(canvas.nodes).to_have_count(0)


def test_space_and_a_right_click_open_the_search(canvas: Canvas) -> None:
    canvas.clear()
    canvas.press("Space")
    canvas.search("seed")
    expect(canvas.node("seed")).to_be_visible()
    canvas.page.mouse.click(*canvas.empty_place(), button="right")
    canvas.search("note")
    expect(canvas.nodes).to_have_count(2)


def test_the_search_is_driven_by_keys_and_left_by_escape(canvas: Canvas) -> None:
    canvas.clear()
    canvas.press("a")
    field = canvas.page.get_by_role("combobox", name="Search node types")
    field.fill("load")
    chosen = canvas.page.locator("[role=option][aria-selected=true]")
    first = chosen.inner_text()
    field.press("ArrowDown")
    assert chosen.inner_text() != first
    field.press("Escape")
    expect(field).to_have_count(0)
    expect(canvas.nodes).to_have_count(0)
    expect(canvas.page.locator(".surface")).to_be_focused()


def test_letters_typed_into_a_prompt_are_no_shortcuts(canvas: Canvas) -> None:
    prompt = canvas.node("prompt").get_by_role("textbox")
    before = canvas.nodes.count()
    prompt.click()
    prompt.press("Control+End")
    prompt.press_sequentially(" a map, Fg?")
    prompt.press("Backspace")
    canvas.until("typed", lambda flow: flow["nodes"]["prompt"]["params"]["text"].endswith(" a map, Fg"))
    assert canvas.nodes.count() == before
    expect(canvas.page.get_by_role("dialog")).to_have_count(0)
