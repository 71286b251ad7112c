"""Without a pointer, by touch, with motion reduced, and at 200 %: nobody is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, CDPSession, Locator, Page, expect

from tests.browser.conftest import Server
from tests.browser.driver import Canvas, at, fresh_text_to_image, workflow

PAIR = workflow(
    {
        "models": {"type": "load_prior", "ui": at(0, 0)},
        "prompt": {"type": "text_encode", "params": {"text": "a cube"}, "ui": at(380, 0)},
    }
)
AREAS = ["toolbar", "palette", "surface", "node", "edge", "panel"]
FOCUS = """() => {
  let one = document.activeElement;
  while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const area = ['toolbar', 'palette', 'svelte-flow__node', 'svelte-flow__edge', 'surface']
    .find((name) => one.closest('.' + name)) ?? '';
  const wire = one.matches('.svelte-flow__edge') ? one.querySelector('.svelte-flow__edge-path') : null;
  const label = one.getAttribute('aria-label') ?? one.labels?.[0]?.textContent ?? one.textContent;
  return {
    area: area.replace('svelte-flow__', ''),
    node: one.closest('.svelte-flow__node')?.dataset.id ?? '',
    whole: one.matches('.svelte-flow__node, .svelte-flow__edge'),
    tag: one.tagName,
    label: (label ?? '').trim(),
    marked: style.outlineStyle !== 'none' || style.boxShadow !== 'none'
      || (wire !== null && parseFloat(getComputedStyle(wire).strokeWidth) > 4),
    seen: box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
  };
}"""


def focus(page: Page) -> dict[str, Any] | None:
    """What has the focus, and how it looks."""
    found: dict[str, Any] | None = page.evaluate(FOCUS)
    return found


# Keys


def add(canvas: Canvas, title: str, id: str) -> None:
    """Space, the name, Enter: the new node has the focus."""
    canvas.press("Space")
    expect(canvas.page.get_by_role("combobox", name="Search node types")).to_be_focused()
    canvas.page.keyboard.type(title)
    canvas.press("Enter")
    expect(canvas.node(id)).to_be_focused()


def wire(canvas: Canvas, words: str, node: str, port: str, link: str) -> None:
    """W, a few words of the wire, Enter: it is drawn, and the node has the focus again."""
    canvas.press("w")
    expect(canvas.page.get_by_role("combobox", name="Which wire?")).to_be_focused()
    canvas.page.keyboard.type(words)
    canvas.press("Enter")
    canvas.until("wired", lambda _: canvas.link(node, port) == link)
    expect(canvas.node(node)).to_be_focused()


def test_text_to_image_is_built_and_run_by_keys_alone(canvas: Canvas) -> None:
    canvas.press("Alt+n")
    expect(canvas.nodes).to_have_count(0)
    add(canvas, "load prior", "load_prior")
    add(canvas, "text encode", "text_encode")
    wire(canvas, "text encoder", "text_encode", "text_encoder", "load_prior.text_encoder")
    tab_to(canvas, "text")
    canvas.page.keyboard.type("a small red ball on sand")
    canvas.until_param("text_encode", "text", "a small red ball on sand")
    canvas.press("Escape")
    expect(canvas.node("text_encode")).to_be_focused()
    add(canvas, "prior", "prior")
    wire(canvas, "positive", "prior", "positive", "text_encode.text_embeds")
    wire(canvas, "load prior prior", "prior", "prior", "load_prior.prior")
    wire(canvas, "image encoder", "prior", "image_encoder", "load_prior.image_encoder")
    add(canvas, "load decoder", "load_decoder")
    add(canvas, "unet denoise", "unet_denoise")
    wire(canvas, "unet", "unet_denoise", "unet", "load_decoder.unet")
    wire(canvas, "negative image", "unet_denoise", "negative_image_embeds", "prior.negative_image_embeds")
    wire(canvas, "prior image embeds", "unet_denoise", "image_embeds", "prior.image_embeds")
    add(canvas, "movq decode", "movq_decode")
    wire(canvas, "movq", "movq_decode", "movq", "load_decoder.movq")
    wire(canvas, "latents", "movq_decode", "latents", "unet_denoise.latents")
    add(canvas, "save", "save_image")
    wire(canvas, "image", "save_image", "image", "movq_decode.image")
    canvas.press("Control+Enter")
    canvas.until_done()
    canvas.press("f")
    _, picture = canvas.saved_picture("save_image")
    assert picture.size == (128, 128)
    assert np.asarray(picture, dtype=float).std(axis=(0, 1)).max() > 10, "the picture is one colour"
    # And arranged, all of it.
    before = canvas.workflow()
    canvas.press("Control+a")
    canvas.press("l")
    flow = canvas.until("laid out", lambda flow: flow != before)
    left = {id: node["ui"]["position"][0] for id, node in flow["nodes"].items()}
    for id, node in flow["nodes"].items():
        for link in node.get("inputs", {}).values():
            assert left[link.partition(".")[0]] < left[id], f"{link} does not lie left of {id}"


def tab_to(canvas: Canvas, label: str) -> None:
    for _ in range(20):
        canvas.press("Tab")
        found = focus(canvas.page)
        if found and found["label"] == label:
            return
    raise AssertionError(f"Tab does not lead to {label}")


def test_wires_are_cut_and_moved_by_keys(canvas: Canvas) -> None:
    canvas.load(PAIR)
    expect(canvas.nodes).to_have_count(2)
    canvas.press("Control+f")
    canvas.page.keyboard.type("load prior")
    canvas.press("Enter")
    expect(canvas.node("models")).to_be_focused()
    canvas.press("w")
    canvas.page.keyboard.type("text encoder")
    canvas.press("Enter")
    expect(canvas.wires).to_have_count(1)
    for _ in range(40):
        canvas.press("Shift+Tab")
        found = focus(canvas.page)
        if found and found["area"] == "edge":
            break
    else:
        raise AssertionError("Tab does not lead to the wire")
    assert "models text_encoder" in found["label"]
    canvas.press("Enter")
    canvas.press("Delete")
    expect(canvas.wires).to_have_count(0)
    expect(canvas.nodes).to_have_count(2)


def test_the_sheet_shows_every_key_and_gives_the_focus_back(canvas: Canvas) -> None:
    canvas.node("prior").locator(".title").click()
    canvas.press("?")
    sheet = canvas.page.get_by_role("dialog", name="Keyboard")
    expect(sheet).to_be_visible()
    for words in ("Run up to the selected node", "Draw a wire from the focused node", "This sheet"):
        expect(sheet).to_contain_text(words)
    assert sheet.locator("dt").count() > 40
    canvas.press("Escape")
    expect(sheet).to_have_count(0)
    canvas.press("m")
    canvas.until("the keys are the canvas's", lambda flow: flow["nodes"]["prior"].get("mode") == "muted")


@pytest.mark.parametrize("keys", ["t", "Control+o", "Control+Shift+S", "Control+f", "?"])
def test_a_dialog_keeps_the_focus_and_gives_it_back(canvas: Canvas, keys: str) -> None:
    canvas.press("Tab")
    before = focus(canvas.page)
    assert before
    canvas.press(keys)
    dialog = canvas.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    for _ in range(12):
        canvas.press("Tab")
        inside = dialog.evaluate("dialog => dialog.contains(dialog.getRootNode().activeElement)")
        assert inside or focus(canvas.page) is None, f"Tab leads out of the dialog, to {focus(canvas.page)}"
    canvas.press("Escape")
    expect(dialog).to_have_count(0)
    assert focus(canvas.page) == before


def test_tab_goes_through_bar_palette_and_nodes_and_shows_where_it_is(canvas: Canvas) -> None:
    palette = canvas.page.get_by_role("complementary", name="Palette of nodes")
    palette.get_by_role("searchbox").fill("prior")  # a short one: it is gone through item by item
    canvas.page.evaluate("document.activeElement.blur()")
    canvas.page.mouse.click(*canvas.empty_place())
    start_at_the_top(canvas)
    seen: list[dict[str, Any]] = []
    for _ in range(150):
        canvas.press("Tab")
        found = focus(canvas.page)
        if found is None or found["area"] == "":
            break
        seen.append(found)
    else:
        raise AssertionError("Tab never leaves the canvas")
    areas = [one["area"] for one in seen]
    order = [area for index, area in enumerate(areas) if index == 0 or areas[index - 1] != area]
    assert order[:3] == ["toolbar", "palette", "surface"], order
    assert {"node", "edge"} <= set(order)
    wholes = [one["node"] for one in seen if one["whole"] and one["area"] == "node"]
    assert wholes == list(canvas.workflow()["nodes"]), "nodes are not gone through in order"
    for one in seen:
        assert one["label"], f"nothing says what this is: {one}"
        assert one["marked"], f"nothing shows that this has the focus: {one}"
        assert one["seen"], f"what has the focus cannot be seen: {one}"
    assert pushed(canvas) == [0, 0], "the focus has pushed the surface aside"


def start_at_the_top(canvas: Canvas) -> None:
    """The focus before the first thing of the page."""
    for _ in range(100):
        canvas.press("Shift+Tab")
        if focus(canvas.page) is None:
            return
    raise AssertionError("Shift+Tab never leaves the canvas")


def pushed(canvas: Canvas) -> list[float]:
    """How far something on the surface was scrolled that should never be."""
    found: list[float] = canvas.page.locator(".surface").evaluate(
        """(surface) => {
          const inner = '.svelte-flow, .svelte-flow__renderer, .svelte-flow__pane';
          const all = [surface, ...surface.querySelectorAll(inner)];
          return ['scrollLeft', 'scrollTop'].map((way) => Math.max(...all.map((one) => one[way])));
        }"""
    )
    return found


def test_typing_in_a_field_at_the_edge_does_not_push_the_surface_aside(canvas: Canvas) -> None:
    box = canvas.page.locator(".surface").bounding_box()
    prompt = canvas.node("prompt").bounding_box()
    assert box is not None
    assert prompt is not None
    x, y = canvas.empty_place()
    # The node lies half outside now.
    canvas.drag((x, y), (x - (prompt["x"] - box["x"]) - prompt["width"] / 2, y))
    field = canvas.node("prompt").get_by_role("textbox", name="text")
    field.evaluate("field => field.focus()")
    canvas.page.keyboard.type("more words")
    canvas.until("typed", lambda flow: "more words" in flow["nodes"]["prompt"]["params"]["text"])
    assert pushed(canvas) == [0, 0]


# Touch


@pytest.fixture
def touch(browser: Browser, server: Server) -> Iterator[Touch]:
    """A tablet."""
    context = browser.new_context(viewport={"width": 1100, "height": 800}, has_touch=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield Touch(Canvas(page).open(server.url), context.new_cdp_session(page))
    assert not errors, f"the page raised {errors}"
    context.close()


class Touch:
    """Fingers on the canvas."""

    def __init__(self, canvas: Canvas, session: CDPSession) -> None:
        self.canvas = canvas
        self._session = session

    def _send(self, kind: str, *fingers: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(fingers)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def move(self, *ways: tuple[tuple[float, float], tuple[float, float]], steps: int = 8) -> None:
        """Each finger from one place to another, at the same time."""
        self._send("touchStart", *(start for start, _ in ways))
        for step in range(1, steps + 1):
            share = step / steps
            places = [(x + (u - x) * share, y + (v - y) * share) for (x, y), (u, v) in ways]
            self._send("touchMove", *places)
        self._send("touchEnd")


def place(node: Locator) -> tuple[float, float]:
    box = node.bounding_box()
    assert box is not None
    return box["x"], box["y"]


def test_a_finger_pans(touch: Touch) -> None:
    canvas = touch.canvas
    x, y = canvas.empty_place()
    before = place(canvas.node("prior"))
    touch.move(((x, y), (x + 90, y - 60)))
    expect_moved(canvas, before, (90, -60))


def expect_moved(canvas: Canvas, before: tuple[float, float], by: tuple[float, float]) -> None:
    """The node `prior` has moved on the screen, give or take what counts as the start of a gesture."""
    moved = place(canvas.node("prior"))
    assert moved == pytest.approx((before[0] + by[0], before[1] + by[1]), abs=20)


def test_two_fingers_zoom(touch: Touch) -> None:
    canvas = touch.canvas
    surface = canvas.page.locator(".surface")
    before = float(surface.get_attribute("data-zoom") or 0)
    x, y = canvas.empty_place()
    touch.move(((x - 20, y), (x - 80, y)), ((x + 20, y), (x + 80, y)))
    canvas.until("zoomed in", lambda _: float(surface.get_attribute("data-zoom") or 0) > before * 1.5)
    page_zoom = canvas.page.evaluate("visualViewport.scale")
    assert page_zoom == 1, "the browser has zoomed the page as well"


def test_a_finger_draws_a_wire(touch: Touch) -> None:
    canvas = touch.canvas
    canvas.load(PAIR)
    expect(canvas.nodes).to_have_count(2)
    start = canvas.middle(canvas.handle("models", "text_encoder", "output"))
    end = canvas.middle(canvas.handle("prompt", "text_encoder", "input"))
    touch.move((start, end))
    expect(canvas.wires).to_have_count(1)
    assert canvas.link("prompt", "text_encoder") == "models.text_encoder"


def test_a_finger_moves_a_node_and_takes_one_from_the_palette(touch: Touch) -> None:
    canvas = touch.canvas
    canvas.load(PAIR)
    expect(canvas.nodes).to_have_count(2)
    x, y = canvas.middle(canvas.node("prompt").locator(".title"))
    touch.move(((x, y), (x + 80, y + 60)))
    canvas.until("moved", lambda flow: flow["nodes"]["prompt"]["ui"]["position"] != [380, 0])
    palette = canvas.page.get_by_role("complementary", name="Palette of nodes")
    item = palette.get_by_role("button", name="Load decoder", exact=True)
    touch.move((canvas.middle(item), canvas.empty_place()))
    expect(canvas.node("load_decoder")).to_be_visible()


# Eyes


def moving(page: Page) -> list[str]:
    """What moves or would: every element of the canvas with an animation or a transition."""
    found: list[str] = page.locator(".surface").evaluate(
        """(surface) => {
          const seconds = (text) => Math.max(...text.split(',').map(parseFloat));
          return [...surface.getRootNode().querySelectorAll('*')].flatMap((one) => {
            const style = getComputedStyle(one);
            const moves = (style.animationName !== 'none' && seconds(style.animationDuration) > 0)
              || seconds(style.transitionDuration) > 0;
            return moves ? [one.className?.baseVal ?? one.className] : [];
          });
        }"""
    )
    return found


@pytest.mark.parametrize("wish", ["no-preference", "reduce"])
def test_nothing_moves_for_those_who_want_it_so(browser: Browser, server: Server, wish: Any) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion=wish)
    canvas = Canvas(context.new_page()).open(server.url)
    canvas.load_whole(fresh_text_to_image(steps=1000))
    canvas.page.get_by_test_id("run").click()
    expect(canvas.page.locator("[data-activity=running]").first).to_be_visible(timeout=60_000)
    canvas.press("t")
    expect(canvas.page.get_by_role("dialog")).to_be_visible()
    found = moving(canvas.page)
    canvas.press("Escape")
    canvas.press("Control+.")
    canvas.until_done("Stopped")
    context.close()
    assert not found if wish == "reduce" else found


@pytest.fixture
def large(browser: Browser, server: Server) -> Iterator[Canvas]:
    """A window of 1440 x 900 pixels at 200 %."""
    context = browser.new_context(viewport={"width": 720, "height": 450}, device_scale_factor=2)
    yield Canvas(context.new_page()).open(server.url)
    context.close()


OUTSIDE = """(within) => {
  const frame = within.closest('dialog')?.getBoundingClientRect()
    ?? { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
  const all = [...within.querySelectorAll('button, input, select, textarea, a[href], h2, p')];
  return all.flatMap((one) => {
    if (!one.checkVisibility({ checkVisibilityCSS: true }) || one.closest('.hidden, [hidden]')) return [];
    one.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const box = one.getBoundingClientRect();
    if (!box.width) return [];
    const name = one.getAttribute('aria-label') ?? one.textContent.trim().slice(0, 40);
    const out = box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > Math.max(frame.bottom, frame.top + box.height) + 1;
    const cut = one.matches('button') && (one.scrollWidth > one.clientWidth + 2);
    return out || cut ? [`${one.tagName} ${name} ${out ? 'lies outside' : 'is cut off'}`] : [];
  });
}"""


def outside(part: Locator) -> list[str]:
    """What of a part cannot be seen whole, even after scrolling to it."""
    found: list[str] = part.evaluate(OUTSIDE)
    return found


def test_at_200_percent_the_bar_is_whole_and_the_canvas_has_room(large: Canvas) -> None:
    assert outside(large.page.locator(".toolbar")) == []
    overlaps = large.page.locator(".toolbar").evaluate(
        """(bar) => {
          const hit = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
            && a.top < b.bottom - 1 && b.top < a.bottom - 1;
          const boxes = [...bar.querySelectorAll('button, input, [role=status]')]
            .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
            .filter(([, box]) => box.width);
          return boxes.flatMap(([one, a], index) => boxes.slice(index + 1)
            .filter(([, b]) => hit(a, b)).map(([other]) => `${one} and ${other}`));
        }"""
    )
    assert overlaps == []
    surface = large.page.locator(".surface").bounding_box()
    assert surface is not None
    assert surface["height"] > 250
    assert surface["width"] > 400
    sideways = large.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert sideways <= 0
    # A node can be read: letters as large as a finger's breadth are not asked for, but 11 pixels are.
    large.page.get_by_role("button", name="See everything").click()
    large.press("0")
    sizes = large.page.locator(".svelte-flow__node").first.evaluate(
        "node => [...node.querySelectorAll('*')].map((one) => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 11


@pytest.mark.parametrize(
    "opens", ["t", "Control+o", "Control+Shift+S", "Control+f", "?", "g", "p", "button Form", "button More"]
)
def test_at_200_percent_dialogs_and_panels_fit(large: Canvas, opens: str) -> None:
    kind, _, button = opens.partition(" ")
    if kind == "button":
        large.page.get_by_role("toolbar").get_by_role("button", name=button).click()
    else:
        large.press(opens)
    part = large.page.get_by_role("dialog").or_(
        large.page.locator(".palette, section:has(> header > h2), .menu")
    )
    expect(part.first).to_be_visible()
    assert outside(part.first) == []
    box = part.first.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= 720
    assert box["y"] + box["height"] <= 450
