"""Why a node will run: in what it differs from its last run in this workflow."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from graph.cache.history import LONGEST_VALUE, History, LastRun
from graph.files.allowed import LocalFile
from graph.planning.keys import Codes, Keys, content_keys, digest, literal
from graph.planning.plan import REUSE, RUN, Plan
from graph.planning.step import Step

_SHOWN = 60
"""Characters of a value that a sentence shows."""


def explain(plan: Plan, history: History) -> dict[str, str]:
    """Node id -> in one sentence why it will run, or when what is reused was made."""
    last = history.read()
    facts = _Facts(plan)
    because = {}
    for id, step in plan.steps.items():
        if step.folded is None and step.status == RUN:
            because[id] = facts.why(step, last.get(id))
        elif step.folded is None and step.status == REUSE and id in last:
            now = facts.of(step)
            if (now.content, now.code) == (last[id].content, last[id].code):
                because[id] = f"made {_ago(now.time - last[id].time)}"
    return because


def remember(plan: Plan, history: History, ran: Iterable[str]) -> None:
    """Remember with what the nodes ran that did."""
    facts = _Facts(plan)
    history.write({id: facts.of(plan.steps[id]) for id in ran})


class _Facts:
    """What is known of the steps of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._content = content_keys(plan.steps)
        self._codes = Codes()
        self._titles = {
            (target.node, target.port): entry.title or name
            for name, entry in plan.workflow.inputs.items()
            for target in entry.targets
        }

    def of(self, step: Step) -> LastRun:
        """What a step runs with now."""
        keys: Keys = self._content.get(step.id, {})
        return LastRun(
            dict(self._values(step)),
            digest(keys.values()),
            self._codes.of_type(step.type),
            step.type.version,
            time.time(),
        )

    def _values(self, step: Step) -> Iterator[tuple[str, str]]:
        for name in (*step.type.params, *step.type.inputs):
            if name in step.links:
                links = step.links[name]
                keys = [self._plan.steps[link.node].keys[link.port] for link in links]
                yield name, f"{digest(keys)[:16]} {', '.join(map(str, links))}"[:LONGEST_VALUE]
            elif name in step.params:
                yield name, _text(step.params[name])

    def why(self, step: Step, last: LastRun | None) -> str:
        """Why a step runs, in one sentence without a full stop."""
        if last is None:
            return "new"
        now = self.of(step)
        reasons = list(self._differences(step, last, now))
        if reasons:
            return "; ".join(reasons)
        made = f"made {_ago(now.time - last.time)}"
        return f"{made}; it runs each time" if step.type.effects else f"{made}, and no longer in the cache"

    def _differences(self, step: Step, last: LastRun, now: LastRun) -> Iterator[str]:
        if now.version != last.version:
            yield f"version {last.version} of this node became {now.version}"
        for name in (*step.type.params, *step.type.inputs):
            before, after = last.values.get(name), now.values.get(name)
            if name in step.used and before != after:
                yield self._difference(step, name, before, after)
        if now.code != last.code:
            yield "its code changed"

    def _difference(self, step: Step, name: str, before: str | None, after: str | None) -> str:
        title = self._titles.get((step.id, name)) or name.replace("_", " ").capitalize()
        if name in step.links:
            links = step.links[name]
            sources = ", ".join(dict.fromkeys(link.node for link in links))
            was_linked = before is not None and before.partition(" ")[2] == ", ".join(map(str, links))
            return f"{title} changed: {sources}" if was_linked else f"{title} comes from {sources} now"
        if before is None or after is None:
            return f"{title} is {_short(after)} now" if after is not None else f"{title} is not linked now"
        file = after.rpartition(" ")[0]
        if isinstance(step.params.get(name), LocalFile) and before.rpartition(" ")[0] == file:
            return f"{title}: the content of {file} changed"
        shown = _short(before), _short(after)
        return (
            f"{title} changed from {shown[0]} to {shown[1]}" if shown[0] != shown[1] else f"{title} changed"
        )


def _text(value: Any) -> str:
    """A param as text: short, and another one where the value is another."""
    if isinstance(value, LocalFile):
        return f"{value.name[: LONGEST_VALUE // 2]} {value.sha256[:16]}"
    text = f'"{value}"' if isinstance(value, str) else _plain(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 18]} {digest([text])[:16]}"


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "on", False: "off"}[value]
    return literal(value)


def _short(text: str) -> str:
    if len(text) <= _SHOWN:
        return text
    return text[:_SHOWN] + ('..."' if text.startswith('"') else "...")


def _ago(seconds: float) -> str:
    """How long something is past, in words."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"
