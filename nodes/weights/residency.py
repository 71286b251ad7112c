"""Which networks are in memory: opened once, shared, and let go least recently used first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nodes.parts import Handle
from nodes.weights.offload import on_device, one_by_one
from nodes.weights.open_network import bytes_of, open_to_compute
from nodes.weights.streaming import can_stream, streamed

if TYPE_CHECKING:
    from torch import nn

FRACTION = 0.8  # of a device's free memory; the rest is for activations
Key = tuple[str, str, str, str, str]  # part, fingerprint, dtype, device it works on, device it lives on


@dataclass
class Resident:
    """A network in memory."""

    network: nn.Module
    size: int
    users: int = 0


class Residency:
    """The networks in memory, within a budget of bytes for each device.

    Whoever uses a network has its device for himself; different devices work side by side.
    """

    def __init__(self, budgets: dict[str, int] | None = None) -> None:
        """`budgets` are bytes by device; any other device may use a share of its free memory."""
        self._budgets = dict(budgets or {})
        self._residents: OrderedDict[Key, Resident] = OrderedDict()
        self._lock = threading.RLock()
        self._devices: dict[str, threading.RLock] = {}

    @contextmanager
    def opened(self, handle: Handle) -> Iterator[Any]:
        """The network that `handle` names, ready on its device, for as long as the context lasts.

        Nobody else uses that device meanwhile. Raises CheckpointError or UnsupportedConfig if it is broken.
        """
        with self._device_lock(handle.device), ExitStack() as stack:
            if can_stream(handle):
                yield stack.enter_context(streamed(handle))
                return
            resident = self._enter(handle)
            stack.callback(self._leave, resident)
            if handle.offload != "none" and handle.device != "cpu":
                place = one_by_one if handle.offload == "sequential" else on_device
                stack.enter_context(place(resident.network, handle.device))
            yield resident.network

    def names(self) -> list[str]:
        """The parts that are in memory, least recently used first."""
        with self._lock:
            return [part for part, *_ in self._residents]

    def clear(self) -> None:
        """Let go of every network that nobody uses."""
        with self._lock:
            for key in [key for key, resident in self._residents.items() if not resident.users]:
                del self._residents[key]
        _release()

    def _enter(self, handle: Handle) -> Resident:
        home = handle.device if handle.offload == "none" else "cpu"
        key = (handle.part, handle.fingerprint, handle.dtype, handle.device, home)
        with self._lock:
            if key not in self._residents:
                size = bytes_of(handle)
                self._make_room(home, size)
                self._residents[key] = Resident(open_to_compute(handle, home), size)
            self._residents.move_to_end(key)
            resident = self._residents[key]
            resident.users += 1
            return resident

    def _leave(self, resident: Resident) -> None:
        with self._lock:
            resident.users -= 1

    def _make_room(self, home: str, size: int) -> None:
        """Let go of unused networks, least recently used first, until `size` more bytes fit."""
        if home not in self._budgets:
            self._budgets[home] = int(free_bytes(home) * FRACTION)
        here = [key for key in self._residents if key[-1] == home]
        taken = sum(self._residents[key].size for key in here)
        for key in here:
            if taken + size <= self._budgets[home]:
                return
            if not self._residents[key].users:
                taken -= self._residents.pop(key).size
                _release()

    def _device_lock(self, device: str) -> threading.RLock:
        with self._lock:
            return self._devices.setdefault(device, threading.RLock())


def free_bytes(device: str) -> int:
    """Memory of a device that is free now, in bytes."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    if device == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return _free_ram()


def _free_ram() -> int:
    import os
    from pathlib import Path

    meminfo = Path("/proc/meminfo")
    if meminfo.exists():  # what is in the page cache is as good as free
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        return int(fields["MemAvailable"].split()[0]) * 1024
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return 8 << 30


def _release() -> None:
    """Give memory of networks that were let go back to the devices."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


residency = Residency()
opened = residency.opened
