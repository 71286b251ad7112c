"""A workflow that carries its pictures: nothing else is needed to run it elsewhere."""

from __future__ import annotations

import base64
from typing import Any

from graph.catalogue import Catalogue
from graph.files import FileRefused, Files
from graph.problems import InvalidWorkflow, Problem
from graph.workflow import Workflow, from_json

LARGEST = 44 * 2**20
"""Bytes of pictures: in base64 they fit into the largest file that can be read."""


def with_pictures(workflow: Workflow, catalogue: Catalogue, files: Files) -> Workflow:
    """The workflow with every picture that its params name in `assets`, named by content.

    Raises:
        InvalidWorkflow: for a picture that cannot be read, or too many bytes of them.
    """
    assets: dict[str, str] = {}
    nodes: dict[str, Any] = dict(workflow.data["nodes"])
    for id, node in workflow.nodes.items():
        node_type = catalogue.get(node.type)
        for name in node_type.files if node_type is not None else ():
            path = node.params.get(name)
            if not (isinstance(path, str) and path) or node.links.get(name):
                continue
            try:
                file = files.file(path)
                assets[file.sha256] = base64.b64encode(file.read()).decode("ascii")
            except FileRefused as refused:
                raise InvalidWorkflow([Problem(str(refused), node=id, param=name)]) from None
            if sum(map(len, assets.values())) > LARGEST * 4 / 3:
                message = f"the pictures are too large to be carried: the limit is {LARGEST >> 20} MB in all"
                raise InvalidWorkflow([Problem(message)])
            params = {**nodes[id]["params"], name: f"sha256:{file.sha256}"}
            nodes[id] = {**nodes[id], "params": params}
    data = {**workflow.data, "nodes": nodes}
    data.pop("assets", None)
    return from_json({**data, "assets": assets} if assets else data, workflow.folder)
