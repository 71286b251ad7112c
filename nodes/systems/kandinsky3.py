"""Kandinsky 3: the UNet is conditioned by what T5 makes of the prompt alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nodes.systems.kandinsky22 import movq
from nodes.systems.system import Condition, Config, System
from nodes.wires import TextEmbeds

if TYPE_CHECKING:
    from torch import nn

STATES = 4096  # numbers of a token, where a config does not say it


def widths(config: Config) -> Mapping[str, Any]:
    """The size of the text encoder's states."""
    return {"hidden_states": config.get("encoder_hid_dim", STATES)}


def unet(config: Config) -> nn.Module:
    """The UNet of Kandinsky 3."""
    from nodes.networks.unet3 import UNet3, UNet3Config

    return UNet3(UNet3Config.read(config))


def no_text(text: TextEmbeds) -> TextEmbeds:
    """No prompt at all, of the same size: nothing but padding. To this UNet an empty prompt is another."""
    pooled, states, mask = (
        array[:1] for array in (text.text_embeds, text.hidden_states, text.attention_mask)
    )
    return TextEmbeds(np.zeros_like(pooled), np.zeros_like(states), np.zeros_like(mask), text.system)


def paired(positive: Condition, negative: Condition | None) -> tuple[Condition, Condition | None]:
    """The prompts cut to the tokens that count, and `lengths` (R,): how many count in each row.

    A prompt is pooled together with one token of padding, as the UNet was trained, and a negative one over no
    fewer tokens than the prompt that it belongs to. In a batch each row has its own length, so that its
    picture does not depend on the others.
    """
    lengths = [_count(positive)]
    if negative is not None:
        lengths.append(np.maximum(_count(negative), lengths[0]))
    longest = int(max(length.max() for length in lengths))
    cut = _cut(positive, longest, lengths[0])
    return cut, None if negative is None else _cut(negative, longest, lengths[1])


def _count(half: Condition) -> np.ndarray:
    """Tokens of each row (R,), and one of padding where there is room."""
    mask = half["attention_mask"]
    return np.minimum(mask.sum(axis=1) + 1, mask.shape[1])


def _cut(half: Condition, longest: int, lengths: np.ndarray) -> Condition:
    """The first `longest` tokens; where there are fewer, padding behind them."""
    states, mask = (half[name][:, :longest] for name in ("hidden_states", "attention_mask"))
    behind = [(0, 0), (0, longest - mask.shape[1])]
    return {
        "hidden_states": np.pad(states, [*behind, (0, 0)]),
        "attention_mask": np.pad(mask, behind),
        "lengths": lengths.astype(np.float32),
    }


def ahead(model: Any, condition: Any, times: Sequence[int]) -> Any:
    """What time and prompt make of the normalisations does not wait for the steps."""
    return model.ahead(condition, times)


SYSTEM = System(
    name="3",
    arrays=("hidden_states", "attention_mask"),
    widths=widths,
    schedulers=("ddpm", "ddim", "dpmpp_2m", "flash"),
    unet=unet,
    autoencoder=movq,
    no_text=no_text,
    weight=lambda guidance: guidance + 1,
    paired=paired,
    ahead=ahead,
    grey=True,
)
