"""How long looking at a workflow may take, when the workflow came from somebody else.

Planning is linear, but a file may be as large as its writer likes. Whoever plans for others says with
`interruptible` what is called every thousand nodes; it raises to stop.
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
    """Within this, reading and planning call `check` every thousand nodes, as well as those around."""
    outer = _check.get()

    def both() -> None:
        if outer is not None:
            outer()
        check()

    token = _check.set(both)
    try:
        yield
    finally:
        _check.reset(token)


def patiently(items: Iterable[T], every: int = _NODES) -> Iterator[T]:
    """The items, with a look at every thousandth, or as often as is said, at whether to go on."""
    check = _check.get()
    if check is None:
        yield from items
        return
    for number, item in enumerate(items):
        if number % every == 0:
            check()
        yield item
