"""Arranging: select, move, align, copy, group, fold, mute; and undo takes back each of these."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.driver import Canvas, at, workflow

FOUR = workflow(
    {
        "one": {"type": "seed", "params": {"value": 1}, "ui": at(0, 0)},
        "two": {"type": "text", "params": {"value": "a cube"}, "ui": at(340, 60)},
        "three": {"type": "number", "ui": at(680, 20)},
        "prior": {"type": "prior", "inputs": {"seed": "one.value"}, "ui": at(340, 300)},
    }
)


@pytest.fixture
def four(canvas: Canvas) -> Canvas:
    """Four nodes, one wire."""
    canvas.load(FOUR)
    expect(canvas.nodes).to_have_count(4)
    return canvas


def position(flow: dict[str, Any], id: str) -> list[float]:
    found: list[float] = flow["nodes"][id]["ui"]["position"]
    return found


def select(canvas: Canvas, *ids: str) -> None:
    """Click titles, the later ones with Shift."""
    for index, id in enumerate(ids):
        title = canvas.node(id).locator(".title")
        title.click(modifiers=["Shift"] if index else [])
    expect(canvas.page.locator(".node.selected")).to_have_count(len(ids))


def test_a_box_with_shift_selects_what_lies_in_it(four: Canvas) -> None:
    first, second = four.node("one").bounding_box(), four.node("two").bounding_box()
    assert first is not None
    assert second is not None
    keyboard, mouse = four.page.keyboard, four.page.mouse
    keyboard.down("Shift")
    mouse.move(first["x"] - 20, first["y"] - 20)
    mouse.down()
    mouse.move(second["x"] + second["width"] + 10, second["y"] + second["height"] + 10, steps=10)
    mouse.up()
    keyboard.up("Shift")
    expect(four.page.locator(".node.selected")).to_have_count(2)


def test_selected_nodes_move_together_and_snap(four: Canvas) -> None:
    select(four, "one", "two")
    x, y = four.middle(four.node("two").locator(".title"))
    four.drag((x, y), (x + 93, y + 57))
    flow = four.until("both moved", lambda flow: position(flow, "one") != [0, 0])
    assert all(value % 20 == 0 for value in position(flow, "one")), position(flow, "one")
    shift = [now - was for now, was in zip(position(flow, "two"), (340, 60), strict=True)]
    assert shift == position(flow, "one")
    assert position(flow, "three") == [680, 20]
    four.press("Control+z")
    four.until("moved back", lambda flow: position(flow, "one") == [0, 0])


def test_arrow_keys_move_by_ten_pixels_or_a_grid_step(four: Canvas) -> None:
    select(four, "three")
    four.press("ArrowRight")
    four.press("Shift+ArrowDown")
    four.until("moved", lambda flow: position(flow, "three") == [690, 40])


def test_sides_are_aligned(four: Canvas) -> None:
    select(four, "one", "two", "three")
    four.press("Alt+ArrowUp")
    flow = four.until("aligned", lambda flow: position(flow, "two")[1] == 0)
    assert [position(flow, id)[1] for id in ("one", "two", "three")] == [0, 0, 0]
    four.press("Alt+ArrowLeft")
    four.until("aligned left", lambda flow: position(flow, "three")[0] == 0)
    four.press("Control+z")
    four.press("Control+z")
    four.until("as they were", lambda flow: position(flow, "two") == [340, 60])


def test_gaps_are_made_even(four: Canvas) -> None:
    select(four, "two")
    for _ in range(3):
        four.press("ArrowLeft")
    select(four, "one", "two", "three")
    four.press("Alt+h")
    four.until("spread", lambda flow: position(flow, "two") == [340, 60])


def test_copies_keep_the_wires_among_them(four: Canvas) -> None:
    select(four, "one", "prior")
    four.press("Control+c")
    four.page.mouse.move(*four.empty_place())
    four.press("Control+v")
    expect(four.nodes).to_have_count(6)
    assert four.link("prior_2", "seed") == "one_2.value"
    four.press("Control+z")
    expect(four.nodes).to_have_count(4)


def test_a_duplicate_takes_its_inputs_from_where_the_original_does(four: Canvas) -> None:
    select(four, "prior")
    four.press("Control+d")
    expect(four.nodes).to_have_count(5)
    assert four.link("prior_2", "seed") == "one.value"


def test_what_is_cut_here_is_pasted_in_another_tab(four: Canvas, context: BrowserContext) -> None:
    select(four, "one", "prior")
    four.press("Control+x")
    expect(four.nodes).to_have_count(2)
    other = Canvas(context.new_page()).open(four.page.url)
    other.clear()
    other.page.bring_to_front()
    other.press("Control+v")
    expect(other.nodes).to_have_count(2)
    expect(other.wires).to_have_count(1)


def test_delete_takes_nodes_with_their_wires_and_undo_brings_them_back(four: Canvas) -> None:
    select(four, "one")
    four.press("Delete")
    expect(four.nodes).to_have_count(3)
    expect(four.wires).to_have_count(0)
    four.press("Control+z")
    expect(four.nodes).to_have_count(4)
    expect(four.wires).to_have_count(1)
    four.press("Control+Shift+z")
    expect(four.nodes).to_have_count(3)


def test_a_hundred_steps_can_be_taken_back(four: Canvas) -> None:
    select(four, "three")
    for _ in range(52):
        four.press("ArrowRight")
        # A step of its own each: leaving and coming back.
        four.press("c")
    assert four.workflow()["nodes"]["three"]["ui"]["position"] == [1200, 20]
    for _ in range(104):
        four.press("Control+z")
    flow = four.until("all undone", lambda flow: position(flow, "three") == [680, 20])
    assert "collapsed" not in flow["nodes"]["three"]["ui"]


def test_a_group_frames_nodes_moves_with_them_and_is_named(four: Canvas) -> None:
    select(four, "one", "two")
    four.press("Control+g")
    group = four.page.locator(".group")
    expect(group).to_have_count(1)
    title = group.locator(".title")
    x, y = four.middle(title)
    four.drag((x, y), (x + 80, y + 60))
    flow = four.until("moved", lambda flow: position(flow, "one") != [0, 0])
    assert position(flow, "two")[0] - 340 == pytest.approx(position(flow, "one")[0], abs=1)
    assert position(flow, "three") == [680, 20]
    title.dblclick()
    four.page.get_by_role("textbox", name="Title of the group").fill("Values")
    four.page.get_by_role("button", name="Colour #b0406f").click()
    flow = four.until("named", lambda flow: flow["ui"]["groups"][0]["title"] == "Values")
    assert flow["ui"]["groups"][0]["colour"] == "#b0406f"
    four.press("Control+z")
    four.page.get_by_role("button", name="Ungroup").click()
    expect(group).to_have_count(0)


def test_a_note_is_written_in_markdown_and_harmless(four: Canvas) -> None:
    four.page.mouse.move(*four.empty_place())
    four.press("n")
    note = four.node("note")
    note.dblclick()
    note.get_by_role("textbox").fill(
        "# Title\n\n**bold** <img src=x onerror=alert(1)> [link](javascript:alert(1))"
    )
    note.get_by_role("textbox").press("Escape")
    expect(note.locator("strong")).to_have_text("bold")
    expect(note.locator("img, script, a[href^='javascript']")).to_have_count(0)


def test_collapse_mute_and_bypass(four: Canvas) -> None:
    select(four, "prior")
    tall = four.node("prior").bounding_box()
    four.press("c")
    expect(four.node("prior").locator(".param")).to_have_count(0)
    low = four.node("prior").bounding_box()
    assert tall is not None
    assert low is not None
    assert low["height"] < tall["height"] / 3
    expect(four.wires).to_have_count(1)
    four.press("c")
    four.press("m")
    four.until("muted", lambda flow: flow["nodes"]["prior"].get("mode") == "muted")
    expect(four.node("prior").get_by_test_id("badge")).to_have_text("muted")
    four.press("b")
    four.until("bypassed", lambda flow: flow["nodes"]["prior"].get("mode") == "bypassed")
    four.press("b")
    four.until("active", lambda flow: "mode" not in flow["nodes"]["prior"])


def test_a_collapsed_node_keeps_every_wire_of_a_list(canvas: Canvas) -> None:
    nodes = {
        "one": {"type": "zero_embeds", "ui": at(0, 0)},
        "two": {"type": "zero_embeds", "ui": at(0, 160)},
        "mix": {
            "type": "interpolate",
            "inputs": {"embeds": ["one.image_embeds", "two.image_embeds"]},
            "ui": at(420, 0, collapsed=True),
        },
    }
    canvas.load(workflow(nodes))
    expect(canvas.wires).to_have_count(2)
    canvas.wire(("one", "image_embeds"), ("mix", "embeds#2"))
    expect(canvas.wires).to_have_count(3)


def test_laying_out_puts_nodes_along_their_wires(four: Canvas) -> None:
    four.press("l")
    flow = four.until("laid out", lambda flow: position(flow, "prior") != [340, 300])
    assert position(flow, "prior")[0] > position(flow, "one")[0] + 250


def test_the_whole_graph_comes_into_view_and_the_map_leads_around(four: Canvas) -> None:
    minimap = four.page.get_by_role("img", name="Minimap: 4 nodes")
    box = minimap.bounding_box()
    assert box is not None
    four.drag((box["x"] + 90, box["y"] + 60), (box["x"] + 5, box["y"] + 5))
    shown = four.node("three").count()
    four.press("f")
    expect(four.nodes).to_have_count(4)
    four.press("Shift+M")
    expect(minimap).to_have_count(0)
    assert shown <= 1


def test_panning_and_zooming_go_on_from_where_the_view_is(four: Canvas) -> None:
    four.press("f")
    x, y = four.empty_place()
    zoom = four.page.locator(".surface").get_attribute("data-zoom")
    before = four.node("prior").bounding_box()
    four.drag((x, y), (x - 70, y + 40))
    after = four.node("prior").bounding_box()
    assert before is not None
    assert after is not None
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((-70, 40), abs=4)
    assert four.page.locator(".surface").get_attribute("data-zoom") == zoom
    # What lies under the pointer stays there.
    four.press("0")
    x, y = four.middle(four.node("prior"))
    four.page.mouse.move(x, y)
    four.page.mouse.wheel(0, 200)
    expect(four.page.locator(".surface")).not_to_have_attribute("data-zoom", "1.000")
    assert four.middle(four.node("prior")) == pytest.approx((x, y), abs=4)


def test_searching_the_graph_goes_to_the_node(four: Canvas) -> None:
    four.press("Control+f")
    field = four.page.get_by_role("combobox", name="Title, type, or a word of a prompt")
    field.fill("cube")
    field.press("Enter")
    expect(four.node("two").locator(".node")).to_have_class(re.compile("selected"))
    expect(four.node("two")).to_be_focused()


def test_a_node_is_renamed_everywhere(four: Canvas) -> None:
    four.node("one").get_by_role("button", name="Menu of Seed").click()
    four.page.get_by_role("menuitem", name="Rename").click()
    dialog = four.page.get_by_role("dialog")
    dialog.get_by_label("Id,").fill("prior")
    dialog.get_by_role("button", name="Rename").click()
    expect(dialog).to_contain_text('there is a node "prior" already')
    dialog.get_by_label("Id,").fill("dice")
    dialog.get_by_label("Title").fill("The dice")
    dialog.get_by_role("button", name="Rename").click()
    four.until("renamed", lambda _: four.link("prior", "seed") == "dice.value")
    expect(four.node("dice")).to_contain_text("The dice")


def test_two_hundred_nodes_are_pasted_at_once(canvas: Canvas) -> None:
    canvas.clear()
    nodes = {f"n{i}": {"type": "seed", "ui": at(i % 20 * 300, i // 20 * 200)} for i in range(200)}
    canvas.page.evaluate("text => navigator.clipboard.writeText(text)", json.dumps(workflow(nodes)))
    canvas.press("Control+v")
    canvas.until("all are there", lambda flow: len(flow["nodes"]) == 200)
    canvas.press("f")
    expect(canvas.page.get_by_test_id("far")).to_be_visible()
    canvas.press("Control+z")
    canvas.until("all are gone", lambda flow: not flow["nodes"])
