"""What the most hostile requests cost a real server: memory at its peak, seconds, memory afterwards.

    python -m tests.benchmarks.bench_requests
    python -m tests.benchmarks.bench_requests --wait 5

The limits are those of docs/SECURITY.md: 600 MB more at the peak, 10 s, and 100 MB more a minute later. Exits
with 1 where one is broken.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import platform
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.browser.conftest import start_server, stop

PEAK_MB, SECONDS, AFTER_MB = 600, 10, 100
PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    crc = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + crc


def blank_png(side: int, tag: int = 0, extra: bytes = b"") -> bytes:
    """A grey picture of one value, as small as a file of so many pixels can be."""
    head = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    row = b"\0" + bytes([tag % 256]) * (3 * side)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return PNG + chunk(b"IHDR", head) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def workflow(assets: list[bytes]) -> str:
    """The text of a workflow that carries these pictures."""
    carried = {hashlib.sha256(data).hexdigest(): base64.b64encode(data).decode() for data in assets}
    return json.dumps({"format": "kandinsky-workflow", "version": 1, "nodes": {}, "assets": carried})


def question(asked: str, **fields: object) -> bytes:
    """The body of a question of the canvas."""
    body = {"fn_name": asked, "data": json.dumps(fields), "component_id": 1, "session_hash": "s"}
    return json.dumps(body).encode()


def bodies(scale: float = 1.0) -> dict[str, tuple[str, list[bytes]]]:
    """Name -> address, and the bodies that are sent to it at once; `scale` makes them smaller."""
    mega = int(scale * 2**20)
    side = int(8192 * scale**0.5)
    inflated = b"kandinsky-workflow\0\1\0\0\0" + zlib.compress(b" " * (64 * mega))
    values = "[" + ",".join(["[]"] * int(1_200_000 * scale)) + "]"
    nested = f'{{"format": "kandinsky-workflow", "version": 1, "nodes": {{}}, "ui": {values}}}'
    texts = [f'"n{i}": {{"type": "text", "params": {{"value": "{i}"}}}}' for i in range(int(200_000 * scale))]
    many = f'{{"format": "kandinsky-workflow", "version": 1, "nodes": {{{", ".join(texts)}}}}}'
    large = [blank_png(side, i) for i in range(12)]
    forty = json.loads(workflow([blank_png(side // 6, i) for i in range(40)]))
    saved = {"name": "a", "workflow": forty, "revision": None}
    return {
        "empty JPEG segments": ("/kandinsky/open", [b"\xff\xd8" + b"\xff\xe0\0\2" * (37 * mega)]),
        "empty PNG chunks": ("/kandinsky/open", [PNG + chunk(b"aaAa", b"") * (12 * mega)]),
        "empty WebP chunks": ("/kandinsky/open", [b"RIFF\0\0\0\0WEBP" + b"aaaa\0\0\0\0" * (18 * mega)]),
        "a compressed text of 64 MB": ("/kandinsky/open", [blank_png(8, extra=chunk(b"iTXt", inflated))]),
        "12 pictures of 67 million pixels": ("/kandinsky/picture", large),
        "40 pictures as assets": ("/gradio_api/component_server", [question("save", **saved)]),
        "12 large pictures as assets": ("/kandinsky/open", [workflow(large).encode()]),
        "millions of values": ("/kandinsky/open", [nested.encode()]),
        "many nodes to plan": ("/gradio_api/component_server", [question("plan", workflow=json.loads(many))]),
        "a question of empty lists": (
            "/gradio_api/component_server",
            [b'{"fn_name": "hello", "data": [' + b"[]," * (50 * mega) + b"0]}"],
        ),
        "a call of empty lists": (
            "/gradio_api/queue/join",
            [b'{"session_hash": "lists", "fn_index": 0, "data": [' + b"[]," * (50 * mega) + b"0]}"],
        ),
        "a text of 60 MB": ("/gradio_api/component_server", [question("plan", workflow="x" * (60 * mega))]),
    }


def resident(process: int, field: str = "VmRSS") -> float:
    """Megabytes that a process has in memory, now or (VmHWM) at most since `forget_peak`."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def forget_peak(process: int) -> None:
    """Begin a new peak."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def send(url: str, address: str, sent: list[bytes]) -> tuple[float, set[int]]:
    """Send bodies at once; the seconds until all are answered, and the statuses."""
    statuses: set[int] = set()

    def post(body: bytes) -> None:
        statuses.add(httpx.post(url.rstrip("/") + address, content=body, timeout=300).status_code)

    threads = [threading.Thread(target=post, args=(body,)) for body in sent]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - start, statuses


def measure(
    url: str, process: int, wait: float, scale: float, show: Callable[[str], None]
) -> list[tuple[str, float, float, float]]:
    """Name, megabytes at the peak, seconds for one body, and megabytes after `wait`, for each attack."""
    found = []
    for name, (address, sent) in bodies(scale).items():
        before = resident(process)
        forget_peak(process)
        seconds, statuses = send(url, address, sent)
        peak = resident(process, "VmHWM") - before
        time.sleep(wait)
        after = resident(process) - before
        found.append((name, peak, seconds / len(sent), after))
        show(f"{name:34} {peak:8.0f} MB {seconds / len(sent):7.1f} s {after:8.0f} MB   {sorted(statuses)}")
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wait", type=float, default=60, help="seconds before the last look (60)")
    parser.add_argument("--scale", type=float, default=1.0, help="how large the bodies are (1.0)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server, process = start_server(Path(folder))
        try:
            print(f"{platform.machine()}, {platform.processor() or platform.platform()}")
            print(f"{'request':34} {'peak':>11} {'a request':>9} {'later':>11}")
            send(server.url, "/kandinsky/picture", [blank_png(64)])  # what is imported once
            found = measure(server.url, process.pid, options.wait, options.scale, print)
        finally:
            stop(process)
    broken = [
        name
        for name, peak, seconds, after in found
        if peak > PEAK_MB or seconds > SECONDS or after > AFTER_MB
    ]
    print(f"over the limits: {', '.join(broken)}" if broken else "all within the limits")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
