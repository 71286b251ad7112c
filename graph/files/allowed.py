"""Which files a workflow may read, and what names their content.

Workflows come from strangers: a path in one is followed (links and all) only below the folder it lies in,
`inputs/` of the current folder, and the folders that the user allowed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from graph.files.fingerprints import FingerprintIndex, open_regular
from graph.problems import nearest

__all__ = ["FileRefused", "Files", "FingerprintIndex", "LocalFile", "Missing", "Privacy", "models_folder"]

LOCAL = ("./", "../", "/")
"""How a checkpoint's source begins that is a folder or file, and no name in the models folder."""

SIZE_LIMIT = 1 << 30
"""Bytes of the largest file that a node may read as a whole."""

_TEXT_LIMIT = 4096
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_HASHED = re.compile(r"[0-9a-f]{64}")
_WEB = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class FileRefused(ValueError):
    """A path that may not or cannot be read; the message is one sentence for the user."""


class Missing(FileRefused):
    """A content that is nowhere here; the user may name a file that has it."""


@dataclass(frozen=True)
class LocalFile:
    """A file that a workflow names: on disk, or carried by the workflow itself (then `path` is None)."""

    path: Path | None
    name: str
    sha256: str
    content: bytes | None = field(default=None, repr=False, compare=False)

    def read(self) -> bytes:
        """The bytes that `sha256` stands for. Raises FileRefused if the file changed since it was found."""
        if self.content is not None:
            return self.content
        assert self.path is not None
        try:
            with open_regular(self.path) as file:
                # Not more, or Python would ask for all of the limit's memory first.
                data = file.read(min(os.fstat(file.fileno()).st_size, SIZE_LIMIT) + 1)
        except OSError as error:
            raise FileRefused(f"{self.name!r} cannot be read: {error.strerror or error}.") from None
        if len(data) > SIZE_LIMIT or hashlib.sha256(data).hexdigest() != self.sha256:
            raise FileRefused(f"{self.name!r} changed while the workflow ran: run it again.")
        return data


@dataclass(frozen=True)
class Privacy:
    """What keeps people apart whose workflows run on one machine.

    Args:
        closed: folders that no path leads into, even below folders that may be read.
        owns: whether who runs the workflow brought the file of `inputs/` with this sha256; only its content
            names it then.
    """

    closed: Sequence[Path]
    owns: Callable[[str], bool]


class Files:
    """What a workflow may read.

    Args:
        base: the folder the workflow lies in; None if it lies in none. Relative paths start here.
        roots: more folders that may be read: each `--allow`.
        assets: sha256 hex -> base64, the files that the workflow carries.
        names: `sha256:<hex>` -> what the file was called where the workflow was made, for messages.
        index: remembers the sha256 of files; by default for this process only.
        cwd: the current folder, whose `inputs/` may be read, too.
        models: the models folder, which may be read, too; `models_folder()` if None.
        privacy: given where the workflow is somebody else's than the machine's user.
    """

    def __init__(
        self,
        base: Path | None,
        roots: Sequence[Path] = (),
        assets: Mapping[str, str] | None = None,
        index: FingerprintIndex | None = None,
        cwd: Path | None = None,
        models: Path | None = None,
        privacy: Privacy | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.cwd = Path(os.path.abspath(cwd or Path.cwd()))  # noqa: PTH100 - without its ".."
        self.base = Path(os.path.abspath(base)) if base is not None else None  # noqa: PTH100
        self.inputs = self.cwd / "inputs"
        self._listed: tuple[int, dict[str, list[str]]] | None = None
        self._own: dict[str, Path] | None = None
        self.index = index or FingerprintIndex()
        self.models = (models or models_folder()).absolute()
        self.privacy = privacy
        own = [self.base, self.inputs if privacy is None else None, self.models]
        folders = [*(folder for folder in own if folder is not None), *roots]
        self.roots = tuple(dict.fromkeys(folder.resolve() for folder in folders))
        closed = (folder.resolve() for folder in (privacy.closed if privacy is not None else ()))
        self._closed = tuple(
            folder for folder in closed if base is None or folder not in base.resolve().parents
        )
        self._assets = dict(assets or {})
        self._names = dict(names or {})
        self._allowed: set[str] = set()

    def allow(self, path: str | Path) -> None:
        """Let this very path be read, wherever it leads: the user wrote it (`--set`).

        A relative one is then also looked for in the current folder, and there first.
        """
        self._allowed.add(str(path))

    def file(self, text: str) -> LocalFile:
        """The file that a workflow calls `text`: a path, or "sha256:<hex>".

        Raises:
            FileRefused: outside the allowed folders, missing, no regular file, or larger than SIZE_LIMIT.
        """
        if text.startswith("sha256:"):
            return self._by_content(text)
        path = self._find(text)
        return LocalFile(path, path.name, self._fingerprint(path, text))

    def folder(self, text: str) -> Path:
        """The folder (or file: a checkpoint may be either) that a workflow calls `text`, with links resolved.

        Raises:
            FileRefused: outside the allowed folders, missing, or neither a folder nor a regular file.
        """
        path = self._find(text)
        if not (path.is_dir() or path.is_file()):
            raise FileRefused(f"{text!r} is neither a folder nor a regular file.")
        return path

    def sha256(self, path: Path) -> str:
        """The sha256 of a file's content in hex, remembered by path, size and time.

        Raises:
            OSError: when it cannot be read.
        """
        return self.index.sha256(path)

    def _find(self, text: str) -> Path:
        _refuse_odd_text(text)
        allowed_missing: Path | None = None
        for path in self._candidates(text):
            try:
                real = path.resolve()
                if text not in self._allowed and not self._is_allowed(real):
                    if self._looks_inside(path):
                        raise self._outside(text)
                    continue
                if real.exists():
                    return real
            except (OSError, RuntimeError, UnicodeError) as error:
                why = getattr(error, "strerror", None) or "no path is like that"
                raise FileRefused(f"{text!r} cannot be opened: {why}.") from None
            allowed_missing = allowed_missing or path
        if allowed_missing is None:
            raise self._outside(text)
        raise FileRefused(f"{text!r} does not exist{_nearest(allowed_missing)}.")

    def _candidates(self, text: str) -> Iterator[Path]:
        if Path(text).is_absolute():
            yield Path(text)
            return
        if text in self._allowed:
            yield self.cwd / text
        if self.base is not None:
            yield self.base / text
        if ".." not in Path(text).parts and self.privacy is None:
            yield self.inputs / text

    def _looks_inside(self, path: Path) -> bool:
        """Whether only links can have led a path out of the folders where relative paths start."""
        plain = Path(os.path.normpath(path))
        return any(plain.is_relative_to(folder) for folder in (self.base, self.inputs) if folder)

    def _outside(self, text: str) -> FileRefused:
        if self.privacy is not None:
            return FileRefused(f"{text!r} is not among the files that a workflow may read here: upload it.")
        folders = ", ".join(str(root) for root in self.roots)
        where = f"the folders that this workflow may read ({folders})"
        return FileRefused(f"{text!r} lies outside {where}; --allow DIR adds one.")

    def _is_allowed(self, real: Path) -> bool:
        return any(map(real.is_relative_to, self.roots)) and not any(map(real.is_relative_to, self._closed))

    def _fingerprint(self, path: Path, text: str) -> str:
        try:
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                raise FileRefused(f"{text!r} is a folder; a file was expected.")
            if not stat.S_ISREG(status.st_mode):
                raise FileRefused(f"{text!r} is not a regular file but a device, pipe or socket.")
            if status.st_size > SIZE_LIMIT:
                raise FileRefused(
                    f"{text!r} has {status.st_size:,} bytes; at most {SIZE_LIMIT:,} can be read."
                )
            return self.sha256(path)
        except OSError as error:
            raise FileRefused(f"{text!r} cannot be read: {error.strerror or error}.") from None

    def _by_content(self, text: str) -> LocalFile:
        match = _SHA256.fullmatch(text)
        if match is None:
            raise FileRefused(f"{text[:90]!r} is not sha256: and 64 hexadecimal digits in lower case.")
        wanted = match[1]
        for path in self._with_content(wanted):
            if path.is_file() and self._fingerprint(path, path.name) == wanted:
                return LocalFile(path, path.name, wanted)
        if wanted in self._assets:
            return LocalFile(None, text, wanted, self._asset(wanted))
        for path in self.index.with_content(wanted):
            if self._is_allowed(path.resolve()):
                return LocalFile(path, path.name, wanted)
        called = self._names.get(text)
        if called and self.base is not None:
            beside = self.base / Path(called).name
            if self._content_of(beside) == wanted:
                return LocalFile(beside, beside.name, wanted)
        own = self._own_inputs().get(wanted) if self.privacy is None else None
        if own is not None and self._content_of(own) == wanted:  # it may have been edited since
            return LocalFile(own, own.name, wanted)
        shown = f"{called[:90]!r} ({text})" if called else f"{text!r}"
        if self.privacy is not None:
            raise FileRefused(f"{shown} is not among your pictures: upload it.")
        where = f"in {self.inputs}, among the workflow's assets, nor known from a run before"
        raise Missing(f"{shown} is neither {where}")

    def _content_of(self, path: Path) -> str | None:
        """The sha256 of a file that may be read; None for any other."""
        with suppress(FileRefused, OSError, ValueError):
            if self._is_allowed(path.resolve()):
                return self._fingerprint(path, path.name)
        return None

    def _own_inputs(self) -> dict[str, Path]:
        """The files in `inputs/` that are not named after a content, by content; looked through once."""
        listed = self._input_names()
        if self._own is None:
            names = [name for start in listed if not _HASHED.fullmatch(start) for name in listed[start]]
            found = {self._content_of(path): path for path in (self.inputs / name for name in names)}
            self._own = {sha256: path for sha256, path in found.items() if sha256 is not None}
        return self._own

    def _with_content(self, wanted: str) -> Iterator[Path]:
        """The files of `inputs/` that are named after this content and may be read."""
        if self.privacy is not None and not self.privacy.owns(wanted):
            return
        inputs = self.inputs.resolve()
        for name in self._input_names().get(wanted, ()):
            path = (self.inputs / name).resolve()
            if self._is_allowed(path) if self.privacy is None else path.is_relative_to(inputs):
                yield path

    def _input_names(self) -> dict[str, list[str]]:
        """The names in `inputs/` by their first 64 characters; listed anew when the folder changed."""
        try:
            changed = self.inputs.stat().st_mtime_ns
        except OSError:
            return {}
        if self._listed is None or self._listed[0] != changed:
            by_start: dict[str, list[str]] = {}
            for name in sorted(_names(self.inputs)):
                by_start.setdefault(name[:64], []).append(name)
            self._listed, self._own = (changed, by_start), None
        return self._listed[1]

    def _asset(self, wanted: str) -> bytes:
        written = self._assets[wanted]
        if len(written) > SIZE_LIMIT:
            raise FileRefused(f"The asset {wanted} is too large.")
        try:
            content = base64.b64decode(written, validate=True)
        except (binascii.Error, ValueError):
            raise FileRefused(f"The asset {wanted} is not base64.") from None
        if hashlib.sha256(content).hexdigest() != wanted:
            raise FileRefused(f"The asset {wanted} has another content than its name says.")
        return content


def models_folder() -> Path:
    """Where checkpoints lie: `KANDINSKY_MODELS`, else a folder among the user's data."""
    named = os.environ.get("KANDINSKY_MODELS")
    if named:
        return Path(named).absolute()
    from platformdirs import user_data_path

    return user_data_path("kandinsky-canvas", appauthor=False) / "models"


def _refuse_odd_text(text: str) -> None:
    """Refuse what no path is, before the system is asked about it."""
    if not text:
        raise FileRefused("No file is named.")
    if len(text) > _TEXT_LIMIT:
        raise FileRefused(f"A path of {len(text):,} characters is too long.")
    if any(ord(character) < 32 or 0xD800 <= ord(character) < 0xDC80 for character in text):
        raise FileRefused(f"{text!r} holds a character that no path does.")
    if _WEB.match(text):
        raise FileRefused(f"{text!r} is an address; only files on this machine can be read.")


def _nearest(path: Path) -> str:
    """ ", did you mean ...?" for the first part of a path that does not exist."""
    while not path.parent.is_dir() and path.parent != path:
        path = path.parent
    near = nearest(path.name, _names(path.parent))
    return f"; the nearest name there is {near!r}" if near else ""


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are all that is needed
    except OSError:
        return []
