"""Progress: lines in a log, bars on a terminal."""

import io

import pytest
from rich.console import Console

from ui.command.terminal import Bars, Lines, display
from ui.text import duration, one_line, table


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def denoise(show, clock, steps, seconds, until=None):
    show({"event": "started", "node": "denoise"})
    for step in range(1, (until or steps) + 1):
        clock.now += seconds
        show({"event": "progress", "node": "denoise", "step": step, "steps": steps})


def test_a_log_gets_a_line_now_and_then():
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    denoise(lines, clock, steps=25, seconds=0.5)
    lines({"event": "finished", "node": "denoise", "seconds": 12.5, "from": "run", "outputs": {}})
    assert stream.getvalue().splitlines() == [
        "denoise 5/25, 500 ms a step, 10.0 s left",
        "denoise 10/25, 500 ms a step, 7.5 s left",
        "denoise 15/25, 500 ms a step, 5.0 s left",
        "denoise 20/25, 500 ms a step, 2.5 s left",
        "denoise 25/25, 500 ms a step",
        "denoise finished in 12.5 s",
    ]


def test_a_slow_node_gets_a_line_for_every_step():
    stream, clock = io.StringIO(), Clock()
    denoise(Lines(stream, clock), clock, steps=100, seconds=30.0, until=3)
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == [
        "denoise 1/100",
        "denoise 2/100",
        "denoise 3/100",
    ]


def test_a_log_is_silent_on_what_is_quick_or_reused():
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    for event in (
        {"event": "planned", "nodes": {}},
        {"event": "finished", "node": "prior", "seconds": 0.0, "from": "disk", "outputs": {}},
        {"event": "started", "node": "save"},
        {"event": "finished", "node": "save", "seconds": 0.01, "from": "run", "outputs": {}},
        {"event": "skipped", "node": "muted", "because": "muted"},
        {"event": "done", "status": "ok", "seconds": 0.1, "outputs": {}},
    ):
        lines(event)
    assert stream.getvalue() == ""


def test_the_first_step_opens_weights_so_it_does_not_count_for_the_time_left():
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines({"event": "started", "node": "prior"})
    for step, seconds in ((1, 60.0), (2, 1.0)):
        clock.now += seconds
        lines({"event": "progress", "node": "prior", "step": step, "steps": 5})
    assert stream.getvalue().splitlines()[-1] == "prior 2/5, 1.0 s a step, 3.0 s left"


@pytest.mark.parametrize("show", [Lines, Bars])
def test_warnings_and_failures_are_one_line_each(show):
    stream = io.StringIO()
    shown = show(stream)
    shown({"event": "warning", "node": "prompt", "message": "cut:\n[red]\x1b[2J"})
    shown({"event": "warning", "node": None, "message": "disk full"})
    shown({"event": "failed", "node": "prior", "error": "no memory", "details": "..."})
    shown({"event": "skipped", "node": "save", "because": "prior"})
    shown.close()
    assert stream.getvalue().splitlines() == [
        r"prompt: warning: cut:\n[red]\x1b[2J",
        "warning: disk full",
        "prior: failed: no memory",
        "save: skipped because of prior",
    ]


def test_bars_show_what_runs():
    clock = Clock()
    bars = Bars(io.StringIO(), clock)
    denoise(bars, clock, steps=25, seconds=2.0, until=5)
    bars({"event": "started", "node": "n" * 90})
    clock.now += 3
    console = Console(file=io.StringIO(), width=110, color_system=None)
    console.print(bars.render())
    bars.close()
    first, second = console.file.getvalue().splitlines()
    assert " ".join(first.replace("━", "").replace("╸", "").split()) == "denoise 5/25 2.0 s/step 40.0 s left"
    assert "━" in first
    assert "…" in second and "3.0 s" in second


def test_a_pipe_gets_lines():
    assert isinstance(display(io.StringIO()), Lines)


def test_texts():
    assert [duration(seconds) for seconds in (0.0404, 3.21, 61.4, 3723)] == [
        "40 ms",
        "3.2 s",
        "1:01 min",
        "1:02:03 h",
    ]
    assert (
        one_line("a\r\n\x9b31m\u202eb\u2028 красный 赤い 👩‍🎨")
        == r"a\r\n\x9b31m\u202eb\u2028 красный 赤い 👩‍🎨"
    )
    assert table([("a", "b"), ("long", "c")]) == "a     b\nlong  c"
