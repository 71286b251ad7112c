"""Small pictures of values in the events: where somebody watches, of types that can be looked at."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.node import node
from graph.nodetypes.catalogue import Catalogue
from graph.types import wire
from tests.graph.bench import Bench, Ran

looked: list[float] = []


def _look(value: Sight) -> bytes:
    looked.append(float(value.numbers.sum()))
    if value.numbers.sum() < 0:
        raise RuntimeError("nothing to see")
    return f"picture of {value.numbers.sum():g}".encode()


@wire(name="toy_sight", title="Sight", colour="#123456", help="Can be looked at.", look=_look)
@dataclass(frozen=True)
class Sight:
    """numbers (N,)."""

    numbers: np.ndarray[Any, Any]


@node(title="See", group="Toy")
def see(*, fill: float = 0.0) -> Sight:
    """Make one."""
    return Sight(np.full(2, fill, np.float32))


@node(title="Blink", group="Toy")
def blink(sight: Sight) -> Sight:
    """Pass one on."""
    return Sight(sight.numbers)


CATALOGUE = Catalogue([see.node_type, blink.node_type])  # type: ignore[attr-defined]


def run(bench: Bench, fill: float, previews: bool = True) -> Ran:
    looked.clear()
    events: list[Any] = []
    nodes = {
        "see": {"type": "see", "params": {"fill": fill}},
        "blink": {"type": "blink", "inputs": {"sight": "see.toy_sight"}},
    }
    made = bench.program(nodes, CATALOGUE).start(previews=previews)
    made.listener = events.append
    return Ran(made.execute(), events)


def thumbnails(ran: Ran) -> dict[str, bytes]:
    summaries = {event["node"]: event["outputs"]["toy_sight"] for event in ran.of("finished")}
    return {
        node: base64.b64decode(summary["thumbnail"])
        for node, summary in summaries.items()
        if "thumbnail" in summary
    }


@pytest.mark.parametrize("disk", [False, True])
def test_whoever_watches_sees_what_was_made_and_what_is_reused(tmp_path: Path, disk: bool) -> None:
    bench = Bench(tmp_path, disk)
    seen = {"see": b"picture of 6", "blink": b"picture of 6"}
    assert thumbnails(run(bench, 3.0)) == seen
    if disk:
        bench = Bench(tmp_path, disk)  # as another process finds it
    again = run(bench, 3.0)
    assert again.origins["see"] == ("disk" if disk else "memory")
    assert again.of("started") == []
    assert thumbnails(again) == seen


def test_nobody_looks_where_nobody_watches(tmp_path: Path) -> None:
    assert thumbnails(run(Bench(tmp_path), 3.0, previews=False)) == {}
    assert looked == []


def test_a_look_that_fails_is_no_failure_of_the_node(tmp_path: Path) -> None:
    ran = run(Bench(tmp_path), -1.0)
    assert looked == [-2.0, -2.0]
    assert ran.outcome.status == "ok"
    assert thumbnails(ran) == {}
