"""What a workflow file holds: its keys and limits, and the dataclasses it is read into."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from graph.problems import Problem

FORMAT = "kandinsky-workflow"
VERSION = 1
MODES = ("active", "muted", "bypassed")
MAX_NODES = 250_000
MAX_LINKS = 1_000_000

FILE_NAMES = "files"
"""Under a node's `ui`: `sha256:<hex>` -> what the file was called where the workflow was made."""

NODE_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TOP_KEYS = {
    "format": str,
    "version": int,
    "name": str,
    "description": str,
    "requires": dict,
    "nodes": dict,
    "interface": dict,
    "definitions": dict,
    "ui": dict,
    "assets": dict,
}
NODE_KEYS = {
    "type": str,
    "version": int,
    "mode": str,
    "inputs": dict,
    "params": dict,
    "ui": dict,
}


class Link(NamedTuple):
    """An output of a node; as the target of an interface entry, a param."""

    node: str
    port: str

    def __str__(self) -> str:
        return f"{self.node}.{self.port}"


@dataclass(frozen=True)
class Node:
    """One node of a workflow."""

    id: str
    type: str
    """Empty where the file says none that can be read."""
    version: int = 1
    mode: str = "active"
    links: Mapping[str, tuple[Link, ...]] = field(default_factory=dict)
    """Port or param -> links, in order; none for an empty list."""
    listed: frozenset[str] = frozenset()
    """The ports whose links stand in a list."""
    unclear: frozenset[str] = frozenset()
    """The ports with a link that cannot be read."""
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InterfaceEntry:
    """One thing a person fills in, or gets back."""

    name: str
    targets: tuple[Link, ...]
    title: str = ""
    help: str = ""


@dataclass(frozen=True)
class Workflow:
    """A workflow file: its JSON and a typed view of it."""

    data: dict[str, Any]
    nodes: Mapping[str, Node]
    inputs: Mapping[str, InterfaceEntry]
    outputs: Mapping[str, InterfaceEntry]
    folder: Path | None = None
    """The folder the file lies in; paths in it are relative to that."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the shape of the file; planning reports it beside everything else."""

    @property
    def name(self) -> str:
        return str(self.data.get("name", ""))

    @property
    def description(self) -> str:
        return str(self.data.get("description", ""))

    @property
    def assets(self) -> Mapping[str, str]:
        assets = self.data.get("assets")
        known = assets.items() if isinstance(assets, dict) else ()
        return {name: text for name, text in known if isinstance(text, str)}

    @property
    def file_names(self) -> Mapping[str, str]:
        """`sha256:<hex>` -> what the file was called where the workflow was made."""
        nodes = self.data.get("nodes")
        found: dict[str, str] = {}
        for node in nodes.values() if isinstance(nodes, dict) else ():
            ui = node.get("ui") if isinstance(node, dict) else None
            names = ui.get(FILE_NAMES) if isinstance(ui, dict) else None
            for content, name in names.items() if isinstance(names, dict) else ():
                found |= {content: name} if isinstance(name, str) else {}
        return found
