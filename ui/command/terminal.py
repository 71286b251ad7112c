"""A run's progress on stderr: live bars on a terminal, lines in a log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from ui.text import duration, one_line

if TYPE_CHECKING:
    from rich.table import Table

Clock = Callable[[], float]

LINE_INTERVAL = 10.0
"""Seconds after which a log gets a line even if little has happened."""
LINES_A_NODE = 5
"""How often a log hears of a node that is quick."""
WORTH_TELLING = 1.0
"""Seconds from which on a node without steps is worth a line."""


class Display(Protocol):
    """Something that shows events."""

    def __call__(self, event: dict[str, Any]) -> None:
        """Show one event; may be called from any thread, one at a time."""

    def say(self, text: str) -> None:
        """Show a sentence."""

    def close(self) -> None:
        """Leave the terminal as it was; may be called twice."""


@dataclass
class Running:
    """A node that runs: how far it is, and how fast."""

    node: str
    clock: Clock
    step: int = 0
    steps: int = 0
    started: float = field(init=False)
    _first: tuple[int, float] | None = field(default=None, init=False)
    _last: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def advance(self, step: int, steps: int) -> None:
        """`step` of `steps` are done."""
        self.step, self.steps = step, steps
        self._last = self.clock()
        if self._first is None:
            self._first = step, self._last

    @property
    def seconds(self) -> float:
        return self.clock() - self.started

    @property
    def step_seconds(self) -> float | None:
        """Seconds a step takes. The first is slower (weights are opened in it), so it counts only alone."""
        if self._first is None or not self.step:
            return None
        step, moment = self._first
        if self.step > step:
            return (self._last - moment) / (self.step - step)
        return (moment - self.started) / self.step

    @property
    def seconds_left(self) -> float | None:
        each = self.step_seconds
        return None if each is None else each * max(self.steps - self.step, 0)


def sentence(event: dict[str, Any]) -> str | None:
    """What there is to say of an event, besides bars; None for most."""
    node = event.get("node")
    match event["event"]:
        case "warning":
            text = f"{node}: warning: {event['message']}" if node else f"warning: {event['message']}"
        case "failed":
            text = f"{node}: failed: {event['error']}"
        case "skipped" if event["because"] != node:
            text = f"{node}: skipped because of {event['because']}"
        case _:
            return None
    return one_line(text)


class Lines:
    """Progress as plain lines, few enough for a log."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._running: dict[str, Running] = {}
        self._told: dict[str, tuple[int, float]] = {}

    def __call__(self, event: dict[str, Any]) -> None:
        node = event.get("node", "")
        match event["event"]:
            case "started":
                self._running[node] = Running(node, self._clock)
            case "progress":
                self._progress(self._running[node], event["step"], event["steps"])
            case "finished" if node in self._running:
                self._finished(self._running.pop(node))
        if text := sentence(event):
            self.say(text)

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        pass

    def _progress(self, running: Running, step: int, steps: int) -> None:
        running.advance(step, steps)
        part = step * LINES_A_NODE // max(steps, 1)
        told, moment = self._told.get(running.node, (0, running.started))
        if part == told and self._clock() - moment < LINE_INTERVAL:
            return
        self._told[running.node] = part, self._clock()
        text = f"{running.node} {step}/{steps}"
        if running.step_seconds is not None:
            text += f", {duration(running.step_seconds)} a step"
        if running.seconds_left:
            text += f", {duration(running.seconds_left)} left"
        self.say(text)

    def _finished(self, running: Running) -> None:
        if running.steps or running.seconds >= WORTH_TELLING:
            self.say(f"{running.node} finished in {duration(running.seconds)}")


class Bars:
    """Progress as live bars: a row for each node that runs right now."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        # Only here: rich takes a tenth of a second to import, and most calls need no bars.
        from rich.console import Console
        from rich.live import Live

        self._clock = clock
        self._running: dict[str, Running] = {}
        self._console = Console(file=stream, highlight=False)
        self._live = Live(
            console=self._console, get_renderable=self.render, refresh_per_second=10, transient=True
        )

    def __call__(self, event: dict[str, Any]) -> None:
        node = event.get("node", "")
        match event["event"]:
            case "started":
                self._running[node] = Running(node, self._clock)
                self._live.start()
            case "progress":
                self._running[node].advance(event["step"], event["steps"])
            case "finished" | "failed" if node in self._running:
                self._ended(self._running.pop(node), event["event"])
            case "done":
                self.close()
        if text := sentence(event):
            self.say(text)

    def say(self, text: str) -> None:
        from rich.text import Text

        self._console.print(Text(text), soft_wrap=True)

    def close(self) -> None:
        self._live.stop()

    def render(self) -> Table:
        """The rows as they are now."""
        from rich.progress_bar import ProgressBar
        from rich.table import Column, Table
        from rich.text import Text

        name = Column(no_wrap=True, overflow="ellipsis", max_width=32)
        table = Table(name, *(Column(no_wrap=True) for _ in range(4)), box=None, show_header=False)
        # Another thread may start or finish a node meanwhile.
        for running in tuple(self._running.values()):
            total = running.steps or None
            bar = ProgressBar(total=total, completed=running.step, width=30, pulse=total is None)
            table.add_row(Text(running.node), bar, *_figures(running))
        return table

    def _ended(self, running: Running, how: str) -> None:
        if how == "finished" and (running.steps or running.seconds >= WORTH_TELLING):
            steps, each, _ = _figures(running)
            self.say(
                "  ".join(part for part in (running.node, steps, each, duration(running.seconds)) if part)
            )


def _figures(running: Running) -> tuple[str, str, str]:
    """Steps, time a step, time left."""
    if not running.steps:
        return "", "", duration(running.seconds) if running.seconds >= WORTH_TELLING else ""
    each, left = running.step_seconds, running.seconds_left
    return (
        f"{running.step}/{running.steps}",
        f"{duration(each)}/step" if each is not None else "",
        f"{duration(left)} left" if left else "",
    )


def display(stream: TextIO) -> Display:
    """Bars if the stream is a terminal that can show them, else lines."""
    return Bars(stream) if stream.isatty() and os.environ.get("TERM") != "dumb" else Lines(stream)
