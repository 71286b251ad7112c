"""How quick the canvas is in a real browser: `python -m tests.benchmarks.bench_ui` (`make bench-ui`).

Headless Chromium draws in software. Frames are counted while the pointer moves as fast as the browser takes
it; beside the mean rate stands the time that 95 of 100 frames stay below.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from math import ceil, sin, sqrt
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET, start_server, stop
from tests.browser.driver import Canvas, at, workflow

SECONDS = 3.0
"""Of each movement."""
REPEATS = 3
"""Of what happens once; the median stands."""
STROKES = 40
COLUMN, ROW = 330, 760

# A chain as the text-to-image template has it: type, and its inputs by place in the chain.
CHAIN: list[tuple[str, dict[str, tuple[int, str]]]] = [
    ("load_prior", {}),
    ("text_encode", {"text_encoder": (0, "text_encoder")}),
    ("prior", {"prior": (0, "prior"), "image_encoder": (0, "image_encoder"), "positive": (1, "text_embeds")}),
    ("load_decoder", {}),
    (
        "unet_denoise",
        {
            "unet": (3, "unet"),
            "image_embeds": (2, "image_embeds"),
            "negative_image_embeds": (2, "negative_image_embeds"),
        },
    ),
    ("movq_decode", {"movq": (3, "movq"), "latents": (4, "latents")}),
    ("save_image", {"image": (5, "image")}),
]

# Keeps the time of each frame until `frames()` is called.
WATCH = """() => {
  const times = [];
  let on = true;
  const frame = (time) => { times.push(time); if (on) requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  window.frames = () => { on = false; return times.slice(1).map((time, index) => time - times[index]); };
}"""

# From navigation until the canvas has its nodes and a frame with them was drawn.
READY = """(() => {
  const look = () => {
    const root = [...document.querySelectorAll('*')].find((one) => one.shadowRoot)?.shadowRoot;
    const there = root?.querySelector('.svelte-flow__node .title');
    requestAnimationFrame(there ? () => { window.ready = true; } : look);
  };
  if (window === window.top) look();
})()"""

# What a letter costs: its handlers with all that follows from them, and the frame that shows it. The wait for
# that frame does not count.
STROKES_OF = """() => {
  window.strokes = [];
  let [begun, work] = [0, 0];
  const begin = () => { begun = performance.now(); };
  const end = () => { work += performance.now() - begun; };
  window.addEventListener('keydown', () => { work = 0; begin(); }, { capture: true });
  window.addEventListener('keydown', end);
  window.addEventListener('beforeinput', begin, { capture: true });
  window.addEventListener('input', () => {
    end();
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      begin();
      port1.onmessage = () => { end(); window.strokes.push(work); };
      port2.postMessage(0);
    });
  });
}"""


class Line(NamedTuple):
    """A row of the table."""

    what: str
    found: str
    aim: str


def graph(size: int) -> dict[str, Any]:
    """So many nodes in chains of seven, row below row."""
    columns = ceil(sqrt(size * ROW / COLUMN))
    nodes: dict[str, Any] = {}
    for number in range(size):
        kind, inputs = CHAIN[number % len(CHAIN)]
        first = number - number % len(CHAIN)
        node: dict[str, Any] = {
            "type": kind,
            "ui": at(number % columns * COLUMN, number // columns * ROW),
        }
        if inputs:
            node["inputs"] = {name: f"n{first + place}.{port}" for name, (place, port) in inputs.items()}
        if kind == "text_encode":
            node["params"] = {"text": f"a red cube, number {number}"}
        nodes[f"n{number}"] = node
    return workflow(nodes)


def first_interaction(browser: Browser, url: str) -> float:
    """Seconds from opening the page to a letter that was typed into the prompt."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.add_init_script(READY)
    begun = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.ready")
    canvas = Canvas(page)
    field = canvas.row("prompt", "text").get_by_role("textbox")
    field.focus()
    page.keyboard.type("x")
    assert "x" in field.input_value()
    seconds = time.perf_counter() - begun
    context.close()
    return seconds


def opening(canvas: Canvas, size: int) -> float:
    """Seconds from the drop of a file to the first frame with its nodes."""
    canvas.clear()
    canvas.page.evaluate(
        """(count) => {
          const root = [...document.querySelectorAll('*')].find((one) => one.shadowRoot).shadowRoot;
          root.addEventListener('drop', () => {
            const begun = performance.now();
            const look = () => {
              const there = root.querySelector('.surface').ariaLabel.includes(`${count} nodes`);
              if (there) requestAnimationFrame(() => { window.opened = performance.now() - begun; });
              else requestAnimationFrame(look);
            };
            window.opened = 0;
            look();
          }, { capture: true, once: true });
        }""",
        size,
    )
    canvas.drop_file("large.json", json.dumps(graph(size)).encode(), "application/json")
    canvas.page.wait_for_function("window.opened > 0")
    milliseconds: float = canvas.page.evaluate("window.opened")
    return milliseconds / 1000


def rate(canvas: Canvas, start: tuple[float, float], act: Callable[[int], None], drag: bool) -> str:
    """Frames a second while something is done over and over."""
    canvas.page.mouse.move(*start)
    if drag:
        canvas.page.mouse.down()
    canvas.page.evaluate(WATCH)
    begun, step = time.monotonic(), 0
    while time.monotonic() - begun < SECONDS:
        step += 1
        act(step)
    frames = sorted(canvas.page.evaluate("frames()"))
    if drag:
        canvas.page.mouse.up()
    return f"{1000 * len(frames) / sum(frames):.0f} (95 %: {frames[int(len(frames) * 0.95)]:.0f} ms)"


def movements(canvas: Canvas, node: str, aim: str, called: str) -> list[Line]:
    """Pan, zoom and drag a node."""
    mouse = canvas.page.mouse
    empty = canvas.empty_place()

    def moved(start: tuple[float, float]) -> Callable[[int], None]:
        return lambda step: mouse.move(start[0] + 200 * sin(step / 15), start[1] + 120 * sin(step / 11))

    def wheel(step: int) -> None:
        mouse.wheel(0, -30 if step // 15 % 2 else 30)

    lines = [
        Line(f"{called}: pan", rate(canvas, empty, moved(empty), drag=True), aim),
        Line(f"{called}: zoom", rate(canvas, empty, wheel, drag=False), aim),
    ]
    before = canvas.workflow()["nodes"][node]["ui"]["position"]
    handle = grip(canvas, node)
    lines.append(Line(f"{called}: drag a node", rate(canvas, handle, moved(handle), drag=True), aim))
    assert canvas.workflow()["nodes"][node]["ui"]["position"] != before, "the node was not dragged"
    return lines


def grip(canvas: Canvas, node: str) -> tuple[float, float]:
    """Where a node is taken hold of, be it an element or a part of the drawing."""
    x, y = canvas.workflow()["nodes"][node]["ui"]["position"]
    found: list[float] = canvas.page.locator(".svelte-flow__viewport").evaluate(
        """(viewport, [x, y]) => {
          const box = viewport.getBoundingClientRect();
          const { a, e, f } = new DOMMatrix(getComputedStyle(viewport).transform);
          const pane = viewport.parentElement.getBoundingClientRect();
          return [pane.left + e + a * x, pane.top + f + a * y];
        }""",
        [x + 110, y + 17],
    )
    return found[0], found[1]


def typing(canvas: Canvas, node: str) -> str:
    """Milliseconds of work for a letter that is typed into a prompt."""
    field = canvas.row(node, "text").get_by_role("textbox")
    field.focus()
    canvas.page.evaluate(STROKES_OF)
    field.press_sequentially("x" * STROKES, delay=100)
    canvas.page.wait_for_function(f"window.strokes.length === {STROKES}")
    strokes = sorted(canvas.page.evaluate("window.strokes"))
    return f"{statistics.median(strokes):.1f} (95 %: {strokes[int(STROKES * 0.95)]:.1f})"


def large(context: BrowserContext, url: str) -> list[Line]:
    """What is measured with many nodes on the canvas."""
    canvas = Canvas(context.new_page()).open(url)
    opened = statistics.median(opening(canvas, 500) for _ in range(REPEATS))
    canvas.page.locator(".surface").focus()
    canvas.press("f")
    lines = [Line("opening a file of 500 nodes, s", f"{opened:.2f}", "1.5")]
    lines += movements(canvas, "n250", "30", "500 nodes all in view, frames a second")
    opening(canvas, 1000)
    prompt = "n1"
    canvas.page.locator(".surface").focus()
    canvas.press("Control+f")
    canvas.page.keyboard.type(prompt)
    canvas.press("Enter")
    canvas.press("0")
    lines += movements(canvas, prompt, "55", "1,000 nodes at 100 %, frames a second")
    lines.append(Line("1,000 nodes: a letter in a prompt, ms", typing(canvas, prompt), "16.7"))
    return lines


def machine(browser: Browser) -> str:
    """What this was measured on."""
    cpus = Path("/proc/cpuinfo")
    models = (
        [line for line in cpus.read_text().splitlines() if line.startswith("model name")]
        if cpus.is_file()
        else []
    )
    model = models[0].partition(": ")[2] if models else platform.processor() or platform.machine()
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} x {model}, load {load:.1f}, Chromium {browser.version}, no GPU"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server, process = start_server(Path(folder))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            print(machine(browser) + "\n")
            first_interaction(browser, server.url)  # the server's own first time
            first = statistics.median(first_interaction(browser, server.url) for _ in range(REPEATS))
            lines = [Line("from opening the page to the first letter typed, s", f"{first:.2f}", "2")]
            lines += large(browser.new_context(viewport={"width": 1440, "height": 900}), server.url)
            for line in [Line("", "measured", "aim"), *lines]:
                print(f"{line.what:52} {line.found:>22} {line.aim:>6}")
        finally:
            browser.close()
            stop(process)


if __name__ == "__main__":
    main()
