"""Pictures that people brought: kept by content in `inputs/`, and who may see which.

A file is called `<sha256>.<ending>`, so that `sha256:<hex>` in a workflow finds it, here and on the command
line. Who brings a picture that is there already becomes one more owner of it; nobody else can tell.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from ui.memory import give_back
from ui.studio.store import Store

LARGEST = 64 * 2**20
"""Bytes of one picture."""
LARGE_PIXELS = 4_000_000
"""After a larger picture was decoded, memory is given back to the system."""
MOST = 2_000
MOST_BYTES = 4 * 2**30
"""Pictures, and bytes of them, that one owner may bring."""

_SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that exchange width and height."""
_ENDINGS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "BMP": "bmp", "GIF": "gif"}
_TABLES = """CREATE TABLE IF NOT EXISTS uploads
    (owner TEXT, sha256 TEXT, bytes INTEGER, time REAL, PRIMARY KEY (owner, sha256))"""


def pixels_of(content: bytes) -> int:
    """How many pixels a picture says that it has, without decoding it; 0 for what is no picture."""
    from PIL import Image

    from nodes.pixels.pictures import FORMATS

    try:
        with Image.open(BytesIO(content), formats=FORMATS) as opened:
            return opened.width * opened.height
    except Exception:  # damaged files make the readers raise nearly anything
        return 0


class UploadRefused(ValueError):
    """A file that is not taken; the message is one sentence."""


@dataclass(frozen=True)
class Upload:
    """A picture that was taken."""

    sha256: str
    width: int
    height: int


class Uploads:
    """The pictures below a folder, each with its owners."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store = Store(folder / ".owners.sqlite", _TABLES)

    def take(self, owner: str, content: bytes) -> Upload:
        """Keep a picture for its owner.

        Raises:
            UploadRefused: for what is no picture, too large, or one too many.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        kind, width, height = _look(content)
        if not self.owns(owner, sha256):
            self._count(owner, len(content))
            self.folder.mkdir(parents=True, exist_ok=True)  # it may have been removed meanwhile
            self._write(self.folder / f"{sha256}.{_ENDINGS[kind]}", content)
            now = time.time()
            insert = "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)"
            self._store.rows(insert, owner, sha256, len(content), now)
        return Upload(sha256, width, height)

    def has(self, owner: str) -> bool:
        """Whether somebody has a picture here."""
        return bool(self._store.rows("SELECT 1 FROM uploads WHERE owner = ? LIMIT 1", owner))

    def owns(self, owner: str, sha256: str) -> bool:
        """Whether somebody brought the picture with this content."""
        found = self._store.rows("SELECT 1 FROM uploads WHERE owner = ? AND sha256 = ?", owner, sha256)
        return bool(found)

    def path(self, owner: str, sha256: str) -> Path | None:
        """The file of one's own picture, None where there is none."""
        if not self.owns(owner, sha256):
            return None
        paths = (self.folder / f"{sha256}.{ending}" for ending in _ENDINGS.values())
        return next(filter(Path.is_file, paths), None)

    def _count(self, owner: str, size: int) -> None:
        statement = "SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM uploads WHERE owner = ?"
        ((count, total),) = self._store.rows(statement, owner)
        if count >= MOST or total + size > MOST_BYTES:
            limit = f"{MOST:,} pictures or {MOST_BYTES / 2**30:.0f} GB"
            raise UploadRefused(f"this picture is one too many: the limit is {limit}")

    def _write(self, path: Path, content: bytes) -> None:
        draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            draft.write_bytes(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _look(content: bytes) -> tuple[str, int, int]:
    """Format, width and height (the right way up) of a picture that can be decoded."""
    from PIL import ExifTags, Image, UnidentifiedImageError

    from nodes.batches import MOST_PIXELS
    from nodes.pixels.pictures import FORMATS, decoding

    if len(content) > LARGEST:
        raise UploadRefused(f"the file has {len(content) / 2**20:.0f} MB; the limit is {LARGEST >> 20} MB")
    known = ", ".join(FORMATS)
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as opened:
            kind, (width, height) = str(opened.format), opened.size
            if width * height > MOST_PIXELS:
                raise UploadRefused(
                    f"the picture has {width} x {height} pixels; the limit is {MOST_PIXELS:,}"
                )
            with decoding:
                opened.load()
            oriented = opened.getexif().get(ExifTags.Base.Orientation)
        if width * height > LARGE_PIXELS:
            give_back()
        on_its_side = oriented in _SIDEWAYS
        return (kind, height, width) if on_its_side else (kind, width, height)
    except UploadRefused:
        raise
    except UnidentifiedImageError:
        raise UploadRefused(f"the file is no picture in one of the formats {known}") from None
    except Exception as error:  # damaged files make the decoders raise nearly anything
        raise UploadRefused(f"the picture is damaged and cannot be read: {error}") from None
