"""What differs between two versions of a workflow, in a few words."""

from __future__ import annotations

from typing import Any

from graph.workflow.json_text import excerpt
from ui.text import count

_MOST_PARAMS = 2


def changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    """ "1 node added, prompt.text: "a cube"", say; "looks only" where the same work is done."""
    old, new = _nodes(before), _nodes(after)
    both = [id for id in new if id in old]
    parts = []
    for verb, ids in (("added", new.keys() - old.keys()), ("removed", old.keys() - new.keys())):
        if ids:
            parts.append(f"{count(len(ids), 'node')} {verb}")
    params = [f"{id}.{name}: {excerpt(value)}" for id in both for name, value in _differing(old[id], new[id])]
    if len(params) <= _MOST_PARAMS:
        parts += params
    else:
        parts.append(f"{len(params)} params changed")
    wires = sum(old[id].get("inputs", {}) != new[id].get("inputs", {}) for id in both)
    if wires:
        parts.append(f"wires of {count(wires, 'node')} changed")
    modes = sum(old[id].get("mode", "active") != new[id].get("mode", "active") for id in both)
    if modes:
        parts.append(f"{count(modes, 'node')} muted, bypassed or active again")
    if before.get("interface") != after.get("interface"):
        parts.append("the form changed")
    if not parts:
        parts.append("looks only" if before != after else "nothing")
    return ", ".join(parts)


def _nodes(workflow: dict[str, Any]) -> dict[str, Any]:
    nodes = workflow.get("nodes")
    known = nodes.items() if isinstance(nodes, dict) else ()
    return {id: node for id, node in known if isinstance(node, dict)}


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, Any]]:
    before, after = old.get("params", {}), new.get("params", {})
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return []
    names = [*after, *(name for name in before if name not in after)]
    return [(name, after.get(name)) for name in names if before.get(name) != after.get(name)]
