"""The tokenizer: CLIP's byte-pair encoding with just enough merges that every known word is one token.

A merge that is added later never disturbs a word that was whole before (pairs are merged in the order of the
list), so the words are taken one by one and each gets the merges that it still lacks.
"""

import json
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from nodes.miniature.scenes.captions import VOCABULARY

LENGTH = 32  # tokens in a text, with begin and end
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def merges_for(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Merges under which byte-pair encoding makes one token of every word."""
    merges: dict[tuple[str, str], int] = {}
    for word in words:
        pieces = _encode(word, merges)
        while len(pieces) > 1:
            merges.setdefault((pieces[0], pieces[1]), len(merges))
            pieces = _encode(word, merges)
    return list(merges)


def _encode(word: str, merges: dict[tuple[str, str], int]) -> list[str]:
    pieces = [*word[:-1], word[-1] + WORD_END]
    while True:
        ranks = [merges.get(pair, len(merges)) for pair in pairwise(pieces)]
        if not ranks or min(ranks) == len(merges):
            return pieces
        i = ranks.index(min(ranks))
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]


def byte_letters() -> list[str]:
    """The printable character that stands for each of the 256 bytes in byte-level encodings (as GPT-2's)."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def build() -> CLIPTokenizer:
    """The tokenizer; the end token, which also pads, has the highest number, as CLIP's pooling wants it."""
    letters, merges = byte_letters(), merges_for(VOCABULARY)
    names = [*letters, *(letter + WORD_END for letter in letters), *("".join(pair) for pair in merges)]
    names += [BEGIN, END]
    return CLIPTokenizer(
        vocab={name: number for number, name in enumerate(names)}, merges=merges, model_max_length=LENGTH
    )


def save(folder: Path) -> None:
    """Write every file by which any release of transformers finds a CLIP tokenizer."""
    tokenizer = build()
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(tokenizer.get_vocab(), ensure_ascii=False))
    lines = [" ".join(pair) for pair in merges_for(VOCABULARY)]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]))
    special = {"bos_token": BEGIN, "eos_token": END, "pad_token": END, "unk_token": END}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2))
