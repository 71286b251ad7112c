"""The form: a workflow's interface for those who do not want wires."""

from __future__ import annotations

import json
import re
from io import BytesIO
from urllib.parse import urljoin

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Server
from tests.browser.driver import PATIENCE, RUN_PATIENCE, WORKFLOWS, Canvas, workflow


def opened(page: Page, server: Server, template: str = "Text to image") -> Page:
    """The form of a template."""
    page.goto(server.url + "form")
    workflow = page.get_by_role("combobox", name="Workflow")
    expect(workflow).to_have_value("Text to image", timeout=PATIENCE * 2000)
    if template != "Text to image":
        workflow.click()
        page.get_by_role("option", name=template, exact=True).click()
    expect(page.get_by_role("heading", name=template, exact=True)).to_be_visible(timeout=PATIENCE * 1000)
    return page


def field(page: Page, title: str) -> Locator:
    """What is filled in under a title."""
    name = re.compile(rf"^\s*{title}\b")
    return page.get_by_role("textbox", name=name).or_(page.get_by_role("spinbutton", name=name))


def run(page: Page) -> bytes:
    """Press Run; the first picture that comes."""
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("Done in")).to_be_visible(timeout=RUN_PATIENCE * 1000)
    picture = page.locator(".form-pictures img").first
    expect(picture).to_be_visible()
    address = urljoin(page.url, picture.get_attribute("src"))
    return page.request.get(address).body()


def test_run_is_in_sight_however_long_the_form_is(page: Page, server: Server) -> None:
    page.set_viewport_size({"width": 1000, "height": 600})
    opened(page, server)
    button = page.get_by_role("button", name="Run", exact=True)
    expect(button).to_be_in_viewport(ratio=1)
    page.mouse.wheel(0, 400)
    expect(page.get_by_role("combobox", name="Workflow")).not_to_be_in_viewport()
    expect(button).to_be_in_viewport(ratio=1)
    button.click()
    expect(page.get_by_text("Done in")).to_be_in_viewport(timeout=RUN_PATIENCE * 1000)


def test_a_prompt_becomes_a_picture(page: Page, server: Server) -> None:
    opened(page, server)
    field(page, "Prompt").fill("a yellow ball on sand")
    field(page, "Steps").fill("3")
    first = run(page)
    assert Image.open(BytesIO(first)).size == (128, 128)
    field(page, "Seed").fill("8")
    field(page, "Width").fill("64")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled(timeout=RUN_PATIENCE * 1000)
    expect(page.get_by_text("Done in")).to_be_visible(timeout=RUN_PATIENCE * 1000)


def test_what_is_wrong_is_said(page: Page, server: Server) -> None:
    opened(page, server)
    field(page, "Steps").fill("many")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("denoise.steps")
    field(page, "Steps").fill("5000")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("from 1 to 1000")


def test_a_picture_is_brought(page: Page, server: Server) -> None:
    opened(page, server, "Image to image")
    page.locator("input[type=file]").first.set_input_files(WORKFLOWS / "scene_2.png")
    expect(page.locator("#form .image-container img, #form img[src*='file=']").first).to_be_visible()
    field(page, "Steps").fill("2")
    assert run(page)


def test_a_long_run_is_cancelled(page: Page, server: Server) -> None:
    opened(page, server)
    field(page, "Steps").fill("1000")
    field(page, "Seed").fill("99")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("denoise: step")).to_be_visible(timeout=RUN_PATIENCE * 1000)
    expect(page.locator(".form-status progress")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled after")).to_be_visible(timeout=PATIENCE * 1000)


def test_every_template_has_a_form(page: Page, server: Server) -> None:
    opened(page, server)
    for file in sorted(WORKFLOWS.glob("*.json")):
        workflow = json.loads(file.read_text())
        page.get_by_role("combobox", name="Workflow").click()
        page.get_by_role("option", name=workflow["name"], exact=True).click()
        expect(page.get_by_role("heading", name=workflow["name"], exact=True)).to_be_visible()
        for entry in workflow["interface"]["inputs"].values():
            expect(page.get_by_text(entry["title"]).first).to_be_visible()


def test_the_canvas_hands_its_workflow_over(canvas: Canvas) -> None:
    page = canvas.page
    with page.context.expect_page() as opening:
        page.get_by_role("button", name="Form", exact=True).click()
        page.get_by_role("button", name="Open as form").click()
    form = opening.value
    expect(form.get_by_label("Workflow")).to_have_value(
        "Text to image (as it is on the canvas)", timeout=PATIENCE * 2000
    )
    expect(field(form, "Prompt")).to_have_value("a large red cube on grass under a clear sky")


def test_the_api_is_shown(page: Page, server: Server) -> None:
    opened(page, server)
    endpoint = page.get_by_text("/text_to_image").first
    for _ in range(10):
        page.get_by_role("button", name="Use via API").click()
        page.wait_for_timeout(2000)
        if endpoint.is_visible():  # a click before the page is alive is lost
            break
    expect(endpoint).to_be_visible(timeout=PATIENCE * 2000)
    for language in ("Python", "JavaScript", "cURL"):
        expect(page.get_by_text(language, exact=False).first).to_be_visible()


def test_no_request_leaves_the_machine(page: Page, server: Server) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, server)
    page.goto(server.url)
    page.wait_for_load_state("networkidle")
    strangers = [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]
    assert asked and strangers == []


EVIL = "http://127.0.0.2:34567/evil.png"
HOSTILE = (
    f'![p]({EVIL}) <img src="{EVIL}"> ![r][r] $$\\includegraphics{{{EVIL}}}$$\n\n'
    f'```mermaid\nflowchart TD\nA@{{ img: "{EVIL}", label: "x" }}\n```\n\n[r]: {EVIL}\n'
)


def test_texts_of_a_workflow_make_the_page_fetch_nothing(page: Page, server: Server) -> None:
    """Its title and description, and the titles and help of every kind of field."""
    nodes = {
        "load": {"type": "load_image", "params": {"path": EVIL}},
        "resize": {"type": "resize", "inputs": {"image": "load.image"}},
        "mask": {"type": "mask", "inputs": {"image": "load.image"}},
        "mix": {"type": "interpolate"},
        "denoise": {"type": "unet_denoise"},
        "save": {"type": "save_image", "inputs": {"image": "resize.image"}, "params": {"name": HOSTILE}},
    }
    targets = ["load.path", "resize.fit", "resize.width", "mask.invert", "mask.x", "mix.weights"]
    targets += ["denoise.steps", "save.name", "save.metadata"]
    inputs = {
        f"field{number}": {"targets": [target], "title": f"Field {number} {HOSTILE}", "help": HOSTILE}
        for number, target in enumerate(targets)
    }
    outputs = {"image": {"targets": ["save.image"], "title": HOSTILE}}
    data = workflow(nodes, name=f"Hostile {HOSTILE}", description=f"Read *this*: {HOSTILE}")
    data["interface"] = {"inputs": inputs, "outputs": outputs}
    (server.folder / "saved").mkdir(exist_ok=True)
    saved = server.folder / "saved" / "Hostile.json"
    saved.write_text(json.dumps(data))
    try:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(server.url + "form")
        chosen = page.get_by_role("combobox", name="Workflow")
        expect(chosen).to_have_value("Text to image", timeout=PATIENCE * 2000)
        chosen.click()
        page.get_by_role("option", name="Hostile", exact=True).click()
        expect(page.get_by_role("heading", name="Hostile")).to_be_visible(timeout=PATIENCE * 1000)
        expect(page.locator("em", has_text="this")).to_be_visible()
        for number in range(len(targets)):
            expect(page.get_by_text(f"Field {number}").first).to_be_attached()
        carry = page.get_by_role("combobox", name="Field 8")
        expect(carry).to_have_value("the workflow")
        carry.click()
        page.get_by_role("option", name="prompt, seed and numbers").click()
        page.get_by_role("button", name="Run", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("only files on this machine can be read")
        assert asked and not [url for url in asked if not url.startswith((server.url, "data:", "blob:"))]
        assert "![p]" in page.locator("#form").inner_text()  # help is shown as it is written
    finally:
        saved.unlink()
