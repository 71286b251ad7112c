"""One training run by several processes of one thread each: they meet once a step to average gradients.

On two busy cores this is faster than one process of two threads, which meet at every operation.
"""

import os
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist
from torch import Tensor, nn


def together(work: Callable[..., object], arguments: tuple[object, ...], processes: int) -> None:
    """Call `work(*arguments)` in this process, the first, and in `processes - 1` others at the same time."""
    torch.set_num_threads(1)
    if processes == 1:
        work(*arguments)
        return
    with TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        context = get_context("spawn")
        others = [
            context.Process(target=_join, args=(work, arguments, meeting, rank, processes))
            for rank in range(1, processes)
        ]
        for other in others:
            other.start()
        _join(work, arguments, meeting, 0, processes)
        for other in others:
            other.join()


def _join(
    work: Callable[..., object], arguments: tuple[object, ...], meeting: Path, rank: int, processes: int
) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    try:
        work(*arguments)
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process; the first, 0, alone writes files."""
    return dist.get_rank() if dist.is_initialized() else 0


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes."""
    if processes() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= processes()
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def agree(values: list[float]) -> list[float]:
    """The first process's values, in every process."""
    if processes() == 1:
        return values
    shared: Tensor = torch.tensor(values, dtype=torch.float64)
    dist.broadcast(shared, 0)
    return [float(value) for value in shared]
