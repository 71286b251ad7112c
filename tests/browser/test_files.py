"""Files: kept in the browser, saved with versions, told apart when two tabs save, and never lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import Server, start_server, stop
from tests.browser.driver import Canvas, at, workflow

PROMPT = "a large red cube on grass under a clear sky"
MADE_ELSEWHERE = {
    "format": "kandinsky-workflow",
    "version": 1,
    "name": "Elsewhere",
    "nodes": {
        "dice": {"type": "seed", "params": {"value": 3}, "ui": {"position": [0, 0], "sticker": "star"}},
        "glow": {
            "type": "sparkle/glow",
            "version": 4,
            "inputs": {"amount": "dice.value", "images": ["dice.value", "dice.value"]},
            "params": {"radius": 2.5, "mode": "soft"},
            "ui": {"position": [400, 0]},
        },
    },
    "ui": {"id": "made-elsewhere", "stickers": [1, 2]},
}


def prompt_of(canvas: Canvas) -> Locator:
    return canvas.node("prompt").get_by_role("textbox", name="text")


def write_prompt(canvas: Canvas, text: str) -> None:
    """Replace the prompt, as a person types it."""
    prompt_of(canvas).fill(text)
    canvas.until("the prompt is kept", lambda flow: flow["nodes"]["prompt"]["params"]["text"] == text)
    canvas.page.locator(".surface").focus()


def save_as(canvas: Canvas, name: str) -> None:
    canvas.press("Control+Shift+S")
    field = canvas.page.get_by_role("textbox", name="Name to save under")
    expect(field).to_be_focused()
    field.fill(name)
    field.press("Enter")
    expect(canvas.messages).to_contain_text(f"Saved as {name}")


def save(canvas: Canvas) -> None:
    """Save again under the name that it has."""
    revision = canvas.draft()["revision"]
    canvas.press("Control+s")
    canvas.until("saved", lambda _: canvas.draft()["revision"] != revision)


def open_saved(canvas: Canvas, name: str) -> None:
    canvas.press("Control+o")
    row(canvas, name).get_by_role("button", name=name).first.click()
    canvas.until("opened", lambda _: canvas.draft()["name"] == name)


def row(canvas: Canvas, name: str) -> Locator:
    """The row of a workflow in the dialog."""
    more = canvas.page.get_by_role("group", name=f"More for {name}", exact=True)
    return canvas.page.get_by_role("list", name="Saved workflows").get_by_role("listitem").filter(has=more)


def on_disk(server: Server, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((server.folder / "saved" / f"{name}.json").read_text("utf-8"))
    return found


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name to save under that no other test takes: they share a server."""
    return re.sub(r"\W+", " ", request.node.name).strip()[-70:].strip()


# In the browser


def test_edits_outlive_a_reload(canvas: Canvas) -> None:
    prompt_of(canvas).fill("a green ball")
    canvas.page.reload()
    expect(prompt_of(canvas)).to_have_value("a green ball")
    expect(canvas.page.locator(".dirty")).to_contain_text("edited")


def test_a_tab_comes_back_to_what_it_showed_not_to_what_another_tab_did(
    canvas: Canvas, context: BrowserContext
) -> None:
    write_prompt(canvas, "mine")
    other = Canvas(context.new_page()).open(canvas.page.url)
    expect(prompt_of(other)).to_have_value("mine")
    write_prompt(other, "another")
    canvas.page.reload()
    expect(prompt_of(canvas)).to_have_value("mine")


# On the server


def test_a_workflow_is_saved_and_opened_by_name(canvas: Canvas, server: Server) -> None:
    write_prompt(canvas, "a small yellow cone")
    canvas.press("Control+s")
    field = canvas.page.get_by_role("textbox", name="Name to save under")
    expect(field).to_have_value("Text to image")
    field.fill("a/b")
    field.press("Enter")
    expect(canvas.page.get_by_role("dialog")).to_contain_text("“/” cannot be in a name")
    field.fill("Yellow cone")
    field.press("Enter")
    expect(canvas.messages).to_contain_text("Saved as Yellow cone")
    expect(canvas.page.locator(".dirty")).to_have_text("saved")
    assert on_disk(server, "Yellow cone")["nodes"]["prompt"]["params"]["text"] == "a small yellow cone"

    canvas.clear()
    open_saved(canvas, "Yellow cone")
    expect(prompt_of(canvas)).to_have_value("a small yellow cone")
    expect(canvas.wires).to_have_count(10)
    write_prompt(canvas, "a small blue cone")
    expect(canvas.page.locator(".dirty")).to_contain_text("edited")
    save(canvas)
    expect(canvas.page.locator(".dirty")).to_have_text("saved")
    assert on_disk(server, "Yellow cone")["nodes"]["prompt"]["params"]["text"] == "a small blue cone"


def test_a_name_that_is_taken_is_not_taken_over_unasked(canvas: Canvas, server: Server) -> None:
    save_as(canvas, "Taken")
    canvas.clear()
    canvas.press("Control+Shift+S")
    field = canvas.page.get_by_role("textbox", name="Name to save under")
    field.fill("Taken")
    field.press("Enter")
    dialog = canvas.page.get_by_role("dialog")
    expect(dialog).to_contain_text("There is a workflow of this name.")
    assert on_disk(server, "Taken")["nodes"]
    dialog.get_by_role("button", name="Replace it").click()
    canvas.until("replaced", lambda _: not on_disk(server, "Taken")["nodes"])


def test_workflows_are_renamed_and_deleted(canvas: Canvas, server: Server) -> None:
    save_as(canvas, "Old name")
    canvas.press("Control+o")
    row(canvas, "Old name").get_by_role("button", name="Rename").click()
    field = canvas.page.get_by_role("textbox", name="New name for Old name")
    field.fill("New name")
    field.press("Enter")
    expect(row(canvas, "New name")).to_contain_text("on the canvas")
    assert not (server.folder / "saved" / "Old name.json").exists()
    row(canvas, "New name").get_by_role("button", name="Delete", exact=True).click()
    row(canvas, "New name").get_by_role("button", name="Delete it").click()
    expect(row(canvas, "New name")).to_have_count(0)
    assert not (server.folder / "saved" / "New name.json").exists()


# Versions


@pytest.fixture
def versions(canvas: Canvas, name: str) -> Canvas:
    """A workflow that was saved, changed (a node, a param and a wire), and saved again."""
    save_as(canvas, name)
    canvas.node("save").locator(".title").click()
    canvas.press("Delete")
    canvas.node("prior").locator(".title").click()
    canvas.press("Control+d")
    write_prompt(canvas, "a blue cube")
    save(canvas)
    return canvas


def old_version(canvas: Canvas) -> Locator:
    """The version before, in the dialog."""
    name = canvas.draft()["name"]
    canvas.press("Control+o")
    row(canvas, name).get_by_role("button", name="Versions", exact=True).click()
    found = canvas.page.get_by_role("list", name=f"Versions of {name}").get_by_role("listitem")
    expect(found.first).to_be_visible()
    return found.first


def test_a_version_is_looked_at_and_left_again(versions: Canvas) -> None:
    mine = versions.workflow()
    old_version(versions).get_by_role("button", name="Look").click()
    expect(versions.page.get_by_text("You are looking at")).to_be_visible()
    expect(prompt_of(versions)).to_have_value(PROMPT)
    expect(prompt_of(versions)).to_be_disabled()
    expect(versions.node("save")).to_be_visible()
    versions.node("prior").locator(".title").click()
    versions.press("Delete")
    expect(versions.node("prior")).to_be_visible()
    versions.page.get_by_role("button", name="Back to my workflow").click()
    expect(prompt_of(versions)).to_have_value("a blue cube")
    expect(prompt_of(versions)).to_be_enabled()
    assert versions.workflow() == mine


def test_a_version_is_compared_on_the_canvas(versions: Canvas) -> None:
    old_version(versions).get_by_role("button", name="Compare").click()
    for node, how in {"save": "removed", "prior_2": "added", "prompt": "changed"}.items():
        expect(versions.node(node).locator(".node")).to_have_class(re.compile(rf"\b{how}\b"))
    expect(versions.node("denoise").locator(".node")).not_to_have_class(re.compile("added|removed|changed"))
    assert versions.page.locator(".wire.added").count() >= 2
    expect(versions.page.locator(".wire.removed")).to_have_count(1)
    listed = versions.page.get_by_role("region", name="What differs")
    expect(listed).to_contain_text("Save image removed")
    listed.get_by_role("button", name="Text encode.text:").click()
    expect(versions.node("prompt")).to_be_in_viewport()
    versions.page.get_by_role("button", name="Back to my workflow").click()
    expect(versions.page.locator(".node.added, .node.changed, .node.removed")).to_have_count(0)
    expect(versions.node("save")).to_have_count(0)


def test_a_version_is_brought_back_and_undone(versions: Canvas) -> None:
    old_version(versions).get_by_role("button", name="Bring back").click()
    expect(prompt_of(versions)).to_have_value(PROMPT)
    expect(versions.node("save")).to_be_visible()
    expect(versions.node("prior_2")).to_have_count(0)
    versions.page.locator(".surface").focus()
    versions.press("Control+z")
    expect(prompt_of(versions)).to_have_value("a blue cube")
    expect(versions.node("prior_2")).to_be_visible()


# Two tabs


@pytest.fixture
def conflict(canvas: Canvas, context: BrowserContext, name: str) -> Canvas:
    """A tab that saves what another tab has saved since it was opened here."""
    save_as(canvas, name)
    other = Canvas(context.new_page()).open(canvas.page.url)
    expect(other.page.get_by_text("saved", exact=True)).to_have_count(1)
    write_prompt(other, "theirs")
    save(other)
    canvas.page.bring_to_front()
    write_prompt(canvas, "mine")
    canvas.press("Control+s")
    expect(canvas.page.get_by_role("dialog", name="Not saved yet")).to_contain_text(f"“{name}” was saved")
    return canvas


def compare(canvas: Canvas, server: Server, name: str) -> None:
    canvas.page.get_by_role("button", name="Compare").click()
    expect(canvas.node("prompt").locator(".node")).to_have_class(re.compile("changed"))
    canvas.page.get_by_role("button", name="Back to my workflow").click()
    expect(prompt_of(canvas)).to_have_value("mine")
    assert text_on_disk(server, name) == "theirs"


def save_under_another_name(canvas: Canvas, server: Server, name: str) -> None:
    canvas.page.get_by_role("button", name="Save yours under this name").click()
    expect(canvas.messages).to_contain_text(f"Saved as {name} 2")
    assert text_on_disk(server, name) == "theirs"
    assert text_on_disk(server, f"{name} 2") == "mine"


def overwrite(canvas: Canvas, server: Server, name: str) -> None:
    canvas.page.get_by_role("button", name="Save yours over theirs").click()
    canvas.until("saved", lambda _: text_on_disk(server, name) == "mine")
    kept = sorted((server.folder / "saved" / ".versions" / name).glob("*.json"))
    texts = [json.loads(path.read_text())["nodes"]["prompt"]["params"]["text"] for path in kept]
    assert texts == [PROMPT, "theirs"]


def open_theirs(canvas: Canvas, server: Server, name: str) -> None:
    canvas.page.get_by_role("button", name="Open theirs").click()
    expect(prompt_of(canvas)).to_have_value("theirs")
    assert text_on_disk(server, name) == "theirs"
    # As the dialog promises.
    canvas.page.locator(".surface").focus()
    canvas.press("Control+z")
    expect(prompt_of(canvas)).to_have_value("mine")
    save(canvas)
    assert text_on_disk(server, name) == "mine"


def text_on_disk(server: Server, name: str) -> str:
    found: str = on_disk(server, name)["nodes"]["prompt"]["params"]["text"]
    return found


Choice = Callable[[Canvas, Server, str], None]


@pytest.mark.parametrize("choice", [compare, save_under_another_name, overwrite, open_theirs])
def test_two_tabs_that_save_the_same_workflow_lose_nothing(
    conflict: Canvas, server: Server, choice: Choice
) -> None:
    choice(conflict, server, conflict.draft()["name"])


# Files of one's own


def downloaded(canvas: Canvas) -> bytes:
    """What is saved by "Download as JSON"."""
    with canvas.page.expect_download() as download:
        canvas.pick_from_menu("Download as JSON")
    return Path(download.value.path()).read_bytes()


def choose(canvas: Canvas, path: Path) -> None:
    """Open a file by the menu."""
    with canvas.page.expect_file_chooser() as chooser:
        canvas.pick_from_menu("Open a file…")
    chooser.value.set_files(path)


def test_what_is_downloaded_and_opened_again_is_the_same_byte_for_byte(
    canvas: Canvas, tmp_path: Path
) -> None:
    write_prompt(canvas, "a cube, “quoted”, \N{SNOWMAN}")
    first = downloaded(canvas)
    file = tmp_path / "again.json"
    file.write_bytes(first)
    canvas.clear()
    choose(canvas, file)
    expect(prompt_of(canvas)).to_have_value("a cube, “quoted”, \N{SNOWMAN}")
    assert downloaded(canvas) == first
    write_prompt(canvas, "a cone")
    changed = downloaded(canvas)
    pairs = list(zip(first.splitlines(), changed.splitlines(), strict=True))
    assert [new for old, new in pairs if old != new] == [b'        "text": "a cone"']


def test_what_is_not_installed_here_is_kept(canvas: Canvas, server: Server) -> None:
    canvas.load(MADE_ELSEWHERE)
    expect(canvas.node("glow")).to_contain_text("sparkle/glow is not installed here")
    expect(canvas.wires).to_have_count(3)
    expect(canvas.page.get_by_test_id("says")).to_contain_text("sparkle/glow")
    # Everything else can be edited.
    dice = canvas.row("dice", "value").get_by_role("spinbutton")
    dice.fill("4")
    dice.press("Enter")
    canvas.node("glow").locator(".title").click()
    canvas.press("ArrowRight")
    save_as(canvas, "Elsewhere")
    saved = on_disk(server, "Elsewhere")
    expected = json.loads(json.dumps(MADE_ELSEWHERE))
    expected["nodes"]["dice"]["params"]["value"] = 4
    expected["nodes"]["glow"]["ui"]["position"] = [410, 0]
    del saved["ui"]["viewport"]
    assert saved == expected
    open_saved(canvas, "Elsewhere")
    expect(canvas.node("glow")).to_contain_text("not installed")


HUGE = 65 * 2**20


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("broken.json", b'{"format": "kandinsky-workflow", "nodes": {', "not JSON"),
        ("list.json", b"[1, 2]", "list.json"),
        ("other.json", b'{"nodes": [], "links": []}', "other.json"),
        ("twice.json", b'{"format": "kandinsky-workflow", "format": 2}', "twice"),
        ("deep.json", b"[" * 100_000, "nested too deep"),
        ("empty.json", b"", "empty.json is empty"),
        ("text.txt", b"hello", "text.txt is neither a workflow (JSON) nor a picture"),
        ("half.png", b"\x89PNG\r\n\x1a\nnothing more", "picture"),
        ("huge.json", None, "huge.json has 65 MB; at most 64 MB can be opened"),
    ],
)
def test_a_file_that_cannot_be_opened_says_why_and_changes_nothing(
    canvas: Canvas, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    write_prompt(canvas, "still here")
    before = canvas.workflow()
    file = tmp_path / name
    if content is None:
        with file.open("wb") as huge:
            huge.truncate(HUGE)
    else:
        file.write_bytes(content)
    choose(canvas, file)
    expect(canvas.messages).to_contain_text(says)
    assert canvas.workflow() == before
    canvas.page.locator(".surface").focus()
    canvas.press("Control+z")
    expect(prompt_of(canvas)).to_have_value(PROMPT)


def test_a_workflow_full_of_mistakes_opens_and_says_each(canvas: Canvas) -> None:
    nodes = {
        "prior": {
            "type": "prior",
            "inputs": {"prior": "nobody.prior"},
            "params": {"seed": -1},
            "ui": at(0, 0),
        },
        "resize": {"type": "resize", "params": {"fit": "sideways", "zoom": 3}, "ui": at(400, 0)},
    }
    canvas.load(workflow(nodes))
    expect(canvas.nodes).to_have_count(2)
    expect(canvas.page.get_by_test_id("says")).to_contain_text("problems")
    canvas.page.get_by_role("button", name="Show", exact=True).click()
    problems = canvas.page.get_by_label("Problems", exact=True)
    for word in ("nobody", "seed", "sideways", "zoom"):
        expect(problems).to_contain_text(word)


def test_nonsense_in_a_file_leaves_the_rest_of_it_on_the_canvas(canvas: Canvas) -> None:
    nodes = {
        "dice": {"type": "seed", "params": {"value": 5}, "ui": {"position": "left", "size": [], "ports": 3}},
        "prior": {"type": "prior", "inputs": {"seed": "dice.value"}, "ui": {"position": [1e308, None]}},
    }
    view = {"groups": [3, {"id": "g"}], "viewport": {"zoom": "near"}, "id": 5}
    canvas.load(workflow(nodes, ui=view, interface={"inputs": {}}))
    expect(canvas.node("dice")).to_be_visible()
    expect(canvas.row("dice", "value").get_by_role("spinbutton")).to_have_value("5")
    expect(canvas.nodes).to_have_count(2)
    expect(canvas.wires).to_have_count(1)


# What fails


def test_the_server_goes_away_and_comes_back(page: Page, tmp_path: Path) -> None:
    server, process = start_server(tmp_path / "away")
    try:
        canvas = Canvas(page).open(server.url)
        save_as(canvas, "Before")
        stop(process)
        write_prompt(canvas, "written while nobody listened")
        says = page.get_by_test_id("says")
        expect(says).to_have_text("No connection: your edits are kept here")
        canvas.press("Control+s")
        expect(canvas.messages).to_contain_text("The server does not answer; your edits are kept here.")
        _, process = start_server(tmp_path / "away", port=int(server.url.rpartition(":")[2].strip("/")))
        expect(says).not_to_contain_text("No connection", timeout=20_000)
        expect(prompt_of(canvas)).to_have_value("written while nobody listened")
        save(canvas)
        assert text_on_disk(server, "Before") == "written while nobody listened"
        page.get_by_test_id("run").click()
        expect(says).to_contain_text("Done in", timeout=90_000)
        assert list(server.outputs.glob("*.png"))
    finally:
        stop(process)


def test_a_bundle_that_does_not_load_is_told_in_words(page: Page, server: Server) -> None:
    page.route("**/kandinsky/canvas.js*", lambda route: route.abort())
    page.goto(server.url)
    expect(page.get_by_role("alert").filter(has_text="The canvas could not be started")).to_contain_text(
        "Reload the page to try again."
    )


def test_a_server_that_says_nothing_at_the_start_is_told_in_words(page: Page, server: Server) -> None:
    page.route("**/component_server/**", lambda route: route.abort())
    page.route("**/kandinsky/here*", lambda route: route.abort())
    page.goto(server.url)
    expect(page.get_by_role("alert").filter(has_text="The canvas could not be started")).to_contain_text(
        "The server cannot be reached at the moment."
    )
