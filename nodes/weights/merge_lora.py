"""Add LoRAs to the weights of a network."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from nodes.files.lora import Change, read_changes
from nodes.files.reading import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from nodes.parts import Handle


def merge(network: nn.Module, handle: Handle) -> None:
    """Add the handle's LoRAs to the network's weights, which may lie on any device, in any float type.

    All that is added to a layer is summed in float32 before it is rounded once. Raises CheckpointError where
    a file changed since it was checked.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    todo: dict[str, list[tuple[Any, Change, float]]] = defaultdict(list)
    with ExitStack() as stack, torch.no_grad():
        try:
            for lora in handle.loras:
                opened = stack.enter_context(safe_open(lora.file, framework="pt", device="cpu"))
                for layer, change in read_changes(lora.file, handle.part).items():
                    todo[layer].append((opened, change, lora.weight))
            for layer, changes in todo.items():
                _add(network.get_submodule(layer), changes)
        except (SafetensorError, OSError, AttributeError, RuntimeError) as error:
            raise CheckpointError(f"a LoRA cannot be added: {str(error).splitlines()[0]}") from None


def _add(layer: nn.Module, changes: list[tuple[Any, Change, float]]) -> None:
    from torch import nn

    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    total = weight.float()
    for opened, change, amount in changes:
        total = total + amount * _delta(opened, change, weight)
    layer.weight = nn.Parameter(total.to(weight.dtype), requires_grad=False)


def _delta(opened: Any, change: Change, weight: Tensor) -> Tensor:
    """What one LoRA adds to a weight at full strength, float32."""
    down, up = (
        opened.get_tensor(name).to(weight.device).float().flatten(1) for name in (change.down, change.up)
    )
    scale = change.scale
    if change.alpha is not None:
        scale = float(opened.get_tensor(change.alpha).float().reshape(-1)[0]) / change.rank
    product: Tensor = (up @ down).view(weight.shape)
    return scale * product
