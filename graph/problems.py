"""What is wrong with a workflow, in sentences a person can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    message: str
    node: str | None = None
    port: str | None = None
    param: str | None = None
    expected: str | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        place = ".".join(part for part in (self.node, self.port or self.param) if part)
        text = f"{place}: {self.message}" if place else self.message
        if self.expected:
            text += f"; expected {self.expected}"
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


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, if any does."""
    return next(iter(get_close_matches(name, list(known), n=1)), None)
