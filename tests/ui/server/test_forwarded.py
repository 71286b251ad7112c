"""What a proxy says of its client is believed where it is trusted, and hidden from everything else."""

from __future__ import annotations

from typing import Any

import pytest

from ui.server.forwarded import Client, client_of
from ui.server.reach import Reach, network

LOCAL = ("127.0.0.1", 1)


def scope(client: tuple[str, int] | None, **headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": client, "scheme": "http", "headers": pairs}


def test_the_owner_of_the_machine_sits_at_it() -> None:
    assert client_of(scope(LOCAL), Reach()) == Client("127.0.0.1", True)
    assert client_of(scope(("::1", 1)), Reach()) == Client("::1", True)
    assert client_of(scope(("192.168.1.4", 1)), Reach()) == Client("192.168.1.4", False)
    assert client_of(scope(None), Reach()) == Client("unknown", False)


@pytest.mark.parametrize(
    "header", ["x_forwarded_for", "x_forwarded_host", "forwarded", "via", "x_real_ip", "x_gradio_server"]
)
def test_behind_any_proxy_nobody_is_the_owner(header: str) -> None:
    request = scope(LOCAL, **{header: "1.2.3.4"}, host="x")
    assert client_of(request, Reach()) == Client("127.0.0.1", False)
    assert request["headers"] == [(b"host", b"x")]


def test_a_proxy_that_says_nothing_of_itself_is_noticed() -> None:
    """nginx's defaults: HTTP/1.0, and its own name for this server instead of the browser's."""
    assert client_of(scope(LOCAL, host="127.0.0.1:7860") | {"http_version": "1.1"}, Reach()).of_machine
    assert not client_of(scope(LOCAL, host="127.0.0.1:7860") | {"http_version": "1.0"}, Reach()).of_machine
    own = {"host": "LOCALHOST:7860", "origin": "http://localhost:7860"}
    assert client_of(scope(LOCAL, **own), Reach()).of_machine
    assert not client_of(scope(LOCAL, **own | {"origin": "http://canvas.example"}), Reach()).of_machine
    assert not client_of(scope(LOCAL, host="192.168.1.4"), Reach()).of_machine
    assert client_of(scope(LOCAL, host="0.0.0.0:7860"), Reach()).of_machine


@pytest.mark.parametrize(
    "reach", [Reach(names=("a.example",)), Reach(root_path="/x"), Reach(proxies=(network("::2"),))]
)
def test_a_server_for_others_has_no_owner(reach: Reach) -> None:
    assert client_of(scope(LOCAL), reach) == Client("127.0.0.1", False)


def test_a_trusted_proxy_names_the_client_scheme_and_host() -> None:
    reach = Reach(proxies=(network("127.0.0.1"), network("10.0.0.0/8")))
    request = scope(
        LOCAL,
        x_forwarded_for="6.6.6.6, 203.0.113.9, 10.0.0.7",
        x_forwarded_proto="https",
        x_forwarded_host="canvas.example",
        host="127.0.0.1:7860",
    )
    assert client_of(request, reach) == Client(
        "203.0.113.9", False
    )  # what the client itself wrote is not believed
    assert request["scheme"] == "https"
    assert request["headers"] == [(b"host", b"canvas.example")]
    assert client_of(scope(LOCAL, x_forwarded_for="nonsense"), reach) == Client("127.0.0.1", False)
