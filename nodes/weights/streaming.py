"""Text encoders that are larger than the memory: their blocks are read when they compute, and not kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeGuard

from nodes.encoders import encoder_of, transformers_networks
from nodes.files import tensors
from nodes.parts import Handle, TextEncoder
from nodes.weights.open_network import build

if TYPE_CHECKING:
    from torch import nn


def can_stream(handle: Handle) -> TypeGuard[TextEncoder]:
    """Whether the network that `handle` names is asked to, and can, be read block by block."""
    return (
        isinstance(handle, TextEncoder)
        and handle.offload == "sequential"
        and encoder_of(handle).blocks is not None
    )


@contextmanager
def streamed(handle: TextEncoder) -> Iterator[nn.Module]:
    """The network that `handle` names, on its device; of its blocks only the one that computes has weights.

    Each is mapped from the file, brought to the handle's dtype and device, and let go again: memory holds
    what lies outside of the blocks, and one block. Raises CheckpointError as opening it whole would.
    """
    network, encoder = build(handle), encoder_of(handle)
    stored = tensors.stored_tensors(handle.weights, transformers_networks.IGNORED)
    tensors.check(network, stored, handle.folder)
    assert encoder.blocks is not None  # can_stream
    blocks = network.get_submodule(encoder.blocks)
    inside = tuple(f"{encoder.blocks}.{number}." for number, _ in blocks.named_children())
    outside = {name: entry for name, entry in stored.items() if not name.startswith(inside)}
    tensors.fill(network, outside, handle.dtype, handle.device, encoder.wide)
    with ExitStack() as stack:
        for prefix, block in zip(inside, blocks.children(), strict=True):
            within = {name.removeprefix(prefix): stored[name] for name in stored if name.startswith(prefix)}
            _stream(block, within, handle, encoder.wide, stack)
        yield network


def _stream(
    block: nn.Module,
    stored: dict[str, tuple[str, tensors.Stored]],
    handle: TextEncoder,
    wide: tuple[str, ...],
    stack: ExitStack,
) -> None:
    """Have `block` filled before it computes, and emptied after, until `stack` is closed."""
    empty = block.state_dict()

    def fetch(module: nn.Module, _: object) -> None:
        tensors.fill(module, stored, handle.dtype, handle.device, wide)

    def let_go(module: nn.Module, _: object, __: object) -> None:
        module.load_state_dict(empty, assign=True)

    stack.callback(block.register_forward_pre_hook(fetch).remove)
    stack.callback(block.register_forward_hook(let_go, always_call=True).remove)
