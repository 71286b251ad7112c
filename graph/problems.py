"""What is wrong with a workflow, in sentences a person can act on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice

MAX_PROBLEMS = 1000
"""More than anybody reads; a file made to have a million problems is not searched for all of them."""

NAMES_SECONDS = 0.5
"""How long a whole workflow may be searched for the names that somebody may have meant."""

_ALIKE = 0.6
"""The ratio from which on two names look alike."""
_left: ContextVar[list[float] | None] = ContextVar("left", default=None)
_LONGEST_TEXT = 1000
_LONGEST_NAME = 100
_MOST_NAMES = 5000


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    message: str
    node: str | None = None
    port: str | None = None
    param: str | None = None
    expected: str | None = None
    nearest: str | None = None
    fetch: str | None = None
    """How large a download is that would mend it, if the user agreed."""

    def __post_init__(self) -> None:
        if len(self.message) > _LONGEST_TEXT:
            object.__setattr__(self, "message", self.message[:_LONGEST_TEXT] + "...")

    def __str__(self) -> str:
        place = ".".join(part for part in (self.node, self.port or self.param) if part)
        text = f"{place}: {self.message}" if place else self.message
        if self.expected:
            text += f"; expected {self.expected}"
        if self.fetch:
            text += f"; add --download ({self.fetch})"
        if self.nearest:
            text += f" (did you mean {self.nearest!r}?)"
        return text

    def as_dict(self) -> dict[str, str]:
        """The fields that are set, for the `invalid` event."""
        return {name: value for name, value in vars(self).items() if value is not None}


class InvalidWorkflow(ValueError):
    """A workflow cannot be run; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Problems(list[Problem]):
    """The problems found so far. When there are `MAX_PROBLEMS`, looking for more ends."""

    def append(self, problem: Problem) -> None:
        """Add a problem.

        Raises:
            InvalidWorkflow: when there are too many to go on.
        """
        super().append(problem)
        if len(self) >= MAX_PROBLEMS:
            more = Problem(f"these are the first {MAX_PROBLEMS} problems; there may be more")
            raise InvalidWorkflow([*self, more])


@contextmanager
def names_looked_up(seconds: float = NAMES_SECONDS) -> Iterator[None]:
    """Within this, looking for nearest names takes so long at most, all of them together.

    A file may have thousands of misspelt names; what comes after goes without "did you mean".
    """
    token = _left.set(_left.get() or [seconds])
    try:
        yield
    finally:
        _left.reset(token)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, if any does. Of very many names only the first are seen."""
    left = _left.get() or [NAMES_SECONDS]
    if len(name) > _LONGEST_NAME or left[0] <= 0:
        return None
    start = time.perf_counter()
    matcher = SequenceMatcher()
    matcher.set_seq2(name)
    best = (_ALIKE, "")
    likely = (other for other in known if len(name) <= 2.5 * len(other) and len(other) <= 2.5 * len(name))
    for other in islice(likely, _MOST_NAMES):
        matcher.set_seq1(other)
        if matcher.real_quick_ratio() >= best[0] and matcher.quick_ratio() >= best[0]:
            best = max(best, (matcher.ratio(), other))
        if time.perf_counter() - start > left[0]:
            break
    left[0] -= time.perf_counter() - start
    return best[1] or None


def sentence(error: BaseException) -> str:
    """An error as one sentence for people: what a ValueError or an OSError says, else its type as well."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = " ".join(str(error).split()) or "no reason given"
    if isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text:
        return "there is not enough memory for this; smaller pictures or fewer at once need less"
    return text if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {text}"


def gigabytes(size: int) -> str:
    """A number of bytes in gigabytes, a smaller one in megabytes."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"
