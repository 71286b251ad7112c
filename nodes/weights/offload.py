"""Networks that live in CPU memory and visit a device only to work there.

Nothing is copied back: the tensors on the CPU stay where they are, and parameters point to them again later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def on_device(network: nn.Module, device: str) -> Iterator[None]:
    """The whole network is on `device` for as long as the context lasts."""
    with ExitStack() as stack:
        for module in network.modules():
            stack.enter_context(_moved(module, device))
        yield


@contextmanager
def one_by_one(network: nn.Module, device: str) -> Iterator[None]:
    """Each layer of the network is on `device` only while it computes: slow, for networks that do not fit.

    The network's own parameters (not its layers') are there all the time: its methods use them directly.
    """
    away: dict[nn.Module, ExitStack] = {}

    def fetch(module: nn.Module, _: object) -> None:
        away[module] = ExitStack()
        away[module].enter_context(_moved(module, device))

    def put_back(module: nn.Module, _: object, __: object) -> None:
        away.pop(module).close()

    with ExitStack() as stack:
        stack.enter_context(_moved(network, device))
        for module in network.modules():
            if module is not network and _own(module):
                stack.callback(module.register_forward_pre_hook(fetch).remove)
                stack.callback(module.register_forward_hook(put_back, always_call=True).remove)
        yield


def _own(module: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of the module itself, without its submodules."""
    return {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}


@contextmanager
def _moved(module: nn.Module, device: str) -> Iterator[None]:
    """The module's own tensors are on `device` for as long as the context lasts."""
    from torch import nn

    homes = _own(module)
    try:
        for name, home in homes.items():
            away = home.detach().to(device, non_blocking=True)
            visitor = nn.Parameter(away, requires_grad=False) if isinstance(home, nn.Parameter) else away
            setattr(module, name, visitor)
        yield
    finally:
        for name, home in homes.items():
            setattr(module, name, home)
