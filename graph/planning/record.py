"""What a saved picture says of the run that made it: its workflow, or prompts and numbers alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from graph.files.allowed import FileRefused, Files, LocalFile
from graph.planning.plan import Plan
from graph.workflow.carried import carried
from graph.workflow.document import Link


def record(plan: Plan, files: Files) -> dict[str, Any]:
    """The workflow's JSON with the params that were really used: overrides, defaults and nulls filled in.

    Files are named by content, and no path of this machine is in it.
    """
    nodes = {}
    for id, node in plan.workflow.data["nodes"].items():
        step = plan.steps[id]
        linked = node.get("inputs", {})
        used = {
            name: value
            for name, value in step.params.items()
            if type(value) in (str, int, float, bool, list) and not linked.get(name)
        }
        params = {**node.get("params", {}), **({} if step.sleeps else used)}
        nodes[id] = {**node, "params": params} if params else node

    def content(target: Link, text: str) -> str | None:
        found = plan.steps[target.node].params.get(target.port)
        if not isinstance(found, LocalFile):  # the node sleeps
            try:
                found = files.file(text)
            except FileRefused:
                return None
        return found.sha256

    types = {step.type.id: step.type for step in plan.steps.values()}
    return carried(replace(plan.workflow, data={**plan.workflow.data, "nodes": nodes}), types, files, content)


def prompts_and_numbers(plan: Plan, saved: str) -> dict[str, Any]:
    """Of the nodes that a node depends on: their prompts, seeds and other numbers, by `node.param`."""
    found = {}
    for id in _upstream(plan, saved):
        step = plan.steps[id]
        for name, value in step.params.items():
            prompt = type(value) is str and step.type.params[name].widget == "multiline"
            if prompt or type(value) in (int, float):
                found[f"{id}.{name}"] = value
    return found


def _upstream(plan: Plan, node: str) -> Iterator[str]:
    """A node and those it depends on, in the order of the plan."""
    reached = {node}
    waiting = [node]
    while waiting:
        for links in plan.steps[waiting.pop()].links.values():
            new = {link.node for link in links} - reached
            reached |= new
            waiting += new
    return (id for id in plan.steps if id in reached)
