"""What a run of the denoiser starts from: inputs brought to one size and one number of rows. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nodes.batches import check_room, count_rows, spread
from nodes.parts import UNet
from nodes.sampling.denoise_checks import NEGATIVES
from nodes.sampling.latent_sizes import latent_size, pad_edges, round_up, unet_multiple
from nodes.systems import system_of
from nodes.systems.system import IMAGE
from nodes.wires import DepthHint, Latents, Mask

if TYPE_CHECKING:
    from nodes.wires import Array

HINT_FACTOR = 8  # pixels of a hint for each latent, in each direction: the ControlNet's own layers say so


@dataclass(frozen=True)
class Span:
    """Which steps of a run are done: `first` up to, not including, `end` of `steps`."""

    steps: int
    first: int
    end: int
    goes_on: bool
    """The start latents are at the noise of step `first` already."""

    @classmethod
    def of(cls, steps: int, strength: float, start_step: int, end_step: int | None, starts: bool) -> Span:
        """The steps that the params ask for; `starts` says whether there are latents to start from.

        Raises ValueError for params that contradict each other.
        """
        from nodes.schedulers.timesteps import first_step

        end = steps if end_step is None else end_step
        if not starts and (start_step > 0 or strength < 1):
            raise ValueError("a strength below 1, or a start_step, needs latents to start from")
        if start_step > 0:
            return cls(steps, start_step, end, goes_on=True)
        return cls(steps, first_step(steps, strength), end, goes_on=False)


@dataclass(frozen=True)
class Task:
    """The inputs of a run, R rows each, at the size of the latents (C, h, w)."""

    rows: int
    shape: tuple[int, int, int]
    positive: Mapping[str, Array]  # what conditions the UNet, (R, ...) each, by the names of its system
    negative: Mapping[str, Array] | None  # the same for what guidance leads away from; None without guidance
    start: Array | None  # (R, C, h, w)
    masked: bool  # the start picture is grey where it is repainted
    keep: Array | None  # (R, 1, h, w), 1 where the start picture is kept
    hint: Array | None  # (R, 3, 8h, 8w)
    noise: Array | None  # (R, C, h, w)


def picture_size(latents: Latents | None, width: int | None, height: int | None) -> tuple[int, int]:
    """The width and height of the result. Raises ValueError where latents and a written size differ."""
    if latents is None:
        assert width is not None and height is not None  # resolved while planning
        return width, height
    for side, written in (("width", width), ("height", height)):
        there = getattr(latents, side)
        if written not in (None, there):
            raise ValueError(
                f"{side} is {written}, but the latents are of a picture with a {side} of {there}; "
                f"leave it null, or resize the picture"
            )
    return latents.width, latents.height


def prepare(
    unet: UNet,
    given: Mapping[str, Any],
    noise: Latents | None,
    width: int,
    height: int,
    guided: bool,
    copies: int,
) -> Task:
    """The task for a picture of width x height; `given` holds the inputs by port, None where not linked.

    Raises ValueError where inputs are missing, or do not fit the checkpoint or each other.
    """
    given = {name: value for name, value in given.items() if guided or name not in NEGATIVES}
    count = count_rows(copies, noise, **given)
    _check_fit(unet, [value for value in (*given.values(), noise) if value is not None])
    multiple = unet_multiple(unet)
    high, wide = (latent_size(side, unet.latent_factor, multiple) for side in (height, width))
    start = given["latents"]
    if start is not None:
        high, wide = (round_up(side, multiple) for side in start.shape[2:])
    check_room("the latents", (count, unet.latent_channels, high, wide))
    positive, negative = system_of(unet.system).paired(
        _in_rows(_condition(unet, given, ""), count, copies),
        _in_rows(_condition(unet, given, "negative_"), count, copies) if guided else None,
    )
    _check_same_shapes(positive, negative)
    pictures = {
        "start": None if start is None else pad_edges(start.latents, high, wide),
        "keep": _keep(given["mask"], unet, (width, height), (wide, high)),
        "hint": _hint(given["depth_hint"], unet, (width, height), (wide, high)),
        "noise": _noise(noise, (high, wide)),
    }
    return Task(
        rows=count,
        shape=(unet.latent_channels, high, wide),
        positive=positive,
        negative=negative,
        masked=start is not None and start.masked,
        **_in_rows(pictures, count, copies),
    )


def _in_rows(arrays: Mapping[str, Array | None], count: int, copies: int) -> dict[str, Any]:
    """The arrays with `count` rows each, whatever number they came with."""
    return {name: None if a is None else spread(a, count, copies) for name, a in arrays.items()}


def _condition(unet: UNet, given: Mapping[str, Any], sign: str) -> Mapping[str, Array]:
    """The arrays that condition the UNet; with the sign "negative_" those that guidance leads away from."""
    system = system_of(unet.system)
    found = {}
    for name in system.arrays:
        port = f"{sign}{'image_embeds' if name in IMAGE else 'text_embeds'}"
        value = given.get(port)
        if value is None and sign and system.no_text is not None and given["text_embeds"] is not None:
            value = system.no_text(given["text_embeds"])
        if value is None:
            why = "; guidance of 1 or less needs none" if sign else ""
            raise ValueError(f"a UNet of Kandinsky {unet.system} needs {port}{why}")
        found[name] = getattr(value, name)
    return found


def _check_same_shapes(positive: Mapping[str, Array], negative: Mapping[str, Array] | None) -> None:
    """Raise ValueError where prompt and negative cannot go through the UNet together: tokens are missing."""
    for name, array in (negative or {}).items():
        there, here = positive[name].shape[1:], array.shape[1:]
        if there != here:
            raise ValueError(
                f"the {name.replace('_', ' ')} of the prompt are {' x '.join(map(str, there))} numbers, "
                f"the negative's {' x '.join(map(str, here))}; expected the same"
            )


def _keep(mask: Mask | None, unet: UNet, size: tuple[int, int], latents: tuple[int, int]) -> Array | None:
    """What of the start picture is kept, (B, 1, h, w), from a mask of any size."""
    from nodes.pixels.masks import keep_mask, resize_mask

    if mask is None:
        return None
    wide, high = latents
    pixels = pad_edges(resize_mask(mask.mask, *size), high * unet.latent_factor, wide * unet.latent_factor)
    return keep_mask(pixels, wide, high, shrink=not system_of(unet.system).grey)[:, None]


def _hint(
    hint: DepthHint | None, unet: UNet, size: tuple[int, int], latents: tuple[int, int]
) -> Array | None:
    """The hint (B, 3, H, W) at its own size for these latents, from one of any size."""
    import numpy as np

    from nodes.pixels.pictures import resize

    if hint is None:
        return None
    width, height = (side * HINT_FACTOR // unet.latent_factor for side in size)
    resized = resize(np.moveaxis(hint.depth_hint, 1, 3), width, height, "stretch")
    return pad_edges(np.moveaxis(resized, 3, 1), latents[1] * HINT_FACTOR, latents[0] * HINT_FACTOR)


def _noise(noise: Latents | None, latents: tuple[int, int]) -> Array | None:
    if noise is None:
        return None
    if noise.shape[2:] != latents:
        raise ValueError(
            f"the noise has {noise.shape[3]} x {noise.shape[2]} latents, "
            f"this picture takes {latents[1]} x {latents[0]}"
        )
    return noise.latents


def _check_fit(unet: UNet, values: list[Any]) -> None:
    """Raise ValueError for embeds or latents of another system."""
    for value in values:
        system = getattr(value, "system", unet.system)
        kind = type(value).__name__
        if system != unet.system:
            raise ValueError(f"these {kind} are of Kandinsky {system}, the UNet is of {unet.system}")
        if isinstance(value, Latents) and value.shape[1] != unet.latent_channels:
            raise ValueError(
                f"these latents have {value.shape[1]} channels, the UNet takes {unet.latent_channels}"
            )
        if isinstance(value, Latents) and value.masked:
            _check_masked(unet)
        widths = system_of(unet.system).widths(unet.config)
        for name, shape in value.shapes.items():
            if shape[-1] != widths.get(name, shape[-1]):
                raise ValueError(
                    f"these {name.replace('_', ' ')} have {shape[-1]} numbers a row, the UNet takes "
                    f"{widths[name]}"
                )


def _check_masked(unet: UNet) -> None:
    """Raise ValueError unless this UNet takes latents that are grey where the picture is repainted."""
    if unet.variant != "inpaint" or not system_of(unet.system).grey:
        raise ValueError(
            f"these latents were encoded with a mask and lack what is under it, which a {unet.variant} UNet "
            f"of Kandinsky {unet.system} must see; link no mask to MoVQ encode"
        )
