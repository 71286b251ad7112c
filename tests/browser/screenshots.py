"""The pictures of the canvas in the README: `python -m tests.browser.screenshots`.

They show the real thing: the server is started, a template is run in a browser, and the page is photographed.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET, start_server, stop
from tests.browser.driver import Canvas

FOLDER = Path(__file__).parent / "pictures"
PATIENCE_MS = 120_000


def photograph(browser: Browser, url: str, template: str, scheme: str, name: str, gallery: bool) -> None:
    """Open a template, run it, and keep the page."""
    context = browser.new_context(
        viewport={"width": 1440, "height": 860}, color_scheme="dark" if scheme == "dark" else "light"
    )
    canvas = Canvas(context.new_page()).open(url)
    page = canvas.page
    page.get_by_role("button", name="Close first steps").click()
    page.get_by_role("button", name="Templates", exact=True).click()
    page.get_by_role("dialog").get_by_text(template, exact=True).click()
    expect(page.get_by_label("Name of the workflow")).to_have_value(template)
    page.get_by_test_id("run").click()
    expect(page.get_by_test_id("says")).to_have_text(re.compile("^Done"), timeout=PATIENCE_MS)
    if gallery:
        page.get_by_role("button", name="Gallery", exact=True).click()
        expect(page.get_by_role("region", name="Gallery").locator("img").first).to_be_visible()
    canvas.press("f")
    page.mouse.move(5, 5)
    page.wait_for_timeout(500)
    page.screenshot(path=FOLDER / f"{name}.png")
    context.close()


def main() -> None:
    """Take every picture."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server, process = start_server(Path(folder))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            photograph(browser, server.url, "Text to image", "light", "canvas_light", gallery=True)
            photograph(browser, server.url, "Interpolation", "dark", "canvas_dark", gallery=False)
        finally:
            browser.close()
            stop(process)


if __name__ == "__main__":
    main()
