"""The workflows that come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from graph.workflow.file import load

FOLDER = Path(__file__).resolve().parents[2] / "workflows"
THUMBNAILS = FOLDER / "thumbnails"
FIRST = "text_to_image"
"""What is shown to who comes for the first time."""

_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Template:
    """One of them."""

    id: str
    """The file's name without its ending."""
    title: str
    description: str
    workflow: dict[str, Any]

    @property
    def thumbnail(self) -> Path | None:
        """A picture that it made, None where there is none."""
        path = THUMBNAILS / f"{self.id}.webp"
        return path if path.is_file() else None


@cache
def templates() -> tuple[Template, ...]:
    """Every workflow of the package, the first one first; read once."""
    files = sorted(FOLDER.glob("*.json"), key=lambda path: (path.stem != FIRST, path.stem))
    read = [(path.stem, load(path)) for path in files]
    return tuple(Template(id, item.name or id, item.description, item.data) for id, item in read)


def picture(name: str) -> Path | None:
    """The picture of that name that templates use, None where there is none."""
    path = FOLDER / name
    inside = Path(name).name == name and path.suffix in _PICTURES
    return path if inside and path.is_file() else None
