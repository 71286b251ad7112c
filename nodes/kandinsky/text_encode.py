"""Prompts into text embeds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from graph.node import Multiline, Progress, node
from nodes.facts import of_text
from nodes.parts import TextEncoder
from nodes.wires import TextEmbeds

if TYPE_CHECKING:
    from torch import Tensor

    from nodes.encoders.tokenizer import Tokens

ROWS_AT_ONCE = 16
MOST_PROMPTS = 1000  # what 400 MB of embeds are for
SHOWN = 80  # characters of a prompt in a message


@node(title="Text encode", group="Kandinsky", facts=of_text)
def text_encode(
    text_encoder: Annotated[TextEncoder, "The network that reads the prompt."],
    *,
    text: Annotated[str, Multiline(), "The prompt: what the picture shows."] = "",
    lines: Annotated[bool, "Each line is a prompt of its own: they become a batch."] = False,
    progress: Progress,
) -> TextEmbeds:
    """Read a prompt.

    Words beyond the encoder's limit are cut off, and a small checkpoint does not know every word; both are
    reported. An empty prompt is fine.

    The miniature draws one or two of: sphere, cube, cone, cylinder, ring, star, house, tree; in red, orange,
    yellow, green, blue, purple, pink or white; small, medium or large; on the left, in the middle, on the
    right; one left of, right of, in front of or behind the other; on grass, sand, snow, water or stone; by
    day, at sunset, at night or in a storm. "a large red cube left of a small blue ring on sand at sunset" is
    a good prompt for it.
    """
    from nodes.encoders import encoder_of
    from nodes.weights.residency import opened

    prompts = [line.strip() for line in text.splitlines() if line.strip()] if lines else [text]
    prompts = prompts or [""]
    if len(prompts) > MOST_PROMPTS:
        raise ValueError(f"there are {len(prompts):,} lines; at most {MOST_PROMPTS:,} prompts go together")
    encoder = encoder_of(text_encoder)
    tokenizer = encoder.tokenizer(text_encoder)
    tokens = tokenizer([*prompts, ""] if encoder.reads_nothing else prompts)
    for prompt, cut in zip(prompts, tokens.cut, strict=False):
        if cut:
            progress.warn(f"the prompt is too long; this end of it was cut off: {_short(cut)}")
        for word, near in tokenizer.unknown_words(prompt.removesuffix(cut)).items():
            hint = f"; it knows {near!r}" if near else ""
            progress.warn(f"this checkpoint does not know the word {word!r:.{SHOWN}}{hint}")
    with opened(text_encoder) as model:
        pooled, hidden = _encode(partial(encoder.read, model), tokens, text_encoder.device, progress)
    count = len(prompts)
    made: dict[str, Any] = {"text_embeds": pooled, "hidden_states": hidden, "attention_mask": tokens.mask}
    empty = {f"empty_{name}": array[count:] for name, array in made.items() if encoder.reads_nothing}
    prompted = {name: array[:count] for name, array in made.items()}
    return TextEmbeds(**prompted, **empty, system=text_encoder.system)


def _encode(
    read: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], tokens: Tokens, device: str, progress: Progress
) -> tuple[Any, Any]:
    """What `read` makes of the tokens of B prompts, a few at once: pooled (B, D), hidden states (B, L, E)."""
    import torch

    from nodes.batches import check_room

    pooled, hidden = [], []
    with torch.inference_mode():
        for i in range(0, len(tokens.ids), ROWS_AT_ONCE):
            progress.check()
            rows = (torch.from_numpy(array[i : i + ROWS_AT_ONCE]) for array in (tokens.ids, tokens.mask))
            ids, mask = (row.to(device) for row in rows)
            some = read(ids, mask)
            check_room("the text embeds", (len(tokens.ids), *some[1].shape[1:]))
            pooled.append(some[0])
            hidden.append(some[1])
    return torch.cat(pooled), torch.cat(hidden)


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
