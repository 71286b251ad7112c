"""How long looking at a workflow may take, when the workflow came from somebody else.

Planning is linear, but a file may be as large as its writer likes. Whoever plans for others says with
`interruptible` what is asked every thousand nodes; it raises to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

_NODES = 1000
_check: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


@contextmanager
def interruptible(check: Callable[[], None]) -> Iterator[None]:
    """Within this, reading and planning call `check` every thousand nodes."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def patiently(items: Iterable[T]) -> Iterator[T]:
    """The items, with a look every thousand at whether to go on."""
    check = _check.get()
    if check is None:
        yield from items
        return
    for number, item in enumerate(items):
        if number % _NODES == 0:
            check()
        yield item
