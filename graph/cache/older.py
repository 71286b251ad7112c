"""Results of older layouts: nothing asks for them any more, so the first start removes them."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from graph.cache.layout import LAYOUT
from graph.problems import gigabytes

_SHARD = re.compile(r"[0-9a-f]{2}")
_LAYOUT = re.compile(r"results-(\d+)")
_RESULT = re.compile(r"[0-9a-f]{64}\.(safetensors|.*\.?tmp)")


def _print(message: str) -> None:
    print(message, file=sys.stderr)


def remove_older(folder: Path, say: Callable[[str], None] = _print) -> threading.Thread | None:
    """Remove what older layouts left in a cache folder, in the background, and say how much was freed.

    Returns the thread that does it; None where there is nothing. Only files that are named like results go.
    """
    shards = list(_older_shards(folder))
    if not shards:
        return None
    # No daemon: the process waits for the moment that it takes.
    thread = threading.Thread(target=_remove, args=(folder, shards, say), name="kandinsky-older-results")
    thread.start()
    return thread


def _older_shards(folder: Path) -> Iterator[Path]:
    """The folders with results of older layouts; up to layout 2 they were in the cache folder itself."""
    for entry in _folders(folder):
        layout = _LAYOUT.fullmatch(entry.name)
        if _SHARD.fullmatch(entry.name):
            yield entry
        elif layout is not None and int(layout[1]) < LAYOUT:
            yield from (shard for shard in _folders(entry) if _SHARD.fullmatch(shard.name))


def _folders(folder: Path) -> list[Path]:
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink()]
    except OSError:
        return []


def _remove(folder: Path, shards: list[Path], say: Callable[[str], None]) -> None:
    freed = 0
    for shard in shards:
        with suppress(OSError):
            for path in shard.iterdir():
                if _RESULT.fullmatch(path.name):
                    with suppress(OSError):  # another process does the same
                        size = path.stat().st_size
                        path.unlink()
                        freed += size
        for empty in (shard, shard.parent):
            if empty != folder:
                with suppress(OSError):
                    empty.rmdir()
    if freed:
        say(f"Freed {gigabytes(freed)} in {folder}: results of an older version, which have no use any more.")
