"""Whose the files in Gradio's upload folder are."""

from __future__ import annotations

import os
from collections import OrderedDict, defaultdict
from pathlib import Path

from ui.studio.owners import Owner

MOST_UPLOADS = 200
"""Files of one owner in Gradio's cache; older ones are removed."""


class UploadedFiles:
    """The files in Gradio's upload folder, by owner: the newest ones of each, in this process only."""

    def __init__(self) -> None:
        self._paths: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)

    def add(self, owner: Owner, path: str) -> None:
        """Remember that somebody uploaded a file."""
        paths = self._paths[owner.id]
        paths[os.path.abspath(path)] = None  # noqa: PTH100 - links are not followed
        while len(paths) > MOST_UPLOADS:
            oldest, _ = paths.popitem(last=False)
            # Gradio keeps the same content of two people in one file.
            if not any(oldest in others for others in self._paths.values()):
                Path(oldest).unlink(missing_ok=True)

    def owns(self, owner: Owner, path: str) -> bool:
        """Whether somebody uploaded this very file."""
        return os.path.abspath(path) in self._paths.get(owner.id, ())  # noqa: PTH100
