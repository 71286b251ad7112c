"""The text encoders of Kandinsky 2.0 side by side: multilingual CLIP, and mT5's encoder (Xue et al. 2020).

Both read the prompt, each with a tokenizer of its own. On the wire their tokens follow each other, those of
CLIP first, then those of mT5, all as wide as the wider ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor, cat, nn

from nodes.encoders import multilingual_clip, t5
from nodes.encoders.encoder import Encoder
from nodes.encoders.tokenizer import Tokenizer, Tokens, open_tokenizer
from nodes.files.reading import CheckpointError
from nodes.parts import TextEncoder

LENGTH = 77  # tokens of each; the UNet was trained with so many
MODEL_TYPE = "kandinsky-2.0"  # what the config of both together says
PARTS = ("multilingual_clip", "mt5")
SECOND_TOKENIZER = "tokenizer_2"


class TwoEncoders(nn.Module):
    """Parameter names are those of the two, behind the names of PARTS."""

    def __init__(self, multilingual_clip: nn.Module, mt5: nn.Module) -> None:
        super().__init__()
        self.multilingual_clip = multilingual_clip
        self.mt5 = mt5

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids and mask (B, 2L), CLIP's first -> CLIP's pooled (B, D), all hidden states (B, 2L, E).

        Padding has states, too, and the UNet attends to them.
        """
        (ids, second_ids), (mask, second_mask) = ids.chunk(2, dim=1), mask.chunk(2, dim=1)
        pooled, first = self.multilingual_clip(ids, mask)
        second = self.mt5.get_submodule("encoder")(input_ids=second_ids, attention_mask=second_mask)[0]
        width = max(first.shape[2], second.shape[2])
        states = (F.pad(part.to(pooled.dtype), (0, width - part.shape[2])) for part in (first, second))
        return pooled, cat([*states], dim=1)


class TwoTokenizers(Tokenizer):
    """Two tokenizers that read the same texts."""

    def __init__(self, first: Tokenizer, second: Tokenizer) -> None:
        self._both = (first, second)
        self.length = first.length + second.length

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokenise with both: ids and masks (B, 2L). Cut off is what one of them does not see."""
        one, two = (tokenizer(texts) for tokenizer in self._both)
        cut = tuple(max(ends, key=len) for ends in zip(one.cut, two.cut, strict=True))
        ids = np.concatenate([one.ids, two.ids], axis=1)
        mask = np.concatenate([one.mask, two.mask], axis=1)
        return Tokens(ids, mask, cut)

    def unknown_words(self, text: str) -> dict[str, str]:
        """Words that neither knows."""
        one, two = (tokenizer.unknown_words(text) for tokenizer in self._both)
        return {word: near for word, near in one.items() if word in two}


def build(config: Mapping[str, Any], where: str) -> TwoEncoders:
    """Both networks on the meta device. Raises CheckpointError for another network's config."""
    first, second = (_part(config, part, where) for part in PARTS)
    return TwoEncoders(
        multilingual_clip.build(first, f"{where}: {PARTS[0]}"),
        # mT5 is T5 with another tokenizer and without sharing the embedding with a decoder.
        t5.build({**second, "model_type": "t5"}, f"{where}: {PARTS[1]}"),
    )


def tokenizer(handle: TextEncoder) -> Tokenizer:
    """Both tokenizers."""
    where = f"{handle.folder}/config.json"
    first, second = (replace(handle, config=_part(handle.config, part, where)) for part in PARTS)
    folder = handle.root / SECOND_TOKENIZER
    if not folder.is_dir():
        raise CheckpointError(f"{handle.root} has no {SECOND_TOKENIZER}")
    second = replace(second, tokenizer=folder)
    one = open_tokenizer(first, "PreTrainedTokenizerFast", LENGTH)
    two = open_tokenizer(second, "T5Tokenizer", LENGTH)
    if one.length != two.length:
        raise CheckpointError(
            f"{handle.root}: the tokenizers make {one.length} and {two.length} tokens, expected the same"
        )
    return TwoTokenizers(one, two)


def read(model: Any, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Token ids and mask (B, 154) -> pooled (B, D) and hidden states (B, 154, E)."""
    return model(ids, mask)


def _part(config: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    part = config.get(name)
    if not isinstance(part, dict):
        raise CheckpointError(f"{where}: {name} is {part!r:.80}, expected the config of a text encoder")
    return part


ENCODER = Encoder(build, tokenizer, read, wide=t5.WIDE)
