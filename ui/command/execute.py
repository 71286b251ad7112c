"""`kandinsky run`: a run with its events shown, that ends well when it is interrupted."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from graph.events import Event, Reporter
from graph.problems import InvalidWorkflow, sentence
from graph.running.execution import Outcome
from graph.running.run import Run
from ui.command.status import DONE, FAILED, INTERRUPTED, INVALID
from ui.command.terminal import Display, display
from ui.memory import limit_memory
from ui.text import count, duration, one_line

_STATUSES = {"ok": DONE, "failed": FAILED, "cancelled": INTERRUPTED}
_HEADLINES = {"ok": "Done in", "failed": "Failed after", "cancelled": "Interrupted after"}


class JsonLines:
    """Writes one JSON object a line; `gone` tells that nobody reads them any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.gone = False

    def __call__(self, event: Event) -> None:
        try:
            print(_json(event), file=self._stream, flush=True)
        except BrokenPipeError:
            self.gone = True


def _json(event: Event) -> str:
    try:
        return json.dumps(event, allow_nan=False)
    except ValueError:
        return json.dumps(json.loads(json.dumps(event), parse_constant=str))  # "NaN" is a text in JSON


def report_invalid(invalid: InvalidWorkflow, events: TextIO | None = None) -> None:
    """Problems on stderr, each on its own line, and as the event `invalid` on `events`."""
    if events is not None:
        problems = [problem.as_dict() for problem in invalid.problems]
        Reporter(JsonLines(events)).emit("invalid", problems=problems)
    for problem in invalid.problems:
        print(one_line(problem), file=sys.stderr)


def execute(run: Run, as_json: bool) -> int:
    """Run, and report on stdout and stderr; returns the exit status."""
    shown = display(sys.stderr)
    events = JsonLines(sys.stdout) if as_json else None
    origins: list[str] = []

    def listen(event: Event) -> None:
        if event["event"] == "finished":
            origins.append(event["from"])
        shown(event)
        if events is not None:
            events(event)
            if events.gone:
                run.cancel()

    run.listener = listen
    limit_memory()
    try:
        # What a node (or a library in it) prints is no event and no result.
        with redirect_stdout(sys.stderr), _interruptible(run, shown):
            outcome = _in_a_thread(run.execute)
    except InvalidWorkflow as invalid:
        report_invalid(invalid)
        return INVALID
    except MemoryError as error:
        print(f"kandinsky: {sentence(error)}", file=sys.stderr)
        return FAILED
    finally:
        shown.close()
    if not as_json:
        _report(outcome, origins)
    return _STATUSES[outcome.status]


def _in_a_thread(work: Callable[[], Outcome]) -> Outcome:
    """Work beside the main thread, which is then free to answer signals even in the middle of a long step."""
    with ThreadPoolExecutor(1, thread_name_prefix="kandinsky-run") as pool:
        return pool.submit(work).result()


@contextmanager
def _interruptible(run: Run, shown: Display) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) cancels the run; the second ends the process at once.

    That is safe at any time: files of the cache appear whole or not at all.
    """
    asked = threading.Event()

    def stop(number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a signal handler
        if asked.is_set():
            shown.close()
            os._exit(INTERRUPTED)
        asked.set()
        run.cancel()
        shown.say("Stopping after this step; Ctrl-C again stops at once.")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(outcome: Outcome, origins: list[str]) -> None:
    """Where each picture is, what came out, what came from the cache."""
    for node, paths in outcome.files.items():
        for path in paths:
            print(f"{node}: {one_line(path)}")
    for name, value in outcome.outputs.items():
        if type(value) in (str, int, float, bool):
            print(f"{name}: {one_line(value)}")
    ran = origins.count("run")
    reused = f"{len(origins) - ran} came from the cache"
    print(f"{_HEADLINES[outcome.status]} {duration(outcome.seconds)}: {count(ran, 'node')} ran, {reused}.")
