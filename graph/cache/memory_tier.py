"""Results by content key in memory: least recently used goes first, bounded by bytes."""

from collections import OrderedDict
from threading import Lock
from typing import Any

from graph.values.arrays import freeze


class MemoryCache:
    """Values by key. What is stored is frozen; a reader that may write takes a copy (`copy_for_reader`)."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self._entries: OrderedDict[str, tuple[Any, int, tuple[str, ...]]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def has(self, key: str) -> bool:
        """Whether the key has a value. Asking does not count as use."""
        return key in self._entries

    def get(self, key: str) -> Any | None:
        """The value, which counts as used now; None where there is none (None itself is never a value)."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def warnings(self, key: str) -> tuple[str, ...]:
        """What the run that made a value warned of."""
        entry = self._entries.get(key)
        return entry[2] if entry is not None else ()

    def put(self, key: str, value: Any, size: int, warnings: tuple[str, ...] = ()) -> None:
        """Store a value of `size` bytes, and let go of the least recently used until all fit.

        A value larger than the whole limit is not stored.
        """
        if size > self.limit_bytes:
            return
        frozen = freeze(value)
        with self._lock:
            old = self._entries.pop(key, None)
            self.bytes += size - (old[1] if old else 0)
            self._entries[key] = frozen, size, warnings
            while self.bytes > self.limit_bytes:
                self.bytes -= self._entries.popitem(last=False)[1][1]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.bytes = 0
