"""Finished results by content key: the memory tier before the disk tier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graph.cache.disk_tier import DiskCache, Warn
from graph.cache.layout import is_private
from graph.cache.memory_tier import MemoryCache
from graph.values.arrays import size_of, summarise

MEMORY, DISK = "memory", "disk"
MEMORY_LIMIT = 2 * 2**30


class Results:
    """Where a run looks results up and leaves its own.

    Args:
        memory: shared by the runs of a process.
        disk: shared by processes; None neither reads nor writes any.
    """

    def __init__(self, memory: MemoryCache | None = None, disk: DiskCache | None = None) -> None:
        self.memory = MemoryCache(MEMORY_LIMIT) if memory is None else memory
        self.disk = disk
        self._unreadable: set[str] = set()

    def has(self, key: str) -> bool:
        """Whether there is a value under the key."""
        if self.memory.has(key):
            return True
        if self.disk is None or key in self._unreadable or is_private(key):
            return False
        return self.disk.has(key)

    def tier(self, key: str) -> str:
        """Where the value lies that would be used."""
        return MEMORY if self.memory.has(key) else DISK

    def get(self, key: str, warn: Warn | None = None) -> Any | None:
        """The value, None where there is none; one from disk moves up into memory.

        `warn` is told what is wrong with the disk tier, here and below.
        """
        value = self.memory.get(key)
        if value is None and self.disk is not None and not is_private(key):
            value = self.disk.read(key, warn)
            if value is None:
                self._unreadable.add(key)
            else:
                self.memory.put(key, value, size_of(value), self.disk.warnings(key))
        return value

    def warnings(self, key: str) -> tuple[str, ...]:
        """What the run that made a value warned of."""
        if self.disk is None or is_private(key) or self.memory.has(key):
            return self.memory.warnings(key)
        return self.disk.warnings(key)

    def put(
        self,
        key: str,
        value: Any,
        type_name: str,
        provenance: Mapping[str, Any],
        warn: Warn | None = None,
    ) -> None:
        """Keep a value in both tiers; one that is good in this process only, in memory.

        `provenance` says where it comes from; its `warnings` are reported again where the value is reused.
        """
        self.memory.put(key, value, size_of(value), tuple(provenance.get("warnings", ())))
        if self.disk is None or is_private(key):
            return
        if self.disk.write(key, value, type_name, provenance, warn):
            self._unreadable.discard(key)

    def summary(self, key: str, type_name: str, warn: Warn | None = None) -> dict[str, Any]:
        """What an event says of a value, without reading its arrays from disk."""
        value = self.memory.get(key)
        if value is not None:
            return summarise(value, type_name)
        described = None
        if self.disk is not None and not is_private(key):
            described = self.disk.describe(key, warn)
        return {name: part for name, part in (described or {}).items() if name != "provenance"}
