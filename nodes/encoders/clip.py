"""CLIP's text encoder, which the priors read prompts with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nodes.encoders.encoder import Encoder
from nodes.encoders.tokenizer import open_tokenizer
from nodes.encoders.transformers_networks import text_encoder

if TYPE_CHECKING:
    from torch import Tensor


def read(model: Any, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    """Token ids (B, 77) -> the projected state of the last token (B, D) and all hidden states (B, 77, D).

    The encoder is causal and pays no heed to the padding behind a prompt, so it gets no mask.
    """
    encoded = model(input_ids=ids)
    return encoded.text_embeds, encoded.last_hidden_state


ENCODER = Encoder(text_encoder, open_tokenizer, read)
