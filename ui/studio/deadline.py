"""How long a request may look at a workflow."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS = 8.0
"""A request has 10 s in all; what is left is for taking it in and for the answer."""


class TakesLong(Exception):
    """A workflow cannot be looked at in the time that one request may take; the message is one sentence."""

    def __init__(self) -> None:
        super().__init__(
            f"planning this workflow takes more than {SECONDS:.0f} s, which is the limit here; "
            "a smaller one, or kandinsky plan on the command line, will do"
        )


def deadline() -> Callable[[], None]:
    """What raises TakesLong once a request that came in now has had its time."""
    end = time.monotonic() + SECONDS

    def check() -> None:
        if time.monotonic() >= end:
            raise TakesLong

    return check
