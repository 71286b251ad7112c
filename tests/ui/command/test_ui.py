"""`kandinsky ui` and `kandinsky password` as people call them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ui.browser import Browser
from tests.ui.conftest import Called
from ui.server.accounts import Accounts
from ui.server.serving import welcome

Start = Callable[..., subprocess.Popen[str]]
Call = Callable[..., Called]


def address_of(process: subprocess.Popen[str]) -> str:
    """The address that the server says it has."""
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(r"http://\S+", line)
        if found:
            return found[0]
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def slow_run(browser: Browser) -> str:
    one = {"type": "toys/number"}
    slow = {"type": "toys/slow", "inputs": {"a": "one.value"}, "params": {"steps": 100000, "seconds": 0.01}}
    workflow = {"format": "kandinsky-workflow", "version": 1, "nodes": {"one": one, "slow": slow}}
    run: str = browser.ask("start", workflow=workflow)["run"]
    return run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_cleanly(start: Start, tmp_path: Path, number: int) -> None:
    process = start("ui", "--port", "0", "--cache", "cache", env={"TMPDIR": str(tmp_path)})
    url = address_of(process)
    assert url.startswith("http://127.0.0.1:")
    browser = Browser(url).enter()
    run = slow_run(browser)
    next(event for event in browser.events(run) if event["event"] == "progress")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")
    assert not list(tmp_path.glob("kandinsky-*"))  # what Gradio kept of uploads


def test_with_accounts_it_wants_a_login(start: Start, tmp_path: Path) -> None:
    hashed = subprocess.run(
        [sys.executable, "-m", "ui.command.main", "password", "anna"],
        input="geheim\n",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / "accounts").write_text(f"{hashed}bert:zwei\n")
    process = start("ui", "--port", "0", "--auth", "accounts", "--workflows", "mine", "--cache", "cache")
    url = address_of(process)
    browser = Browser(url)
    assert browser.http.get("/config").status_code == 401
    assert browser.login("anna", "geheim") == 200
    assert browser.ask("hello")["user"] == "anna"
    one = {"format": "kandinsky-workflow", "version": 1, "nodes": {}}
    browser.ask("save", name="One", workflow=one, revision=None)
    assert (tmp_path / "mine" / "anna" / "One.json").is_file()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("host", "login", "lines"),
    [
        ("127.0.0.1", False, ["http://127.0.0.1:7"]),
        ("localhost", False, ["http://localhost:7"]),
        ("0.0.0.0", True, ["http://127.0.0.1:7"]),
        ("0.0.0.0", False, ["http://127.0.0.1:7", "Everybody who can reach this machine"]),
        ("fe80::1", False, ["http://[fe80::1]:7", "Everybody who can reach this machine"]),
    ],
)
def test_it_says_who_can_come_in(host: str, login: bool, lines: list[str]) -> None:
    said = welcome(host, 7, login)
    assert len(said) == len(lines)
    assert all(part in line for part, line in zip(lines, said, strict=True))


def test_a_busy_port_is_told_in_a_sentence(kandinsky: Call) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        called = kandinsky("ui", "--port", str(port))
    assert called.status == 2
    assert called.err == (
        f"kandinsky: cannot serve on 127.0.0.1, port {port}: Address already in use; --port N takes another\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "x"], "'x' is not a port"),
        (["--port", "70000"], "'70000' is not a port"),
        (["--host", "no.such.host.invalid"], "cannot serve on no.such.host.invalid"),
        (["--auth", "missing"], "the accounts in missing cannot be read: No such file"),
        (["--auth", "wrong"], "wrong, line 1 is no account: expected name:password"),
        (["--allow", "missing"], "'missing' is not a folder that exists"),
        (["--workflows", "wrong"], "'wrong' is not a folder"),
        (["--device", "tpu"], "'tpu' is not a device"),
    ],
)
def test_wrong_calls_are_told_in_a_sentence(kandinsky: Call, arguments: list[str], message: str) -> None:
    Path("wrong").write_text("anna\n")
    called = kandinsky("ui", *arguments)
    assert called.status == 2
    assert message in called.err.splitlines()[-1]


def test_a_password_is_hashed(kandinsky: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("geheim\n"))
    called = kandinsky("password", "anna")
    assert called.status == 0
    assert "geheim" not in called.out
    (tmp_path / "accounts").write_text(called.out)
    assert Accounts.read(tmp_path / "accounts").check("anna", "geheim")
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert kandinsky("password", "anna").status == 2


def test_gradio_is_not_imported_before_the_port_is_known_to_be_free(tmp_path: Path) -> None:
    modules = "ui.server.serving, ui.studio.studio, ui.server.routes"
    code = f"import sys, {modules}; assert 'gradio' not in sys.modules"
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
