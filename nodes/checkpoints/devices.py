"""What "auto" means for device and dtype, found without importing torch."""

import ctypes
import importlib.util
import platform
import re
import sys
from functools import cache
from pathlib import Path

from graph.context import Unavailable

DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


def resolve_device(device: str, override: str = "auto") -> str:
    """The device that `device` means here; `override` (the command line's) replaces only "auto".

    Raises ValueError for a device that does not exist anywhere, Unavailable for one that this machine lacks.
    """
    wanted = override if device == "auto" else device
    if not DEVICE.fullmatch(wanted):
        raise ValueError(f"device is {wanted!r}, expected auto, cpu, cuda, mps or cuda:N")
    if wanted == "auto":
        return "cuda" if cuda_devices() else "mps" if has_mps() else "cpu"
    number = int(wanted.partition(":")[2] or 0)
    if wanted.startswith("cuda") and number >= cuda_devices():
        raise Unavailable(
            f"device {wanted} is not on this machine, which has {cuda_devices()} for this torch"
        )
    if wanted == "mps" and not has_mps():
        raise Unavailable("device mps is not on this machine: it needs a Mac with Apple silicon")
    return wanted


def resolve_dtype(dtype: str, device: str) -> str:
    """The dtype that `dtype` means on `device`: auto is float16 on an accelerator and float32 on a CPU."""
    if dtype != "auto":
        return dtype
    return "float32" if device == "cpu" else "float16"


@cache
def cuda_devices() -> int:
    """How many GPUs the installed torch could use as "cuda" (NVIDIA's, or AMD's with a ROCm build)."""
    spec = importlib.util.find_spec("torch")
    version = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    text = version.read_text() if version and version.is_file() else ""
    built_for = dict(re.findall(r"^(cuda|hip)\b[^=]*=\s*'([^']+)'", text, re.MULTILINE))
    return _count_nvidia() if "cuda" in built_for else _count_amd() if "hip" in built_for else 0


@cache
def has_mps() -> bool:
    """Whether this is a Mac with Apple silicon."""
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _count_nvidia() -> int:
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        ready = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    except OSError:
        return 0
    return count.value if ready else 0


def _count_amd() -> int:
    # The kernel's topology lists processors too; only those with SIMD units are GPUs.
    nodes = Path("/sys/class/kfd/kfd/topology/nodes").glob("*/properties")
    return sum(bool(re.search(r"^simd_count [1-9]", node.read_text(), re.MULTILINE)) for node in nodes)
