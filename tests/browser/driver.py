"""Drives the canvas in a real browser as a person does: with a pointer, with keys, with drops and pastes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from PIL import Image
from playwright.sync_api import FileChooser, Locator, Page, expect

PATIENCE = 15.0
"""Seconds that a busy machine may take for what takes none."""
RUN_PATIENCE = 120.0
"""Seconds that it may take for a picture."""
WORKFLOWS = Path(__file__).parents[2] / "workflows"

_seeds = count(1000)


@dataclass
class Canvas:
    """The canvas on a page."""

    page: Page

    def open(self, url: str) -> Canvas:
        self.page.goto(url)
        expect(self.page.locator(".surface")).to_be_visible(timeout=PATIENCE * 2000)
        expect(self.nodes.or_(self.page.get_by_test_id("far")).first).to_be_visible()
        return self

    # What is there

    @property
    def nodes(self) -> Locator:
        return self.page.locator(".svelte-flow__node")

    @property
    def wires(self) -> Locator:
        return self.page.locator(".svelte-flow__edge")

    def node(self, id: str) -> Locator:
        return self.page.locator(f'.svelte-flow__node[data-id="{id}"]')

    def handle(self, node: str, port: str, side: str) -> Locator:
        kind = "source" if side == "output" else "target"
        return self.node(node).locator(f'.svelte-flow__handle.{kind}[data-handleid="{port}"]')

    def row(self, node: str, param: str) -> Locator:
        return self.node(node).locator(f'[data-row="{param}"]')

    @property
    def messages(self) -> Locator:
        return self.page.get_by_label("Messages")

    def workflow(self) -> dict[str, Any]:
        """The workflow as the browser keeps it."""
        workflow: dict[str, Any] = self.draft()["workflow"]
        return workflow

    def draft(self) -> dict[str, Any]:
        """What this tab keeps in the browser: the workflow, the name and revision it was saved under."""
        # It is kept when the tab is left, as well as a moment after each edit.
        self.page.evaluate("window.dispatchEvent(new Event('pagehide'))")
        text = self.page.evaluate(
            """() => {
              const tab = sessionStorage.getItem('kandinsky-canvas:tab');
              return localStorage.getItem('kandinsky-canvas:draft:' + tab);
            }"""
        )
        draft: dict[str, Any] = json.loads(text)
        return draft

    def until(self, what: str, true: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The workflow as soon as something is true of it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            workflow = self.workflow()
            if true(workflow):
                return workflow
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}; the workflow is {json.dumps(workflow)[:3000]}")
            self.page.wait_for_timeout(50)

    def link(self, node: str, port: str) -> Any:
        return self.workflow()["nodes"][node].get("inputs", {}).get(port)

    def param(self, node: str, name: str) -> Any:
        return self.workflow()["nodes"][node].get("params", {}).get(name)

    def until_param(self, node: str, name: str, value: Any) -> None:
        """Wait until a param has a value; a bool is no number."""
        self.until(
            f"{node}.{name} is {value!r}",
            lambda flow: _same(flow["nodes"].get(node, {}).get("params", {}).get(name), value),
        )

    @property
    def says(self) -> Locator:
        """The line beside Run."""
        return self.page.get_by_test_id("says")

    def badge(self, node: str) -> Locator:
        return self.node(node).get_by_test_id("badge")

    def preview(self, node: str) -> Locator:
        return self.node(node).get_by_test_id("preview").locator("img")

    def saved_picture(self, node: str) -> tuple[bytes, Image.Image]:
        """The file that a node wrote, and its pixels, fetched as the page shows it."""
        expect(self.preview(node)).to_have_attribute("src", re.compile("/kandinsky/result/"))
        return self.fetch(self.preview(node).get_attribute("src") or "")

    def fetch(self, url: str) -> tuple[bytes, Image.Image]:
        """A picture that this person may see."""
        answer = self.page.request.get(urljoin(self.page.url, url))
        assert answer.ok, f"{url} answers {answer.status}"
        with Image.open(BytesIO(answer.body())) as picture:
            return answer.body(), picture.convert("RGB")

    # What a person does

    def middle(self, what: Locator) -> tuple[float, float]:
        box = what.bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(self, start: tuple[float, float], end: tuple[float, float], steps: int = 12) -> None:
        """Press, move and let go, as slowly as a hand."""
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(start[0] + 3, start[1] + 3)
        mouse.move(*end, steps=steps)
        mouse.up()

    def wire(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        """Drag a wire from an output to an input."""
        self.drag(self.middle(self.handle(*source, "output")), self.middle(self.handle(*target, "input")))

    def empty_place(self) -> tuple[float, float]:
        """A place of the screen where nothing lies, with room around it."""
        found = self.page.evaluate(
            """() => {
              const root = [...document.querySelectorAll('*')].find((one) => one.shadowRoot)?.shadowRoot;
              const surface = root.querySelector('.surface').getBoundingClientRect();
              const free = (x, y) => root.elementFromPoint(x, y)?.closest('.svelte-flow__pane')
                && !root.elementFromPoint(x, y).closest('.svelte-flow__node, .svelte-flow__edge');
              const around = [[0, 0], [-30, 0], [30, 0], [0, -30], [0, 30], [60, 60]];
              for (let y = surface.bottom - 180; y > surface.top + 80; y -= 23)
                for (let x = surface.left + 60; x < surface.right - 260; x += 29)
                  if (around.every(([dx, dy]) => free(x + dx, y + dy))) return [x, y];
              return null;
            }"""
        )
        assert found, "nowhere on the canvas is room"
        return found[0], found[1]

    def press(self, keys: str) -> None:
        self.page.keyboard.press(keys)

    def run(self) -> None:
        """Press Run and wait until everything is done."""
        self.page.get_by_test_id("run").click()
        self.until_done()

    def until_done(self, says: str = "Done in") -> None:
        expect(self.says).to_contain_text(says, timeout=RUN_PATIENCE * 1000)

    def choose_file(self, opens: Locator) -> FileChooser:
        """Click what opens the browser's own dialog for files."""
        with self.page.expect_file_chooser() as chooser:
            opens.click()
        return chooser.value

    def pick_from_menu(self, item: str) -> None:
        """An item of the menu of the workflow as a whole."""
        self.page.get_by_role("toolbar", name="Workflow").get_by_role("button", name="More").click()
        self.page.get_by_role("menu", name="Workflow").get_by_role("menuitem", name=item).click()

    def search(self, text: str) -> None:
        """Type into the search box that is open, and take the first find."""
        field = self.page.get_by_role("combobox", name="Search node types")
        expect(field).to_be_focused()
        field.fill(text)
        field.press("Enter")

    def clear(self) -> None:
        """An empty workflow."""
        self.press("Alt+n")
        expect(self.nodes).to_have_count(0)
        self.page.locator(".surface").focus()

    def load(self, workflow: dict[str, Any]) -> None:
        """Open a workflow by dropping its file."""
        self.drop_file("test.json", json.dumps(workflow).encode(), "application/json")

    def load_whole(self, workflow: dict[str, Any]) -> None:
        """Open a workflow, and wait until it is there and known what would run."""
        self.load(workflow)
        self.until("it is open", lambda now: now["nodes"] == workflow["nodes"])
        expect(self.page.locator("[data-plan]")).to_have_count(len(workflow["nodes"]))

    def drop_file(self, name: str, content: bytes, kind: str, at: tuple[float, float] | None = None) -> None:
        """Drop a file from outside onto the canvas."""
        x, y = at or self.middle(self.page.locator(".surface"))
        self.page.evaluate(
            """([name, bytes, type, x, y]) => {
              const root = [...document.querySelectorAll('*')].find((one) => one.shadowRoot).shadowRoot;
              const data = new DataTransfer();
              data.items.add(new File([new Uint8Array(bytes)], name, { type }));
              const over = root.elementFromPoint(x, y) ?? root.querySelector('.surface');
              for (const kind of ['dragenter', 'dragover', 'drop'])
                over.dispatchEvent(new DragEvent(kind, {
                  bubbles: true, cancelable: true, composed: true, dataTransfer: data, clientX: x, clientY: y,
                }));
            }""",
            [name, list(content), kind, x, y],
        )


def template(name: str) -> dict[str, Any]:
    """A workflow that comes with the package."""
    read: dict[str, Any] = json.loads((WORKFLOWS / f"{name}.json").read_text("utf-8"))
    return read


def fresh_text_to_image(steps: int = 3) -> dict[str, Any]:
    """The first template in few steps, with a seed that no other test has: nothing of it is in the cache."""
    flow = template("text_to_image")
    seed = next(_seeds)
    flow["nodes"]["prior"]["params"] = {"seed": seed, "steps": 2}
    flow["nodes"]["denoise"]["params"] = {"seed": seed, "steps": steps}
    return flow


def links(flow: dict[str, Any]) -> int:
    """How many wires a workflow has."""
    ports = [link for node in flow["nodes"].values() for link in node.get("inputs", {}).values()]
    return sum(len(link) if isinstance(link, list) else 1 for link in ports)


def _same(value: Any, wanted: Any) -> bool:
    return type(value) is type(wanted) and bool(value == wanted)


def workflow(nodes: dict[str, Any], **rest: Any) -> dict[str, Any]:
    """A workflow file of these nodes."""
    return {"format": "kandinsky-workflow", "version": 1, "name": "Test", "nodes": nodes, **rest}


def at(x: float, y: float, **rest: Any) -> dict[str, Any]:
    """A node's `ui` with a position."""
    return {"position": [x, y], **rest}
