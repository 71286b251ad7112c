"""The memory a run may take: what the machine has, and a bit is left to others."""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path

FRACTION = 0.9
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def limit_memory() -> None:
    """Let an allocation that the machine has no memory for fail, which fails the node that asked for it.

    Without a limit Linux grants nearly everything, and ends a process later, perhaps somebody else's.
    Where limits are not known (Windows) or not kept (macOS), nothing changes.
    """
    try:
        import resource
    except ImportError:
        return
    memory = _memory()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if memory is not None and (soft == resource.RLIM_INFINITY or soft > memory * FRACTION):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (int(memory * FRACTION), hard))


def rarely_search_for_garbage() -> None:
    """Leave alone what is there for good, and look through everything only after millions of new objects.

    A large workflow makes as many; Python would look through them again and again, half a second each time,
    in which nobody is answered.
    """
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, 1000)


def give_back() -> None:
    """Return to the system what a large request left in the pools of glibc; elsewhere nothing."""
    gc.collect(1)  # an error and the frames that it came through hold each other
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _memory() -> int | None:
    """Bytes of memory that this machine, or the container this runs in, has."""
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # "max" where the container has no limit
        memory = min(memory, int(_CONTAINER_LIMIT.read_text()))
    return memory
