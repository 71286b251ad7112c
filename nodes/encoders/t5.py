"""T5's encoder (Raffel et al. 2020): the text encoder of Kandinsky 3, where it is Flan-UL2's of 8.7 billion
parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.encoders.encoder import Encoder
from nodes.encoders.tokenizer import Tokenizer, open_tokenizer
from nodes.encoders.transformers_config import read_config, words
from nodes.files.reading import CheckpointError
from nodes.parts import TextEncoder

LENGTH = 128  # tokens; the UNet of Kandinsky 3 was trained with so many, though T5 takes 512
FIELDS = words(
    "vocab_size d_model d_kv d_ff num_layers num_decoder_layers num_heads relative_attention_num_buckets "
    "relative_attention_max_distance dropout_rate layer_norm_epsilon feed_forward_proj pad_token_id "
    "eos_token_id n_positions classifier_dropout"
)
DERIVED = words("dense_act_fn is_gated_act scale_decoder_outputs output_past")  # from feed_forward_proj
WIDE = ("DenseReluDense.wo.weight",)
"""Too much for float16: what this layer adds up there leaves its range."""


class T5Encoder(nn.Module):
    """Parameter names are those of transformers' `T5EncoderModel`, the embedding's second name left out."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids (B, L), mask (B, L) of 0 and 1 -> hidden states (B, L, E), 0 on padding."""
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden * mask[:, :, None].to(hidden.dtype)


def build(config: Mapping[str, Any], where: str) -> T5Encoder:
    """The network on the meta device. Raises CheckpointError for another network's config."""
    from transformers import T5Config, T5EncoderModel

    stated = {name: value for name, value in config.items() if name not in DERIVED}
    sizes = read_config(T5Config, stated, where, FIELDS, {})
    try:
        with torch.device("meta"):
            return T5Encoder(T5EncoderModel(sizes).encoder)
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
        message = f"{type(error).__name__} {error}"[:200]
        raise CheckpointError(f"{where} describes no T5 encoder: {message}") from None


def tokenizer(handle: TextEncoder) -> Tokenizer:
    """T5's tokenizer."""
    return open_tokenizer(handle, "T5Tokenizer", LENGTH)


def read(model: Any, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Token ids (B, 128), mask (B, 128) -> the mean of the hidden states (B, E), and these (B, 128, E).

    T5 has no state for the whole prompt, and Kandinsky 3 uses none; the mean stands for it on the wire. No
    token looks at padding, so the network is spared what all prompts have of it.
    """
    longest = int(mask.sum(dim=1).max())
    hidden = model(ids[:, :longest], mask[:, :longest])
    hidden = F.pad(hidden, (0, 0, 0, ids.shape[1] - longest))
    return hidden.float().sum(dim=1) / mask.sum(dim=1, keepdim=True), hidden


ENCODER = Encoder(build, tokenizer, read, wide=WIDE, blocks="encoder.block", reads_nothing=False)
