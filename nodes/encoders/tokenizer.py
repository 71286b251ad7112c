"""Tokenizers from a checkpoint's folder, and what of a text they do not understand."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.files.reading import MOST_CONFIG_BYTES, MOST_INDEX_BYTES, CheckpointError
from nodes.files.sentencepiece import sound_charsmap
from nodes.parts import TextEncoder

SMALL_VOCABULARY = 5000  # tokens; CLIP's own has 49408 and can spell every word
LONGEST = 4096  # tokens; an empty tokenizer says 1e30
POSITIONS = {"CLIPTokenizer": 77}  # tokens that an encoder takes whose config does not say it
WORD_END = "</w>"


@dataclass(frozen=True)
class Tokens:
    """Texts as numbers: ids (B, L), mask (B, L) with 0 on padding, and for each text what was cut off."""

    ids: NDArray[np.int64]
    mask: NDArray[np.float32]
    cut: tuple[str, ...]


class Tokenizer:
    """A tokenizer that fits the text encoder beside it."""

    def __init__(self, tokens: Any, length: int, vocabulary: frozenset[str] | None = None) -> None:
        """`vocabulary` are the words a small checkpoint knows; None stands for all words."""
        self._tokens = tokens
        self.length = length
        self._vocabulary = vocabulary

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Tokenise, padded and truncated to the encoder's length L."""
        ids = np.full((len(texts), self.length), self._tokens.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(texts), self.length), dtype=np.float32)
        cut = []
        for row, text in enumerate(texts):
            encoded = self._tokens(text, return_offsets_mapping=True, verbose=False)
            whole, offsets = encoded["input_ids"], encoded["offset_mapping"]
            kept = whole if len(whole) <= self.length else [*whole[: self.length - 1], whole[-1]]
            ids[row, : len(kept)], mask[row, : len(kept)] = kept, 1
            cut.append("" if len(kept) == len(whole) else text[offsets[self.length - 1][0] :])
        return Tokens(ids, mask, tuple(cut))

    def unknown_words(self, text: str) -> dict[str, str]:
        """Words that a small checkpoint never learned, each with the nearest known one ("" if none is near).

        Known is what the checkpoint's vocabulary.txt lists; without that file, what is one token of a small
        vocabulary. A large one spells what it has no token for in pieces that mean something.
        """
        if self._vocabulary is None:
            return {}
        known = sorted(self._vocabulary)
        unknown = [word for word in self._words(text) if word not in self._vocabulary]
        return {word: next(iter(get_close_matches(word, known, n=1)), "") for word in unknown}

    def _words(self, text: str) -> list[str]:
        """The words (no punctuation) as the tokenizer splits them, each once."""
        backend = self._tokens.backend_tokenizer
        normal = backend.normalizer.normalize_str(text)
        spans = [span for _, span in backend.pre_tokenizer.pre_tokenize_str(normal)]
        words = (normal[start:end].strip() for start, end in spans)
        return list(dict.fromkeys(word for word in words if any(map(str.isalnum, word))))


def open_tokenizer(handle: TextEncoder, kind: str = "CLIPTokenizer", longest: int = LONGEST) -> Tokenizer:
    """The tokenizer of a text encoder, a `kind` of transformers, for at most `longest` tokens.

    Raises CheckpointError for one that is empty or another encoder's.
    """
    return _open(handle, kind, longest)


@lru_cache(maxsize=4)
def _open(handle: TextEncoder, kind: str, longest: int) -> Tokenizer:
    import transformers

    folder = handle.tokenizer
    if any(file.stat().st_size > MOST_INDEX_BYTES for file in folder.iterdir()):
        raise CheckpointError(
            f"{folder} holds a file larger than {MOST_INDEX_BYTES >> 20} MB, no tokenizer has that"
        )
    try:
        if kind == "T5Tokenizer" and not (folder / "tokenizer.json").exists():
            tokens = _from_pieces(folder)
        else:
            _check_table(folder / "tokenizer.json")
            tokens = getattr(transformers, kind).from_pretrained(folder, local_files_only=True)
    except CheckpointError:
        raise
    except BaseException as error:  # the tokenizers library raises plain Exception, or panics
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise CheckpointError(f"the tokenizer in {folder} cannot be read: {str(error)[:200]}") from None
    vocabulary, positions = (
        handle.config.get("vocab_size", 49408),
        handle.config.get("max_position_embeddings", POSITIONS.get(kind, longest)),
    )
    # transformers makes an empty tokenizer, without a word, of files that it cannot find.
    counts = f"it knows {len(tokens)} tokens, the text encoder {vocabulary}"
    endless = longest >= LONGEST and tokens.model_max_length > LONGEST
    if endless or len(tokens) < vocabulary // 2:
        raise CheckpointError(f"the tokenizer in {folder} did not load properly: {counts}")
    if max(tokens.get_vocab().values()) >= vocabulary:
        raise CheckpointError(f"the tokenizer in {folder} is for another text encoder: {counts}")
    if tokens.pad_token_id is None:
        raise CheckpointError(
            f"the tokenizer in {folder} has no pad_token, which short prompts are filled with"
        )
    return Tokenizer(
        tokens, min(tokens.model_max_length, positions, longest), _vocabulary(handle.root, tokens)
    )


def _check_table(file: Path) -> None:
    """Raises CheckpointError where a normaliser in a tokenizer.json has a damaged table."""
    if not file.is_file():
        return
    stated = json.loads(file.read_bytes())
    pending = [stated.get("normalizer")] if isinstance(stated, dict) else []
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            table = value.get("precompiled_charsmap")
            if isinstance(table, str) and table and not sound_charsmap(base64.b64decode(table)):
                raise CheckpointError(f"{file}: the normaliser's table of characters is damaged")
            pending += value.values()


def _from_pieces(folder: Path) -> Any:
    """T5's tokenizer from its SentencePiece model, which transformers needs two more libraries for."""
    from transformers import T5Tokenizer

    from nodes.files.sentencepiece import read_pieces

    pieces = read_pieces(folder / "spiece.model")
    table = pieces.charsmap or None
    return T5Tokenizer(vocab=pieces.vocabulary, _spm_precompiled_charsmap=table, extra_ids=0)


def _vocabulary(root: Path, tokens: Any) -> frozenset[str] | None:
    listed = root / "vocabulary.txt"
    if listed.is_file() and listed.stat().st_size <= MOST_CONFIG_BYTES:
        return frozenset(listed.read_text(encoding="utf-8", errors="replace").lower().split())
    if len(tokens) > SMALL_VOCABULARY:
        return None
    whole = [token for token in tokens.get_vocab() if token.endswith(WORD_END)]
    return frozenset(token.removesuffix(WORD_END) for token in whole) or None
