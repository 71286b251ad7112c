"""Visitors are known by a signed cookie, and by nothing that can be invented."""

from __future__ import annotations

import secrets
import stat
from pathlib import Path

import pytest

from tests.ui.browser import Browser
from tests.ui.server.test_privacy import picture
from tests.ui.serving import places, served, toys_and_pictures
from ui.server.cookies import COOKIE, Cookies, cookie_key
from ui.studio.owners import visitor
from ui.studio.studio import Studio

KEY = b"k" * 32


def test_a_signed_cookie_names_its_visitor_and_nothing_else_does() -> None:
    cookies = Cookies(KEY, has_data={}.__contains__)
    owner, cookie = cookies.new()
    assert cookies.owner(cookie) == owner
    assert cookie.partition(".")[0] not in owner.id
    assert Cookies(b"x" * 32, {}.__contains__).owner(cookie) is None
    for invented in ("", "short", secrets.token_urlsafe(32), cookie[:-1], f"{cookie}x", "a.b.c", "\udcff"):
        assert cookies.owner(invented) is None
    assert cookies.new()[0] != owner


def test_a_cookie_of_the_first_edition_is_exchanged_where_its_owner_has_something() -> None:
    bare = secrets.token_urlsafe(32)
    known = visitor(bare)
    cookies = Cookies(KEY, has_data=lambda owner: owner == known.id)
    exchanged = cookies.exchanged(bare)
    assert exchanged is not None and exchanged[0] == known == cookies.owner(exchanged[1])
    assert cookies.exchanged(secrets.token_urlsafe(32)) is None
    assert cookies.exchanged(bare[:-1]) is None


def test_the_key_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    key = cookie_key(folder)
    assert len(key) == 32 and cookie_key(folder) == key
    assert stat.S_IMODE((folder / "cookies.key").stat().st_mode) == 0o600
    (folder / "cookies.key").write_bytes(b"cut")
    with pytest.raises(OSError, match="damaged: expected 32 bytes"):
        cookie_key(folder)


def test_an_invented_cookie_is_none_and_an_old_one_keeps_its_pictures(tmp_path: Path) -> None:
    studio = Studio(toys_and_pictures(), places(tmp_path))
    bare = secrets.token_urlsafe(32)
    ref = studio.uploads.take(visitor(bare).id, picture(7)).sha256
    with served(studio) as url:
        old = Browser(url)
        old.http.cookies.set(COOKIE, bare)
        old.enter()  # which exchanges the cookie
        assert old.http.get(f"/kandinsky/picture/{ref}").status_code == 200
        invented = Browser(url)
        invented.http.cookies.set(COOKIE, secrets.token_urlsafe(32))
        invented.http.post("/kandinsky/picture", content=picture(8)).raise_for_status()
        assert studio.uploads.has("peer:127.0.0.1")
