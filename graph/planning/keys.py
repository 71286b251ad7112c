"""Content keys: the result of the same work has the same name, in every process and on every machine.

    key(step, port) = H(layout, type, version, code(function), port,
                        name=value of every input and param that is not unused)

where the value of an input is the key of what it is linked to: a Merkle tree, so planning is linear.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graph.cache.layout import LAYOUT, PRIVATE
from graph.files.allowed import LocalFile
from graph.files.fingerprints import FingerprintIndex
from graph.node import NodeType
from graph.planning.digest import Code, code_of, code_of_function
from graph.planning.step import Step
from graph.types import wire_of_value

Keys = dict[str, str]
"""Output port -> key."""


class Codes:
    """The code of node types and of handles, for one plan."""

    def __init__(self, memory: FingerprintIndex | None = None) -> None:
        self._memory = memory
        self._functions: dict[Callable[..., Any], Code] = {}
        self._modules: dict[tuple[str, ...], str] = {}
        self.changed: set[str] = set()
        """The modules that were asked for and whose files changed after this process started."""

    def of_type(self, node_type: NodeType) -> str:
        """The digest of the code of a node type's function."""
        function = node_type.function
        if function not in self._functions:
            code = self._functions[function] = code_of_function(function, self._memory)
            self.changed |= code.changed
        return self._functions[function].digest

    def of_modules(self, modules: Iterable[str]) -> str:
        """The digest of the code of some modules, as a handle states them."""
        names = tuple(modules)
        if names not in self._modules:
            codes = [code_of(module, self._memory) for module in names]
            self.changed = self.changed.union(*(code.changed for code in codes))
            self._modules[names] = ",".join([code.digest for code in codes])
        return self._modules[names]


class Namer:
    """Names the outputs of resolved steps, each after those that it is linked to.

    Without `codes` the code takes no part: the names say what was asked for, whatever the release.
    """

    def __init__(self, codes: Codes | None = None) -> None:
        self._codes = codes
        self._first: dict[str, str] = {}
        self._bases: dict[NodeType, str] = {}
        self._keys: dict[str, Keys] = {}

    def name(self, step: Step) -> tuple[Keys, str | None]:
        """The keys of the step's outputs, and the step that does the same work already."""
        same_as = None
        if step.folded is not None:
            keys = {port: self._literal(value) for port, value in step.folded.items() if value is not None}
        else:
            node_type = step.type
            parts = self._parts(step)
            base = self._base(node_type)
            private = PRIVATE if self._is_private(step, base, parts) else ""
            whole = digest([base, *(f"{name}={part}" for name, part in parts.items())])
            if not node_type.effects:
                first = self._first.setdefault(whole, step.id)
                same_as = first if first != step.id else None
            if node_type.unused is None or node_type.effects:
                keys = {port: private + digest((whole, port)) for port in node_type.outputs}
            else:
                keys = {}
                for port, uses in step.uses.items():
                    named = (f"{name}={part}" for name, part in parts.items() if name in uses)
                    keys[port] = private + digest([base, port, *named])
        self._keys[step.id] = keys
        return keys, same_as

    def _base(self, node_type: NodeType) -> str:
        if node_type not in self._bases:
            code = self._codes.of_type(node_type) if self._codes is not None else ""
            self._bases[node_type] = f"{LAYOUT} {node_type.id} {node_type.version} {code}"
        return self._bases[node_type]

    def _parts(self, step: Step) -> dict[str, str]:
        """What each param, and each port that is linked, contributes."""
        parts = {name: literal(step.params[name]) for name in step.type.params if name in step.params}
        for name in (*step.type.params, *step.type.inputs) if step.links else ():
            if name in step.known:
                parts[name] = self._literal(step.known[name])
            elif name in step.links:
                parts[name] = ",".join([self._keys[link.node][link.port] for link in step.links[name]])
        return parts

    def _is_private(self, step: Step, base: str, parts: Mapping[str, str]) -> bool:
        """Whether a key is good in this process only: for its code, or for that of what it builds on."""
        if self._codes is None or not self._codes.changed:
            return False
        linked = (parts[name] for name in step.links if name in parts)
        return PRIVATE in base or any(PRIVATE in part for part in linked)

    def _literal(self, value: Any) -> str:
        return literal(value, self._codes)


def content_keys(steps: Mapping[str, Step]) -> dict[str, Keys]:
    """The keys of resolved steps with the code left out: what was asked for, whatever the release."""
    namer = Namer()
    return {id: namer.name(step)[0] for id, step in steps.items() if step.keys}


def digest(parts: Iterable[str]) -> str:
    """The sha256 of a list of texts; ("ab", "c") and ("a", "bc") differ."""
    joined = "".join([f"{len(part)}:{part}" for part in parts])
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()


def literal(value: Any, codes: Codes | None = None) -> str:
    """A value as text in which types count: 1, 1.0, "1" and True are four values.

    A handle counts with the code that it states, where there are `codes`.
    """
    if value is None or type(value) in (str, int, float, bool):
        return ascii(value)
    if isinstance(value, list | tuple):
        return f"[{','.join([literal(item, codes) for item in value])}]"
    if isinstance(value, LocalFile):
        return f"file:{value.sha256}"
    wire = wire_of_value(value)
    if wire is None or not wire.handle:
        raise TypeError(f"a {type(value).__name__} cannot be part of a key")
    code = codes.of_modules(value.code) if codes is not None else ""
    return f"handle:{type(value).__name__}:{value.cache_key}:{code}"
