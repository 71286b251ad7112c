"""Logging in and out in a real browser: nothing of one person is left for the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, start_server, stop
from tests.browser.driver import PATIENCE, Canvas

SECRET = "a sphere that only anna knows of"
KEPT = "JSON.stringify({ ...localStorage, ...sessionStorage })"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a login."""
    folder = tmp_path_factory.mktemp("logout")
    accounts = folder / "accounts"
    accounts.write_text("anna:one and one\nbert:two and two\n")
    accounts.chmod(0o600)
    running, process = start_server(folder, "--auth", str(accounts))
    yield running
    stop(process)


def log_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("username").fill(name)
    page.get_by_label("password").fill(password)
    page.get_by_role("button", name="Login").click()


def prompt_of(canvas: Canvas) -> str:
    """What the person at the canvas sees as their prompt."""
    expect(canvas.node("prompt")).to_be_visible(timeout=PATIENCE * 2000)
    return canvas.node("prompt").get_by_role("textbox", name="text").input_value()


def shown(page: Page) -> str:
    """All text on the page, within fields too."""
    fields: list[str] = page.locator("input, textarea").evaluate_all("all => all.map((one) => one.value)")
    return "\n".join([page.locator("html").inner_text(), *fields])


def test_nothing_of_who_logs_out_is_left_for_the_next(page: Page, locked: Server) -> None:
    page.goto(locked.url)
    log_in(page, "anna", "one and one")
    canvas = Canvas(page)
    first = prompt_of(canvas)
    canvas.node("prompt").get_by_role("textbox", name="text").fill(SECRET)
    other = Canvas(page.context.new_page()).open(locked.url)
    canvas.page.bring_to_front()
    canvas.until_param("prompt", "text", SECRET)
    assert SECRET in shown(page) and SECRET in page.evaluate(KEPT)
    canvas.page.get_by_role("button", name="More").first.click()
    page.get_by_role("menuitem", name="Log out").click()

    for left in (page, other.page):  # her other tab goes, too
        expect(left.get_by_role("button", name="Login")).to_be_visible(timeout=PATIENCE * 2000)
        assert SECRET not in shown(left) and SECRET not in left.evaluate(KEPT)
    page.go_back()
    expect(page.locator(".surface")).to_have_count(0)
    page.goto(locked.url)
    log_in(page, "bert", "two and two")
    assert prompt_of(canvas) == first
    assert SECRET not in shown(page) and SECRET not in page.evaluate(KEPT)


def test_what_another_person_left_in_the_browser_is_removed(page: Page, locked: Server) -> None:
    """Anna's session ended without a logout."""
    page.goto(locked.url)
    log_in(page, "anna", "one and one")
    canvas = Canvas(page)
    first = prompt_of(canvas)
    canvas.node("prompt").get_by_role("textbox", name="text").fill(SECRET)
    canvas.until_param("prompt", "text", SECRET)
    page.context.clear_cookies()
    page.goto(locked.url)
    log_in(page, "bert", "two and two")
    assert prompt_of(canvas) == first
    assert SECRET not in page.evaluate(KEPT)


def test_the_page_says_that_a_login_is_paused(page: Page, locked: Server) -> None:
    page.goto(locked.url)
    log_in(page, "carl", "wrong")
    expect(page.get_by_text("Incorrect")).to_be_visible()
    for _ in range(9):
        page.request.post(locked.url + "login", form={"username": "carl", "password": "wrong"})
    log_in(page, "carl", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("Too many logins failed: try again in")
