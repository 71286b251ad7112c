"""What each of the networks that read prompts can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nodes.encoders.tokenizer import Tokenizer
from nodes.parts import TextEncoder

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Encoder:
    """One kind of text encoder."""

    build: Callable[[Mapping[str, Any], str], nn.Module]
    """The network on the meta device, from its config and the config's place; CheckpointError for another."""
    tokenizer: Callable[[TextEncoder], Tokenizer]
    read: Callable[[Any, Tensor, Tensor], tuple[Tensor, Tensor]]
    """Network, token ids (B, L), mask (B, L) -> pooled (B, D) and hidden states (B, L, E)."""
    wide: tuple[str, ...] = ()
    """Endings of the names of weights that float16 is too narrow for."""
    blocks: str | None = None
    """Where the blocks lie that can be read one by one, in a network that is too large for memory."""
    reads_nothing: bool = True
    """Whether it is wanted what the network makes of the empty prompt, for where there is no negative one."""
