"""Wiring by hand: what fits lights up, what does not says why, and every wire can be moved, bent and cut."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.driver import Canvas, at, workflow

PAIR = workflow(
    {
        "models": {"type": "load_prior", "ui": at(0, 0)},
        "decoder": {"type": "load_decoder", "ui": at(0, 260)},
        "prompt": {"type": "text_encode", "params": {"text": "a cube"}, "ui": at(380, 0)},
        "prior": {"type": "prior", "ui": at(760, 0)},
    }
)


@pytest.fixture
def pair(canvas: Canvas) -> Canvas:
    """Four nodes without wires."""
    canvas.load(PAIR)
    expect(canvas.nodes).to_have_count(4)
    expect(canvas.wires).to_have_count(0)
    return canvas


def test_a_wire_is_drawn_from_an_output_to_an_input(pair: Canvas) -> None:
    pair.wire(("models", "text_encoder"), ("prompt", "text_encoder"))
    expect(pair.wires).to_have_count(1)
    pair.until(
        "the link is in the file", lambda _: pair.link("prompt", "text_encoder") == "models.text_encoder"
    )


def test_a_wire_can_be_drawn_backwards(pair: Canvas) -> None:
    pair.drag(
        pair.middle(pair.handle("prior", "positive", "input")),
        pair.middle(pair.handle("prompt", "text_embeds", "output")),
    )
    expect(pair.wires).to_have_count(1)
    assert pair.link("prior", "positive") == "prompt.text_embeds"


def test_ports_that_fit_light_up_and_the_others_dim(pair: Canvas) -> None:
    mouse = pair.page.mouse
    x, y = pair.middle(pair.handle("models", "text_encoder", "output"))
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 60, y + 40, steps=5)
    expect(pair.node("prompt").locator(".port.fits")).to_have_count(1)
    expect(pair.node("prior").locator(".port.fits")).to_have_count(0)
    assert pair.node("prior").locator(".port.dim").count() >= 5
    mouse.move(*pair.empty_place())
    mouse.up()
    pair.press("Escape")
    expect(pair.page.locator(".port.dim")).to_have_count(0)


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        (("prompt", "text_embeds"), ("prior", "prior"), "Text embeds does not fit Prior"),
        (("prior", "image_embeds"), ("prior", "noise"), "a node cannot feed itself"),
    ],
)
def test_a_wire_that_does_not_fit_says_why(
    pair: Canvas, source: tuple[str, str], target: tuple[str, str], says: str
) -> None:
    mouse = pair.page.mouse
    mouse.move(*pair.middle(pair.handle(*source, "output")))
    mouse.down()
    mouse.move(*pair.middle(pair.handle(*target, "input")), steps=15)
    expect(pair.page.locator(".why")).to_have_text(says)
    mouse.up()
    expect(pair.page.get_by_label("Messages")).to_contain_text(says)
    expect(pair.wires).to_have_count(0)


def test_a_circle_is_refused_in_words(canvas: Canvas) -> None:
    nodes = {
        "first": {"type": "interpolate", "ui": at(0, 0)},
        "second": {"type": "interpolate", "inputs": {"embeds": ["first.image_embeds"]}, "ui": at(400, 0)},
    }
    canvas.load(workflow(nodes))
    expect(canvas.wires).to_have_count(1)
    canvas.wire(("second", "image_embeds"), ("first", "embeds#0"))
    expect(canvas.page.get_by_label("Messages")).to_contain_text("a circle")
    expect(canvas.wires).to_have_count(1)


def test_dropping_on_the_body_of_a_node_takes_the_first_port_that_fits(pair: Canvas) -> None:
    x, y = pair.middle(pair.node("prior").locator(".title"))
    pair.drag(pair.middle(pair.handle("models", "image_encoder", "output")), (x, y))
    expect(pair.wires).to_have_count(1)
    assert pair.link("prior", "image_encoder") == "models.image_encoder"


def test_dropping_on_the_body_of_a_node_without_such_a_port_says_so(pair: Canvas) -> None:
    x, y = pair.middle(pair.node("prompt").locator(".title"))
    pair.drag(pair.middle(pair.handle("decoder", "unet", "output")), (x, y))
    expect(pair.page.get_by_label("Messages")).to_contain_text("Text encode has no input for UNet")


def test_dropping_on_empty_space_offers_what_fits_and_connects_it(pair: Canvas) -> None:
    pair.drag(pair.middle(pair.handle("decoder", "movq", "output")), pair.empty_place())
    options = pair.page.get_by_role("option")
    expect(options.first).to_be_visible()
    texts = options.all_inner_texts()
    assert "MoVQ decode\nmovq" in texts[0], "what is made for it does not come first"
    assert not any("UNet" in text or "Prior" in text for text in texts), texts
    pair.search("decode")
    expect(pair.wires).to_have_count(1)
    assert pair.link("movq_decode", "movq") == "decoder.movq"


def test_dropping_an_input_on_empty_space_offers_sources(pair: Canvas) -> None:
    pair.drag(pair.middle(pair.handle("prior", "prior", "input")), pair.empty_place())
    pair.search("load prior")
    expect(pair.wires).to_have_count(1)
    assert pair.link("prior", "prior") == "load_prior.prior"


def test_a_new_wire_replaces_the_old_one_at_a_port_that_takes_one(pair: Canvas) -> None:
    pair.wire(("models", "text_encoder"), ("prompt", "text_encoder"))
    pair.wire(("decoder", "text_encoder"), ("prompt", "text_encoder"))
    expect(pair.wires).to_have_count(1)
    assert pair.link("prompt", "text_encoder") == "decoder.text_encoder"
    pair.press("Control+z")
    pair.until("undone", lambda _: pair.link("prompt", "text_encoder") == "models.text_encoder")


def test_a_wire_is_put_elsewhere_by_its_end(pair: Canvas) -> None:
    pair.wire(("prompt", "text_embeds"), ("prior", "positive"))
    select_wire(pair)
    x, y = pair.middle(pair.handle("prior", "positive", "input"))
    pair.drag((x - 18, y), pair.middle(pair.handle("prior", "negative", "input")))
    pair.until("moved", lambda _: pair.link("prior", "negative") == "prompt.text_embeds")
    assert pair.link("prior", "positive") is None


def test_a_wire_is_cut_by_dragging_its_end_away_by_its_button_and_by_key(pair: Canvas) -> None:
    pair.wire(("prompt", "text_embeds"), ("prior", "positive"))
    select_wire(pair)
    x, y = pair.middle(pair.handle("prior", "positive", "input"))
    pair.drag((x - 18, y), pair.empty_place())
    expect(pair.wires).to_have_count(0)
    pair.press("Control+z")
    expect(pair.wires).to_have_count(1)
    select_wire(pair)
    pair.page.get_by_role("button", name="Cut this wire").click()
    expect(pair.wires).to_have_count(0)
    pair.press("Control+z")
    expect(pair.wires).to_have_count(1)
    select_wire(pair)
    pair.press("Delete")
    expect(pair.wires).to_have_count(0)


def test_a_wire_is_bent_by_a_double_click_and_straightened_again(pair: Canvas) -> None:
    pair.wire(("models", "prior"), ("prior", "prior"))
    x, y = wire_middle(pair)
    pair.page.mouse.dblclick(x, y)
    knot = pair.page.locator(".knot")
    expect(knot).to_have_count(1)
    pair.drag(pair.middle(knot), (x + 30, y + 120))
    route = pair.until(
        "the route is kept", lambda flow: isinstance(flow["nodes"]["prior"]["inputs"]["prior"], dict)
    )["nodes"]["prior"]["inputs"]["prior"]
    assert route["from"] == "models.prior"
    assert len(route["ui"]["route"]) == 1
    knot.focus()
    pair.press("Delete")
    pair.until("straight", lambda _: pair.link("prior", "prior") == "models.prior")


def test_a_param_is_turned_into_a_port_and_back(pair: Canvas) -> None:
    pair.page.mouse.move(*pair.middle(pair.row("prior", "seed")))
    turn = pair.page.get_by_role("button", name="Make seed a port")
    turn.click()
    pair.until("seed is a port", lambda flow: flow["nodes"]["prior"]["ui"]["ports"] == ["seed"])
    pair.press("Escape")
    pair.page.locator(".surface").focus()
    pair.press("a")
    pair.search("seed")
    pair.wire(("seed", "value"), ("prior", "seed"))
    expect(pair.row("prior", "seed")).to_contain_text("from seed.value")
    pair.page.get_by_role("button", name="Make seed a value again").click()
    pair.until("a value again", lambda _: pair.link("prior", "seed") is None)
    expect(pair.row("prior", "seed").get_by_role("spinbutton")).to_be_visible()


def test_a_list_port_takes_wires_in_an_order_that_is_seen_and_changed(canvas: Canvas) -> None:
    nodes = {
        "one": {"type": "zero_embeds", "ui": at(0, 0)},
        "two": {"type": "prior", "ui": at(0, 160)},
        "mix": {"type": "interpolate", "ui": at(420, 0)},
    }
    canvas.load(workflow(nodes))
    expect(canvas.nodes).to_have_count(3)
    canvas.wire(("one", "image_embeds"), ("mix", "embeds#0"))
    expect(canvas.wires).to_have_count(1)
    canvas.wire(("two", "image_embeds"), ("mix", "embeds#1"))
    expect(canvas.wires).to_have_count(2)
    mix = canvas.node("mix")
    expect(mix.locator(".from")).to_have_text(["Zero embeds", "Prior"])
    weight = mix.get_by_label(re.compile("Weight 1")).last
    weight.fill("0.8")
    weight.press("Enter")
    canvas.until(
        "both weights are written", lambda flow: flow["nodes"]["mix"]["params"]["weights"] == [0.8, 0.5]
    )
    mix.get_by_role("button", name="Move wire 1 down").click()
    expect(mix.locator(".from")).to_have_text(["Prior", "Zero embeds"])
    flow = canvas.until(
        "the weight follows", lambda flow: flow["nodes"]["mix"]["params"]["weights"] == [0.5, 0.8]
    )
    assert flow["nodes"]["mix"]["inputs"]["embeds"] == ["two.image_embeds", "one.image_embeds"]
    mix.get_by_role("button", name="Cut wire 1").click()
    expect(canvas.wires).to_have_count(1)


def wire_middle(canvas: Canvas) -> tuple[float, float]:
    """A point on the only wire, as near to its middle as no node lies over it."""
    point = canvas.wires.locator(".svelte-flow__edge-path").evaluate(
        """(path) => {
          const root = path.getRootNode();
          const length = path.getTotalLength();
          for (let step = 0; step < 20; step++)
            for (const share of [0.5 + step / 40, 0.5 - step / 40]) {
              const { x, y } = path.getPointAtLength(length * share).matrixTransform(path.getScreenCTM());
              if (root.elementFromPoint(x, y)?.closest('.svelte-flow__edge')) return [x, y];
            }
          return null;
        }"""
    )
    assert point, "the wire lies under nodes"
    return point[0], point[1]


def select_wire(canvas: Canvas) -> None:
    canvas.page.mouse.click(*wire_middle(canvas))
    expect(canvas.page.get_by_role("button", name="Cut this wire")).to_be_visible()
