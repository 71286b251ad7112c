"""The vocabulary in a SentencePiece model, which T5's checkpoints carry: a protocol buffer, read by hand.

Only what a unigram tokenizer needs is taken: the pieces with their scores, and the table that characters are
normalised with. Every length is checked before it is believed. (Format: sentencepiece_model.proto of
SentencePiece; protobuf.dev, "Encoding".)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nodes.files.reading import MOST_INDEX_BYTES, CheckpointError, read_bytes

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # how a field is stored
PIECES, TRAINER, NORMALIZER = 1, 2, 3  # fields of the model
PIECE, SCORE = 1, 2  # fields of a piece
CHARSMAP = 2  # field of the normalizer
MODEL_TYPE, UNIGRAM = 3, 1  # field of the trainer, and the kind of model that is known here
LONGEST_VARINT = 10


@dataclass(frozen=True)
class Pieces:
    """The pieces in the order of their ids, each with its score, and the normaliser's table (or b"")."""

    vocabulary: list[tuple[str, float]]
    charsmap: bytes


def read_pieces(path: Path) -> Pieces:
    """The pieces of the SentencePiece model in `path`. Raises CheckpointError for anything else."""
    content = read_bytes(path, MOST_INDEX_BYTES)
    vocabulary: list[tuple[str, float]] = []
    charsmap = b""
    try:
        for number, value in _fields(content):
            if number == PIECES:
                vocabulary.append(_piece(value))
            elif number == NORMALIZER:
                charsmap = _bytes(dict(_fields(_bytes(value))).get(CHARSMAP, b""))
            elif number == TRAINER and dict(_fields(_bytes(value))).get(MODEL_TYPE, UNIGRAM) != UNIGRAM:
                raise ValueError("its model is not of the unigram kind")
    except (ValueError, struct.error, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is no SentencePiece model: {error}") from None
    if not vocabulary:
        raise CheckpointError(f"{path} is no SentencePiece model: it has no pieces")
    if charsmap and not sound_charsmap(charsmap):
        raise CheckpointError(f"{path} is no SentencePiece model: its table of characters is damaged")
    return Pieces(vocabulary, charsmap)


def sound_charsmap(charsmap: bytes) -> bool:
    """Whether the length that a normaliser's table states is within it.

    The tokenizers library requests memory for the stated length unseen, up to 8.6 GB, and aborts without it.
    """
    size = int.from_bytes(charsmap[:4], "little")
    return 0 < size <= len(charsmap) - 4 and size % 4 == 0


def _piece(value: bytes | int) -> tuple[str, float]:
    stated = dict(_fields(_bytes(value)))
    (score,) = struct.unpack("<f", _bytes(stated.get(SCORE, b"\0\0\0\0")))
    return _bytes(stated.get(PIECE, b"")).decode(), score


def _bytes(value: bytes | int) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where a text was expected")
    return value


def _fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message in order: number, and the value as a whole number or as bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == LENGTH:
            size, at = _varint(message, at)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            size = 8 if kind == EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of the unknown kind {kind}")
        if at + size > len(message):
            raise ValueError("it is cut off")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The whole number at `at`, seven bits a byte, and where it ends."""
    value = 0
    for i, byte in enumerate(message[at : at + LONGEST_VARINT]):
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value, at + i + 1
    raise ValueError("it is cut off")
