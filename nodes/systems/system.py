"""In what the generations of Kandinsky differ, as far as the denoiser and the autoencoder are concerned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from nodes.wires import Array, TextEmbeds

Config = Mapping[str, Any]
Condition = Mapping[str, "Array"]
"""The arrays (R, ...) that condition a UNet, or those that guidance leads away from, by name."""

IMAGE = ("image_embeds",)
TEXT = ("text_embeds", "hidden_states", "attention_mask")
"""The arrays on the wires that condition a UNet."""


@dataclass(frozen=True)
class System:
    """One generation. Its UNets have `condition(**arrays, hint=...)` and `__call__(x, t, condition)`, its
    autoencoders `encode(image)` and `decode(latents)`.
    """

    name: str
    arrays: tuple[str, ...]
    """What conditions the UNet: names out of IMAGE and TEXT, the keywords of its `condition`."""
    widths: Callable[[Config], Mapping[str, Any]]
    """The size of the last axis of these arrays that a UNet of this config takes."""
    schedulers: tuple[str, ...]
    unet: Callable[[Config], nn.Module]
    """The UNet of a config.json; UnsupportedConfig for what it cannot do."""
    autoencoder: Callable[[Config], nn.Module]
    no_text: Callable[[TextEmbeds], TextEmbeds] | None = None
    """What guidance leads away from where no negative prompt is linked, from the prompt's embeds; None where
    there must be one."""
    paired: Callable[[Condition, Condition | None], tuple[Condition, Condition | None]] = lambda *both: both
    """What is done to the arrays before the UNet's `condition`, from both sides of guidance."""
    ahead: Callable[[Any, Any, Sequence[int]], Any] = lambda model, condition, times: condition  # noqa: ARG005
    """The condition with what several steps need, prepared for a run through these times."""
    weight: Callable[[float], float] = lambda guidance: guidance
    """How far the output goes from the negative one (0) through the positive one (1) and beyond."""
    grey: bool = False
    """How an inpainting UNet is shown what is kept of a picture: False for the picture's latents with 0 in
    the part that is repainted, grown by one latent, and then what is kept; True for what is kept, and then
    the latents of the picture with grey in that part.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """The inputs of the denoiser that a UNet must have, besides those of its variant."""
        wires = {"image_embeds": IMAGE, "text_embeds": TEXT}
        led = [wire for wire, arrays in wires.items() if set(arrays) & set(self.arrays)]
        both = [name for wire in led for name in (wire, f"negative_{wire}")]
        return tuple(name for name in both if name not in self.may_have)

    @property
    def may_have(self) -> tuple[str, ...]:
        """The inputs of the denoiser that mean something to a UNet and may be left out."""
        return ("negative_text_embeds",) if self.no_text is not None else ()
