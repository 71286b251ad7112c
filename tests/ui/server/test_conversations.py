"""Whose a call or session is: at the limit of an address, and one more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ui.server import conversations
from ui.server.conversations import LONGEST_ID, Conversations
from ui.studio.owners import Owner, visitor


def here(secret: str) -> Owner:
    return replace(visitor(secret), address="192.0.2.1")


def reads(made: Conversations, owner: Owner, id: str) -> bool:
    return made.may_get(owner, f"/gradio_api/call/run/{id}", "")


def test_a_neighbours_excess_costs_nobody_their_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MOST_CONVERSATIONS", 4)
    made = Conversations()
    assert made.begin(here("few"), "mine")
    for number in range(3):
        assert made.begin(here("many"), str(number))
    assert reads(made, here("many"), "0")
    assert made.begin(here("many"), "3")
    assert not reads(made, here("many"), "0")
    assert reads(made, here("many"), "1")
    assert reads(made, here("few"), "mine")
    assert not reads(made, here("many"), "mine")


def test_ids_are_their_owners_and_short() -> None:
    made = Conversations()
    assert made.begin(here("anna"), "x" * LONGEST_ID)
    assert made.begin(here("anna"), "x" * LONGEST_ID)
    assert not made.begin(here("bert"), "x" * LONGEST_ID)
    assert not made.begin(here("anna"), "x" * (LONGEST_ID + 1))
