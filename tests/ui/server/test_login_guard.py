"""Guessing passwords becomes slow; nobody is locked out by others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.browser import Browser
from tests.ui.serving import places, served, toys_and_pictures
from ui.server import login_guard
from ui.server.accounts import Accounts
from ui.server.login_guard import LoginGuard, LoginPaused
from ui.studio.studio import Studio


class Clock:
    """A clock that is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def pause(guard: LoginGuard, name: str, address: str) -> float:
    """How long an attempt has to wait, 0 where it may be made."""
    try:
        guard.begin(name, address)
    except LoginPaused as paused:
        return paused.seconds
    return 0.0


def test_ten_failures_and_then_pauses_that_double() -> None:
    clock = Clock()
    guard = LoginGuard(clock)
    assert [pause(guard, "anna", "1.1.1.1") for _ in range(11)] == [0.0] * 10 + [60.0]
    for expected in (120.0, 240.0, 480.0, 900.0, 900.0):
        clock.now += 901
        assert pause(guard, "anna", "1.1.1.1") == 0.0
        assert pause(guard, "anna", "1.1.1.1") == expected
    assert pause(guard, "anna", "2.2.2.2") == 0.0  # elsewhere she logs in as ever


def test_an_address_is_counted_over_all_names() -> None:
    guard = LoginGuard(Clock())
    assert all(pause(guard, f"name{number}", "1.1.1.1") == 0.0 for number in range(10))
    assert pause(guard, "another", "1.1.1.1") == 60.0
    assert pause(guard, "another", "2.2.2.2") == 0.0


def test_names_invented_during_a_pause_push_no_counts_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_guard, "_MOST_REMEMBERED", 30)
    guard = LoginGuard(Clock())
    for _ in range(10):
        pause(guard, "anna", "2.2.2.2")
    for number in range(100):
        pause(guard, f"name{number}", "1.1.1.1")
    assert pause(guard, "anna", "2.2.2.2") == 60.0


def test_who_knows_the_password_is_not_counted() -> None:
    guard = LoginGuard(Clock())
    for _ in range(50):
        assert pause(guard, "anna", "1.1.1.1") == 0.0
        guard.succeeded("anna", "1.1.1.1")
    for _ in range(9):
        pause(guard, "bert", "1.1.1.1")
    assert pause(guard, "anna", "1.1.1.1") == 0.0
    guard.succeeded("anna", "1.1.1.1")  # which takes back its own failure, not those of others
    assert pause(guard, "bert", "1.1.1.1") == 0.0
    assert pause(guard, "bert", "1.1.1.1") == 60.0


def test_a_name_that_many_guess_at_is_answered_slowly_and_never_refused() -> None:
    guard = LoginGuard(Clock())
    delays = [guard.begin("anna", f"10.0.{number // 9}.1") for number in range(101)]
    assert delays == [0.0] * 100 + [1.0]


def test_failures_are_forgotten_after_an_hour() -> None:
    clock = Clock()
    guard = LoginGuard(clock)
    for _ in range(9):
        pause(guard, "anna", "1.1.1.1")
    clock.now += 3601
    assert [pause(guard, "anna", "1.1.1.1") for _ in range(10)] == [0.0] * 10


def test_over_http(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with served(Studio(toys_and_pictures(), places(tmp_path)), Accounts({"anna": "eins"})) as url:
        browser = Browser(url)
        assert [browser.login("anna", "wrong") for _ in range(10)] == [400] * 10
        refused = browser.http.post("/login", data={"username": "anna", "password": "eins"})
        assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= 60
        assert refused.json()["detail"].startswith("Too many logins failed: try again in")
    assert len([record for record in caplog.records if record.name == "kandinsky.login"]) == 2


def test_logging_out_works_from_the_page_and_leaves_nothing(tmp_path: Path) -> None:
    with served(Studio(toys_and_pictures(), places(tmp_path)), Accounts({"anna": "eins"})) as url:
        first, second = Browser(url), Browser(url)
        assert first.login("anna", "eins") == second.login("anna", "eins") == 200
        assert first.http.get("/logout").status_code == 404
        assert (
            first.http.post("/kandinsky/logout", headers={"sec-fetch-site": "cross-site"}).status_code == 403
        )
        assert first.http.get("/kandinsky/here").status_code == 204
        gone = first.http.post("/kandinsky/logout", headers={"origin": url})
        assert gone.status_code == 200 and gone.headers["clear-site-data"] == '"cache", "storage"'
        assert first.http.get("/kandinsky/here").status_code == 401
        assert second.http.get("/kandinsky/here").status_code == 204  # another browser of hers
