"""Multilingual CLIP: XLM-R, and a linear map of the mean of its states into CLIP's space.

Carlsson et al. 2022, Cross-lingual and Multilingual CLIP. The text encoder of the decoder of Kandinsky 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nodes.encoders.encoder import Encoder
from nodes.encoders.tokenizer import Tokenizer, open_tokenizer
from nodes.encoders.transformers_config import LARGEST_SIZE, read_config, words
from nodes.files.reading import CheckpointError
from nodes.parts import TextEncoder

LENGTH = 77  # tokens; the decoder was trained with so many, though XLM-R takes 512
FIELDS = words(
    "hidden_size intermediate_size num_hidden_layers num_attention_heads hidden_act layer_norm_eps "
    "vocab_size max_position_embeddings type_vocab_size pad_token_id bos_token_id eos_token_id "
    "hidden_dropout_prob attention_probs_dropout_prob"
)
FIXED: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("absolute",),
    "classifier_dropout": (None,),
    "output_past": (True, False),
}


class MultilingualCLIP(nn.Module):
    """Parameter names are those of the checkpoints."""

    def __init__(self, transformer: nn.Module, width: int, embedding_dim: int) -> None:
        super().__init__()
        self.transformer = transformer
        self.LinearTransformation = nn.Linear(width, embedding_dim)

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids (B, L), mask (B, L) of 0 and 1 -> pooled (B, D) and hidden states (B, L, E)."""
        hidden = self.transformer(input_ids=ids, attention_mask=mask)[0]
        counted = mask[..., None].to(hidden.dtype)
        mean = (hidden * counted).sum(dim=1) / counted.sum(dim=1)
        return self.LinearTransformation(mean), hidden


def build(config: Mapping[str, Any], where: str) -> MultilingualCLIP:
    """The network on the meta device. Raises CheckpointError for another network's config."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    stated = dict(config)
    sizes = {
        name: stated.pop(name, default)
        for name, default in (("transformerDimensions", 1024), ("numDims", 768))
    }
    for name, size in sizes.items():
        if type(size) is not int or not 1 <= size <= LARGEST_SIZE:
            raise CheckpointError(f"{where}: {name} is {size!r:.80}, expected 1 to {LARGEST_SIZE}")
    stated["model_type"] = XLMRobertaConfig.model_type
    read = read_config(XLMRobertaConfig, stated, where, FIELDS, FIXED)
    width, embedding_dim = sizes.values()
    if width != read.hidden_size:
        raise CheckpointError(
            f"{where}: transformerDimensions is {width}, expected hidden_size, {read.hidden_size}"
        )
    try:
        with torch.device("meta"):
            return MultilingualCLIP(XLMRobertaModel(read), width, embedding_dim)
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
        message = f"{type(error).__name__} {error}"[:200]
        raise CheckpointError(f"{where} describes no multilingual CLIP: {message}") from None


def tokenizer(handle: TextEncoder) -> Tokenizer:
    """XLM-R's tokenizer."""
    return open_tokenizer(handle, "PreTrainedTokenizerFast", LENGTH)


def read(model: Any, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Token ids (B, 77), mask (B, 77) -> pooled (B, D) and hidden states (B, 77, E)."""
    return model(ids, mask)


ENCODER = Encoder(build, tokenizer, read)
