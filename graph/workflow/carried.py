"""A workflow that leaves this machine in a picture or a file: it names no path, and so nobody's name.

Files are named by content (`sha256:<hex>`). The name that each had is kept for people, under the `files` of
its node's `ui`, which takes no part in anything: where the content is not found, the message says what it was
called. A checkpoint is named as it is found from the models folder; one from elsewhere by its last part.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from graph.files.allowed import LOCAL, FileRefused, Files
from graph.node import NodeType
from graph.workflow.bare import bare
from graph.workflow.document import FILE_NAMES, Link, Workflow

BY_CONTENT = "sha256:"

Content = Callable[[Link, str], str | None]
"""The sha256 of the file that a param calls so; None where there is none."""


def carried(
    workflow: Workflow, types: Mapping[str, NodeType], files: Files, content: Content
) -> dict[str, Any]:
    """The workflow's JSON without paths.

    Args:
        types: the node types by id; nodes of others stay as they are.
        content: is asked for every file that a node reads.
    """
    rewriting = _Rewriting(workflow, types, files, content)
    for id, node in workflow.nodes.items():
        node_type = types.get(node.type)
        if node_type is not None:
            rewriting.rewrite(id, node_type)
    return rewriting.result()


@dataclass
class _Rewriting:
    workflow: Workflow
    types: Mapping[str, NodeType]
    files: Files
    content: Content
    texts: dict[Link, str] = field(default_factory=dict)
    """Where a literal is replaced, and by what."""
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    """Node -> what the files were called that it now names by content."""

    def rewrite(self, id: str, node_type: NodeType) -> None:
        """Rewrite what names files and checkpoints of a node: in the node, and in constants linked to it."""
        for name in node_type.files:
            for place, text, used in self._literals(id, name):
                self._name_by_content(Link(id, name), place, text, used)
        for name in node_type.sources:
            for place, text, _ in self._literals(id, name):
                self.texts.setdefault(place, _source(text, self.files))

    def result(self) -> dict[str, Any]:
        nodes = dict(self.workflow.data["nodes"])
        for (id, name), text in self.texts.items():
            nodes[id] = {**nodes[id], "params": {**nodes[id]["params"], name: text}}
        for id, named in self.names.items():
            ui = self._part(id, "ui")
            known = ui.get(FILE_NAMES)
            named = {**known, **named} if isinstance(known, dict) else named
            nodes[id] = {**nodes[id], "ui": {**ui, FILE_NAMES: named}}
        return {**self.workflow.data, "nodes": nodes}

    def _part(self, id: str, key: str) -> dict[str, Any]:
        """The object under a key of a node, as the file has it."""
        part = self.workflow.data["nodes"][id].get(key)
        return part if isinstance(part, dict) else {}

    def _name_by_content(self, target: Link, place: Link, text: str, used: bool) -> None:
        sha256 = self.content(target, text) if used else _sha256(self.files, text)
        named = BY_CONTENT + sha256 if sha256 is not None else text if text.startswith(BY_CONTENT) else ""
        if self.texts.setdefault(place, named) == named and named and not text.startswith(BY_CONTENT):
            self.names.setdefault(place.node, {})[named] = PurePath(text).name

    def _literals(self, id: str, name: str) -> Iterator[tuple[Link, str, bool]]:
        """Where the texts stand that a param may have, and whether it has them: a link wins."""
        for place in (Link(id, name), *self._constants(id, name)):
            text = self._part(place.node, "params").get(place.port)
            if isinstance(text, str) and text:
                yield place, text, not self.workflow.nodes[place.node].links.get(place.port)

    def _constants(self, id: str, name: str) -> Iterator[Link]:
        """The params of constant nodes that a param is linked to, through others and bypassed nodes."""
        waiting, seen = [*self.workflow.nodes[id].links.get(name, ())], set()
        while waiting:
            link = waiting.pop()
            node = self.workflow.nodes.get(link.node)
            node_type = self.types.get(node.type) if node is not None else None
            if node is None or node_type is None or link.node in seen:
                continue
            seen.add(link.node)
            if node.mode == "bypassed":
                waiting += [item for links in node.links.values() for item in links]
                continue
            for param in node_type.params.values() if node_type.folds else ():
                if param.type.name == "string" and not param.many:
                    yield Link(link.node, param.name)
                    waiting += node.links.get(param.name, ())


def _source(text: str, files: Files) -> str:
    if not (text.startswith(LOCAL) or Path(text).is_absolute()):
        return text
    last = PurePath(text).name
    try:
        folder = files.folder(text)
        models = files.models.resolve()
        if folder.is_relative_to(models):
            return folder.relative_to(models).as_posix()
        return folder.name if last in ("", "..") else last
    except FileRefused:
        return last


def _sha256(files: Files, text: str) -> str | None:
    try:
        return files.file(text).sha256
    except FileRefused:
        return None


def with_bare_assets(data: dict[str, Any]) -> dict[str, Any]:
    """The workflow's JSON with the metadata of the pictures in its `assets` cut; links name what is left."""
    if not isinstance(data.get("assets"), dict):
        return data
    assets, renamed = {}, {}
    for sha256, text in data["assets"].items():
        try:
            content = bare(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            continue  # nobody can read it
        name = hashlib.sha256(content).hexdigest()
        assets[name] = base64.b64encode(content).decode("ascii")
        renamed[BY_CONTENT + sha256] = BY_CONTENT + name
    nodes = {}
    for id, node in data["nodes"].items():
        params = {
            name: renamed.get(value, value) if isinstance(value, str) else value
            for name, value in node.get("params", {}).items()
        }
        nodes[id] = {**node, "params": params} if params else node
    return {**data, "nodes": nodes, "assets": assets}
