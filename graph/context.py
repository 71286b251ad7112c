"""What a node may ask the engine for: the run fills in parameters annotated with these classes."""

from __future__ import annotations

import re
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from graph.files.allowed import Files
from graph.problems import gigabytes

Wanted = frozenset[str]
"""The names of the output ports somebody needs; a node may return None for the others."""


class Cancelled(Exception):
    """The run was cancelled; raised by `Progress.step`, and while planning by `Environment.check`."""


class Unavailable(Exception):
    """Something a node needs is not on this machine, though the workflow itself may be right.

    `fetch` is how large it is, where the user only has to agree to a download; `param` is the node's param
    that another value would mend.
    """

    def __init__(self, message: str, fetch: str | None = None, param: str | None = None) -> None:
        super().__init__(f"{message}; add --download ({fetch})" if fetch else message)
        self.message = message
        self.fetch = fetch
        self.param = param


def say_download(name: str, done: int, total: int) -> None:
    """Print once how large a download is."""
    if done == 0:
        print(f"downloading {name}: {gigabytes(total)}", file=sys.stderr)


@dataclass(frozen=True)
class Environment:
    """The machine a workflow runs on, as far as nodes may know it."""

    files: Files
    device: str = "auto"
    """Replaces a node's device "auto"."""
    download: bool = False
    """Whether the user agreed to downloads."""
    hub: bool = True
    """Whether the hub may be asked about what is not here. Only the owner of the machine may cause that: it
    carries their token, and would reveal to others which private repositories exist."""
    tell: Callable[[str, int, int], None] = say_download
    """Is told what is downloaded while planning: its name, bytes so far (0 at first), and in all."""
    cancelled: Callable[[], bool] = lambda: False
    """Whether the run that is being planned was cancelled."""

    def check(self) -> None:
        """Raise `Cancelled` if the run was cancelled; for what takes long while planning."""
        if self.cancelled():
            raise Cancelled


class Progress:
    """How a running node reports, and learns that it should stop."""

    def __init__(
        self,
        cancelled: threading.Event,
        on_step: Callable[[int, int, Callable[[], bytes] | None], None],
        on_warning: Callable[[str], None],
        thumbnails: list[bytes] | None = None,
    ) -> None:
        self._cancelled = cancelled
        self._on_step = on_step
        self._on_warning = on_warning
        self.thumbnails: list[bytes] = [] if thumbnails is None else thumbnails

    def step(self, step: int, steps: int, preview: Callable[[], bytes] | None = None) -> None:
        """Say that `step` of `steps` is done; `preview` makes a small JPEG or WebP if somebody looks.

        Raises:
            Cancelled: when the run was cancelled.
        """
        self.check()
        self._on_step(step, steps, preview)

    def check(self) -> None:
        """Raise `Cancelled` if the run was cancelled; for long work that has no steps."""
        if self._cancelled.is_set():
            raise Cancelled

    def warn(self, message: str) -> None:
        """Tell the user something that does not stop the run, in one sentence."""
        self._on_warning(message)

    def show(self, thumbnail: bytes) -> None:
        """Hand over a small JPEG or WebP picture of what the node made."""
        self.thumbnails.append(thumbnail)


@dataclass(frozen=True)
class RunRecord:
    """What a saved file says about the run that made it."""

    workflow: str
    """The workflow as JSON, with the params that were really used, and without paths of this machine."""
    prompt: Callable[[], str]
    """Makes a JSON object of what the node depends on: prompts, seeds and numbers alone, by `node.param`."""


_LONGEST_PART = 200
_MOST_PARTS = 16
_NAME = re.compile(r"[^\x00-\x1f<>:\"|?*\\]+")


@dataclass
class OutputFolder:
    """The one folder a run may write to; remembers what a node wrote."""

    folder: Path
    written: list[Path] = field(default_factory=list)
    check: Callable[[], None] = lambda: None
    """Is called before anything is written; raises Cancelled for a run that was given up."""

    def write(self, name: str, suffix: str, contents: Sequence[bytes]) -> list[Path]:
        """Write each of `contents` to a new file; one is called `name.suffix`, several `name-1.suffix`...

        A taken name is never overwritten: `name-2.suffix` follows `name.suffix`. Files appear whole or not at
        all.

        Raises:
            ValueError: when `name` is empty, absolute, or leaves the folder.
            OSError: when a file cannot be written.
        """
        self.check()
        stem = self._stem(name)
        try:
            return self._write(stem, suffix, contents)
        except OSError as error:
            blocked = isinstance(error, FileExistsError | NotADirectoryError)
            why = f"{stem.parent} is not a folder" if blocked else error.strerror or str(error)
            raise OSError(f"{stem}.{suffix} cannot be written: {why}") from error

    def _write(self, stem: Path, suffix: str, contents: Sequence[bytes]) -> list[Path]:
        stem.parent.mkdir(parents=True, exist_ok=True)
        paths = _reserve(stem, suffix, len(contents))
        left = list(paths)
        try:
            for path, content in zip(paths, contents, strict=True):
                _write_whole(path, content)
                left.remove(path)
                self.written.append(path)
        finally:
            for path in left:
                path.unlink(missing_ok=True)
        return paths

    def _stem(self, name: str) -> Path:
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts or name.startswith("/") or ".." in parts or not all(_NAME.fullmatch(p) for p in parts):
            raise ValueError(
                f"name {name!r} is not a plain file name: expected letters, digits and / for subfolders"
            )
        if len(parts) > _MOST_PARTS or any(len(part.encode()) > _LONGEST_PART for part in parts):
            raise ValueError(
                f"name is too long for a file: expected at most {_LONGEST_PART} bytes a part, and "
                f"{_MOST_PARTS} parts"
            )
        stem = self.folder.joinpath(*parts)
        if not stem.parent.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"name {name!r} leads out of the output folder through a link")
        return stem


_reserving = threading.Lock()


def _reserve(stem: Path, suffix: str, count: int) -> list[Path]:
    """Create the next free files, exclusively, so that two runs never write to the same one."""
    paths: list[Path] = []
    number = 1
    with _reserving:  # a batch of one node is numbered without gaps
        while len(paths) < count:
            tail = f"-{number}" if count > 1 or number > 1 else ""
            path = stem.with_name(f"{stem.name}{tail}.{suffix}")
            number += 1
            with suppress(FileExistsError):
                path.open("xb").close()
                paths.append(path)
    return paths


def _write_whole(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            file.write(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
