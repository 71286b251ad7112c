"""Who asks: accounts in a file, visitors by their cookie."""

from __future__ import annotations

from pathlib import Path

import pytest

from ui.server.accounts import Accounts, AccountsRefused, password_hash
from ui.studio.owners import peer, user


def read(folder: Path, text: str | bytes) -> Accounts:
    path = folder / "accounts"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Accounts.read(path)


def test_passwords_as_they_are_and_hashed(tmp_path: Path) -> None:
    accounts = read(tmp_path, f"# who may come in\n\nanna:pa:ss wörd\nbert:{password_hash('geheim')}\n")
    assert accounts.check("anna", "pa:ss wörd")
    assert accounts.check("bert", "geheim")
    for name, password in (("anna", "geheim"), ("bert", ""), ("carl", ""), ("", ""), ("ANNA", "pa:ss wörd")):
        assert not accounts.check(name, password)


def test_a_hash_does_not_tell_the_password() -> None:
    one, other = password_hash("geheim"), password_hash("geheim")
    assert one != other
    assert "geheim" not in one


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no account"),
        ("# nobody\n", "holds no account"),
        ("anna\n", "line 1 is no account"),
        ("a:b\nanna:\n", "line 2 is no account"),
        ("../up:x\n", "line 1 is no account"),
        ("a:b\nA:c\n", "another account called 'A'"),
        (b"\xff\xfe", "not a text"),
        ("a:" + "b" * (1 << 20), "at most 1 MB"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(AccountsRefused, match=message):
        read(tmp_path, text)


def test_kinds_of_owners_never_meet() -> None:
    assert len({user("a").id, peer("a").id, user("peer:a").id, peer("user:a").id}) == 4
