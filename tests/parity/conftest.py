"""What all parity tests share."""

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def _randomise(module: Network, seed: int) -> Network:
    """Give every parameter, also those that start at 0 or 1, a random value; signals stay below about 1."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.named_parameters():
            noise = torch.randn(value.shape, generator=source)
            if name.endswith("clip_std"):
                value.copy_(0.5 + torch.rand(value.shape, generator=source))
            elif name.endswith("bias"):
                value.copy_(0.1 * noise)
            elif value.ndim == 1:
                value.copy_(1 + 0.2 * noise)
            elif value.shape[0] == 1:  # positions, learned tokens, means
                value.copy_(0.3 * noise)
            else:
                value.copy_(0.5 * noise * value[0].numel() ** -0.5)
    return module.eval()


@pytest.fixture(scope="session")
def randomise() -> Callable[[Network, int], Network]:
    """`randomise(module, seed)` randomises every parameter in place and returns the module, in eval mode."""
    return _randomise
