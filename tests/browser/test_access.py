"""Access: for screen readers, for nobody who should not come in, and to no other machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.conftest import Server, start_server, stop
from tests.browser.driver import Canvas, at, fresh_text_to_image, template, workflow
from tests.browser.test_files import save, save_as, write_prompt
from tests.browser.test_looks import again, compare_both

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
ALL_SORTS = workflow(
    {
        "strange": {"type": "sparkle/glow", "params": {"radius": 1}, "ui": at(0, 0)},
        "wrong": {"type": "load_prior", "params": {"source": "nowhere"}, "ui": at(340, 0)},
        "resize": {"type": "resize", "params": {"width": -3}, "ui": at(680, 0)},
        "remark": {
            "type": "note",
            "params": {"text": "# Read\n\n[me](https://example.org), **now**"},
            "ui": at(0, 300),
        },
        "dice": {"type": "seed", "mode": "muted", "ui": at(340, 300)},
        "folded": {"type": "mask", "ui": at(680, 420, collapsed=True)},
        "mix": {"type": "interpolate", "inputs": {"embeds": ["prior.image_embeds"] * 2}, "ui": at(1020, 0)},
        "prior": {"type": "prior", "inputs": {"seed": "dice.value"}, "ui": at(1020, 300)},
    },
    ui={
        "id": "sorts",
        "groups": [{"id": "g", "title": "All", "colour": "#b0406f", "box": [-20, -60, 300, 500]}],
    },
)


def violations(part: Locator) -> list[str]:
    """What axe calls serious or critical in a part of the page."""
    page = part.page
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: dict[str, Any] = part.evaluate(
        "part => axe.run(part, { resultTypes: ['violations'], preload: false })"
    )
    return [
        f"{one['id']}: {node['html'][:200]}: {' '.join(node['failureSummary'].split())[:300]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


# Screen readers, and whoever sees little


@pytest.fixture(params=["light", "dark"])
def shown(browser: Browser, server: Server, request: pytest.FixtureRequest) -> Iterator[Canvas]:
    """The canvas in light and in dark."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 900}, color_scheme=request.param, reduced_motion="reduce"
    )
    yield Canvas(context.new_page()).open(server.url)
    context.close()


def test_the_page_is_accessible_before_and_after_a_run(shown: Canvas) -> None:
    whole = shown.page.locator("html")
    assert violations(whole) == []
    shown.load_whole(fresh_text_to_image())
    shown.run()
    shown.node("prior").locator(".title").click()
    assert violations(whole) == []
    shown.page.get_by_role("button", name="Gallery", exact=True).click()
    gallery = shown.page.get_by_role("region", name="Gallery")
    expect(gallery.locator("img").first).to_be_visible()
    assert violations(gallery) == []
    gallery.get_by_role("button", name="Close gallery").click()
    shown.press("f")
    shown.node("save").get_by_role("button", name="See the picture").click()
    dialog = shown.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    assert violations(dialog) == []


def test_every_sort_of_node_is_accessible(shown: Canvas) -> None:
    shown.load(ALL_SORTS)
    expect(shown.nodes).to_have_count(8)
    expect(shown.says).to_contain_text("problems")
    shown.node("resize").locator(".title").click()
    assert violations(shown.page.locator("html")) == []
    shown.page.get_by_role("button", name="Show", exact=True).click()
    assert violations(shown.page.get_by_label("Problems", exact=True)) == []
    shown.page.get_by_test_id("run").click()
    expect(shown.page.locator(".message.error").first).to_be_visible()
    assert violations(shown.page.locator("html")) == []


def by_keys(keys: str) -> Callable[[Canvas], Locator]:
    def opens(canvas: Canvas) -> Locator:
        canvas.node("prior").locator(".title").click()
        canvas.press(keys)
        return canvas.page.get_by_role("dialog")

    return opens


def node_menu(canvas: Canvas) -> Locator:
    canvas.node("prior").get_by_role("button", name="Menu of Prior").click()
    return canvas.page.get_by_role("menu")


def file_menu(canvas: Canvas) -> Locator:
    canvas.page.get_by_role("toolbar").get_by_role("button", name="More").click()
    return canvas.page.get_by_role("menu")


def rename(canvas: Canvas) -> Locator:
    node_menu(canvas).get_by_role("menuitem", name="Rename").click()
    return canvas.page.get_by_role("dialog")


def saved(canvas: Canvas) -> Locator:
    """The saved workflows with the versions of one, and its name being changed."""
    for seed in ("1", "2"):
        field = canvas.row("prior", "seed").get_by_role("spinbutton")
        field.fill(seed)
        canvas.press("Control+Shift+S")
        canvas.page.get_by_role("textbox", name="Name to save under").fill("Accessible")
        canvas.press("Enter")
        replace = canvas.page.get_by_role("button", name="Replace it")
        expect(canvas.messages.get_by_text("Saved as Accessible").or_(replace).first).to_be_visible()
        if replace.count():
            replace.click()
    canvas.press("Control+o")
    more = canvas.page.get_by_role("group", name="More for Accessible")
    more.get_by_role("button", name="Versions").click()
    expect(canvas.page.get_by_role("list", name="Versions of Accessible")).to_be_visible()
    return canvas.page.get_by_role("dialog")


def conflict(canvas: Canvas) -> Locator:
    """What to do when another tab has saved meanwhile."""
    save_as(canvas, f"Twice {uuid4()}")
    other = Canvas(canvas.page.context.new_page()).open(canvas.page.url)
    write_prompt(other, "theirs")
    save(other)
    canvas.page.bring_to_front()
    write_prompt(canvas, "mine")
    canvas.press("Control+s")
    return canvas.page.get_by_role("dialog", name="Not saved yet")


def compared(canvas: Canvas) -> Locator:
    """What changed since a version, and the bar over the canvas."""
    saved(canvas).get_by_role("button", name="Compare").first.click()
    expect(canvas.page.get_by_role("region", name="What differs")).to_be_visible()
    return canvas.page.locator("html")


def form_builder(canvas: Canvas) -> Locator:
    canvas.page.get_by_role("toolbar").get_by_role("button", name="Form", exact=True).click()
    panel = canvas.page.get_by_role("region", name="Form", exact=True)
    panel.get_by_role("button", name="Prompt", exact=False).nth(1).click()
    panel.get_by_role("region", name="Inputs of the form").get_by_role("button", name="Add").click()
    return panel


def messages(canvas: Canvas) -> Locator:
    canvas.drop_file("text.txt", b"no picture", "text/plain")
    canvas.drop_file("broken.json", b"{", "application/json")
    expect(canvas.messages.get_by_role("listitem")).to_have_count(2)
    return canvas.messages


def mask_painter(canvas: Canvas) -> Locator:
    canvas.load(template("repaint"))
    canvas.row("area", "painted").get_by_role("button", name=re.compile("^painted: ")).click()
    return canvas.page.get_by_role("dialog")


def slider(canvas: Canvas) -> Locator:
    """Two pictures under a divider."""
    canvas.load_whole(fresh_text_to_image())
    canvas.run()
    again(canvas)
    return compare_both(canvas)


@pytest.mark.parametrize(
    "opens",
    [
        pytest.param(by_keys("t"), id="templates"),
        pytest.param(by_keys("Control+f"), id="find"),
        pytest.param(by_keys("?"), id="keys"),
        pytest.param(by_keys("w"), id="wire"),
        pytest.param(by_keys("Space"), id="search"),
        rename,
        saved,
        conflict,
        compared,
        node_menu,
        file_menu,
        form_builder,
        messages,
        mask_painter,
        slider,
    ],
)
def test_dialogs_menus_and_panels_are_accessible(shown: Canvas, opens: Callable[[Canvas], Locator]) -> None:
    part = opens(shown)
    expect(part).to_be_visible()
    assert violations(part) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_is_accessible(browser: Browser, server: Server, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(server.url + "form")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=30_000)
    # Gradio fades in what it renders: until then it is pale.
    page.wait_for_function("document.getAnimations().every((one) => one.playState !== 'running')")
    found = violations(page.locator("html"))
    context.close()
    assert found == []


def test_what_is_wrong_would_be_found(canvas: Canvas) -> None:
    """The canvas stands in a shadow root: axe has to look into it."""
    canvas.page.locator(".surface").evaluate("surface => surface.append(document.createElement('input'))")
    assert any(found.startswith("label: <input>") for found in violations(canvas.page.locator("html")))


def test_what_happens_is_read_out(canvas: Canvas) -> None:
    """Live regions say what is seen: the line beside Run, messages; a node says what it is doing."""
    expect(canvas.says).to_have_attribute("role", "status")
    expect(canvas.messages.locator("[aria-live=polite]")).to_have_count(1)
    surface = canvas.page.locator(".surface")
    expect(surface).to_have_accessible_name("Canvas with 7 nodes. Press ? for the keys.")
    node = canvas.node("prior")
    expect(node).to_have_accessible_name("Prior")
    expect(node).to_have_accessible_description(
        "The arrow keys move this node, W wires it, Delete removes it."
    )
    handle = canvas.handle("prior", "positive", "input")
    expect(handle).to_have_accessible_name("Input positive: Text embeds, needed. The prompt.")
    wire = canvas.page.get_by_label("Wire from prompt text_embeds to prior positive")
    expect(wire).to_have_count(1)
    expect(canvas.row("prior", "seed").get_by_role("spinbutton")).to_have_accessible_name("seed")


# The network


def test_no_request_leaves_the_machine(context: BrowserContext, server: Server) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    canvas = Canvas(context.new_page()).open(server.url)
    canvas.load_whole(fresh_text_to_image())
    canvas.run()
    for keys in ("g", "t"):
        canvas.press(keys)
    expect(canvas.page.get_by_role("dialog").locator("img").first).to_be_visible()
    canvas.press("Escape")
    canvas.load(ALL_SORTS)
    expect(canvas.node("remark")).to_contain_text("Read")
    pages = [canvas.page, context.new_page()]
    pages[1].goto(server.url + "form")
    expect(pages[1].get_by_role("button", name="Run", exact=True)).to_be_visible(timeout=30_000)
    assert len(asked) > 30
    assert {url for url in asked if not is_here(url, server)} == set()
    for page in pages:
        # A hint to connect early is no request, but tells the other machine as well.
        assert [url for url in linked(page) if not is_here(url, server)] == []


def is_here(url: str, server: Server) -> bool:
    return urlsplit(url).scheme in ("data", "blob") or urlsplit(url).netloc == urlsplit(server.url).netloc


def linked(page: Page) -> list[str]:
    """Addresses that the page loads from or connects to by itself."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('link[href], script[src], img[src], iframe[src]')]"
        ".map((one) => one.href ?? one.src).filter(Boolean)"
    )
    return found


# The login


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_login_is_accessible(browser: Browser, locked: Server, scheme: Literal["light", "dark"]) -> None:
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.goto(locked.url)
    expect(page.get_by_role("button", name="Login")).to_be_visible(timeout=30_000)
    page.wait_for_function("document.getAnimations().every((one) => one.playState !== 'running')")
    found = violations(page.locator("html"))
    context.close()
    assert found == []


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a login."""
    folder = tmp_path_factory.mktemp("locked")
    accounts = folder / "accounts"
    accounts.write_text("anna:one and one\nbert:two and two\n")
    accounts.chmod(0o600)
    running, process = start_server(folder, "--auth", str(accounts))
    yield running
    stop(process)


def log_in(page: Page, url: str, name: str, password: str) -> None:
    page.goto(url)
    page.get_by_label("username").fill(name)
    page.get_by_label("password").fill(password)
    page.get_by_role("button", name="Login").click()


def test_with_a_login_nothing_is_shown_without_one(page: Page, locked: Server) -> None:
    log_in(page, locked.url, "anna", "wrong")
    expect(page.get_by_text("Incorrect")).to_be_visible()
    expect(page.locator(".surface")).to_have_count(0)
    closed = ["kandinsky/canvas.js", "kandinsky/template/picture/scene.png", "kandinsky/here", "config"]
    for path in (*closed, "gradio_api/info", "gradio_api/file=accounts"):
        assert page.request.get(locked.url + path).status == 401, path
    asked = page.request.post(
        locked.url + "gradio_api/component_server", data={"fn_name": "hello", "data": "{}"}
    )
    assert asked.status == 401

    log_in(page, locked.url, "anna", "one and one")
    canvas = Canvas(page)
    expect(canvas.node("prior")).to_be_visible(timeout=30_000)
    canvas.load_whole(fresh_text_to_image(steps=1))
    canvas.run()
    url = canvas.preview("save").get_attribute("src") or ""
    assert page.request.get(urljoin(locked.url, url)).status == 200
    (made,) = (locked.outputs / "anna").glob("*.png")
    assert made.stat().st_size > 1000

    # Somebody else logs in on the same computer, and sees nothing of it.
    page.context.clear_cookies()
    assert page.request.get(urljoin(locked.url, url)).status == 401
    canvas.node("prompt").get_by_role("textbox", name="text").fill("a cone")
    expect(canvas.messages).to_contain_text("You are not logged in any more: reload the page.")
    log_in(page, locked.url, "bert", "two and two")
    expect(canvas.node("prior")).to_be_visible(timeout=30_000)
    assert page.request.get(urljoin(locked.url, url)).status == 404
    canvas.press("g")
    gallery = page.get_by_role("region", name="Gallery")
    expect(gallery).to_be_visible()
    expect(gallery.locator("img")).to_have_count(0)
