"""What is wrong with a workflow, in sentences a person can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

MAX_PROBLEMS = 1000
"""More than anybody reads; a file made to have a million problems is not searched for all of them."""

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


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, if any does. Of very many names only the first are seen."""
    if len(name) > _LONGEST_NAME:
        return None
    likely = (other for other in known if len(name) <= 2.5 * len(other) and len(other) <= 2.5 * len(name))
    return next(iter(get_close_matches(name, list(islice(likely, _MOST_NAMES)), n=1)), None)


def sentence(error: BaseException) -> str:
    """An error as one sentence for people: what a ValueError or an OSError says, else its type as well."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = " ".join(str(error).split()) or "no reason given"
    if isinstance(error, MemoryError) or "allocate memory" in text or "out of memory" in text:
        return "there is not enough memory for this; smaller pictures or fewer at once need less"
    return text if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {text}"
