"""What we rely on in Gradio's private parts; a test says when a release changes them.

Gradio copies each file that an input names into its cache, whatever path or address it is, before an endpoint
sees it. Every route that calls an endpoint passes through `Blocks.process_api` first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio_client.utils import is_file_obj, is_file_obj_with_meta

from ui.server.access_guard import owner_of
from ui.server.uploaded_files import UploadedFiles
from ui.studio.discretion import Discretion
from ui.studio.owners import NOBODY

MOST_DEPTH, MOST_VALUES = 100, 1_000_000
"""Of the values that one call is made with."""
RESULT = "kandinsky.result"
"""The key of an output that stands for a file of ours: the id of a result, and its name."""


class GuardedBlocks(gr.Blocks):
    """Blocks whose endpoints are given files that their caller uploaded, and no others."""

    uploaded: UploadedFiles
    discretion: Discretion

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, request: Any = None, **options: Any
    ) -> dict[str, Any]:
        """Check what a call is made with, call, and say where its results are.

        Raises:
            gr.Error: for a file that is not an upload of the caller, and for visitors whatever goes wrong.
        """
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        check_files(inputs, function.inputs, request, self.uploaded)
        try:
            output = await super().process_api(block_fn, inputs, state, request, **options)
        except gr.Error:
            raise
        except Exception as error:
            owner = owner_of(request) if request is not None else NOBODY
            if owner.of_machine:
                raise
            said = self.discretion.fault(owner, "the call could not be answered", error)
            raise gr.Error(said, print_exception=False) from None
        root = options.get("root_path") or ""
        output["data"] = [_with_results(value, root) for value in output.get("data", ())]
        return output


def check_files(inputs: list[Any], blocks: list[Any], request: Any, uploaded: UploadedFiles) -> None:
    """Refuse the inputs of a call when they name a file that is not the caller's own upload.

    Addresses beside a file's path are removed: the path is all that is needed.

    Raises:
        gr.Error: saying so.
    """
    owner = owner_of(request) if request is not None else None
    for number, value in enumerate(inputs):
        takes_files = number >= len(blocks) or getattr(blocks[number], "data_model", None) is not None
        for file in _files(value, takes_files):
            if owner is None or not uploaded.owns(owner, str(file.get("path"))):
                raise gr.Error("a file must be one that you uploaded before", print_exception=False)
            file["url"] = None


def _files(value: Any, bare: bool) -> Iterator[dict[str, Any]]:
    """The file objects within a value; with `bare`, those that do not say what they are, too."""
    waiting, seen = [(value, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if depth > MOST_DEPTH or seen > MOST_VALUES:
            raise gr.Error("an input is nested too deeply, or has too many values", print_exception=False)
        if isinstance(item, dict):
            if _is_file(item, bare):
                yield item
            waiting.extend((inner, depth + 1) for inner in item.values())
        elif isinstance(item, list | tuple):
            waiting.extend((inner, depth + 1) for inner in item)


def _is_file(item: dict[str, Any], bare: bool) -> bool:
    try:
        return is_file_obj_with_meta(item) or (bare and (is_file_obj(item) or "url" in item))
    except AttributeError:  # `meta` is no object: nothing that an honest client sends
        return True


def result_file(id: str, name: str) -> dict[str, str]:
    """An output that stands for a result. Gradio must not see a path in it, which it would try to copy."""
    return {RESULT: id, "name": name}


def _with_results(value: Any, root: str) -> Any:
    """The value with results as the file objects that Gradio's clients know."""
    if isinstance(value, list):
        return [_with_results(item, root) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) != {RESULT, "name"}:
        return {key: _with_results(item, root) for key, item in value.items()}
    path = f"/kandinsky/{value[RESULT]}/{value['name']}"
    return {
        "path": path,
        "url": f"{root}/gradio_api/file={path}",
        "orig_name": value["name"],
        "size": None,
        "mime_type": None,
        "is_stream": False,
        "meta": {"_type": "gradio.FileData"},
    }
