"""Content keys: the result of the same work has the same name, in every process and on every machine.

A node's key is made once from its type, its params and its inputs' keys (a Merkle tree): planning is linear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from graph.files.allowed import LocalFile
from graph.node import NodeType
from graph.planning.digest import function_digest
from graph.planning.step import Step

LAYOUT = "2"
"""Counts up when the way keys are made changes."""


class Namer:
    """Names the outputs of settled steps, each after those that it is linked to."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def name(self, step: Step, steps: Mapping[str, Step]) -> None:
        """Name the step's outputs by their content, and find the step that does the same work already."""
        if step.folded is not None:
            step.keys = {port: literal(value) for port, value in step.folded.items() if value is not None}
            return
        node_type = step.type
        parts = _parts(step, steps)
        base = _base(node_type)
        whole = digest([base, *(f"{name}={part}" for name, part in parts.items())])
        if not node_type.effects:
            first = self._first.setdefault(whole, step.id)
            step.same_as = first if first != step.id else None
        if node_type.uses is None:
            step.keys = {port: digest((whole, port)) for port in node_type.outputs}
            return
        wiring = step.wiring()
        for port in node_type.outputs:
            used = frozenset(node_type.uses(port, wiring))
            named = (f"{name}={part}" for name, part in parts.items() if name in used)
            step.keys[port] = digest([base, port, *named])


def digest(parts: Iterable[str]) -> str:
    """The sha256 of a list of texts; ("ab", "c") and ("a", "bc") differ."""
    joined = "".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def literal(value: Any) -> str:
    """A value as text in which types count: 1, 1.0, "1" and True are four values."""
    if value is None or type(value) in (str, int, float, bool):
        return ascii(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(literal, value))}]"
    if isinstance(value, LocalFile):
        return f"file:{value.sha256}"
    key = getattr(value, "cache_key", None)
    if key is None:
        raise TypeError(f"a {type(value).__name__} cannot be part of a key")
    return f"handle:{type(value).__name__}:{key}"


@cache
def _base(node_type: NodeType) -> str:
    return digest((LAYOUT, node_type.id, str(node_type.version), function_digest(node_type.function)))


def _parts(step: Step, steps: Mapping[str, Step]) -> dict[str, str]:
    """What each param, and each port that is linked, contributes."""
    parts = {name: literal(step.params[name]) for name in step.type.params if name in step.params}
    for name in (*step.type.params, *step.type.inputs) if step.links else ():
        if name in step.known:
            parts[name] = literal(step.known[name])
        elif name in step.links:
            parts[name] = ",".join([steps[link.node].keys[link.port] for link in step.links[name]])
    return parts
