"""A workflow that carries its pictures: nothing else is needed to run it elsewhere."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from graph.files.allowed import FileRefused, Files, LocalFile
from graph.nodetypes.catalogue import Catalogue
from graph.problems import InvalidWorkflow, Problem
from graph.workflow.bare import bare
from graph.workflow.carried import carried
from graph.workflow.document import Link
from graph.workflow.file import Workflow, from_json

LARGEST = 44 * 2**20
"""Bytes of pictures: in base64 they fit into the largest file that can be read."""


def with_pictures(workflow: Workflow, catalogue: Catalogue, files: Files) -> Workflow:
    """The workflow with every picture that its params name in `assets`, named by content, without metadata.

    Raises:
        InvalidWorkflow: for a picture that cannot be read, or too many bytes of them.
    """
    assets: dict[str, str] = {}
    cut: dict[str, str] = {}
    """The sha256 of each file -> that of what is carried of it."""
    left = LARGEST

    def content(target: Link, text: str) -> str:
        nonlocal left
        try:
            file = files.file(text)
            if file.sha256 not in cut:
                left -= _size(file)
                if left < 0:
                    message = f"the pictures are too large to be carried: the limit is {LARGEST >> 20} MB"
                    raise InvalidWorkflow([Problem(f"{message} in all")])
                taken = bare(file.read())
                cut[file.sha256] = hashlib.sha256(taken).hexdigest()
                assets[cut[file.sha256]] = base64.b64encode(taken).decode("ascii")
        except FileRefused as refused:
            raise InvalidWorkflow([Problem(str(refused), node=target.node, param=target.port)]) from None
        return cut[file.sha256]

    data: dict[str, Any] = carried(workflow, catalogue, files, content)
    data.pop("assets", None)
    return from_json({**data, "assets": assets} if assets else data, workflow.folder)


def _size(file: LocalFile) -> int:
    try:
        return file.path.stat().st_size if file.path is not None else len(file.content or b"")
    except OSError:
        return 0  # which reading it tells
