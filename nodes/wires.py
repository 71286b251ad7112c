"""The wire types that carry values, and the values themselves.

Values are frozen dataclasses of read-only float32 NumPy arrays, so that neither the engine, nor the cache,
nor saving a picture needs torch. Tensors are converted on the way in. Parts of checkpoints travel as the
handles of `nodes.parts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from graph.types import wire

Array = NDArray[np.float32]
Sizes = tuple[int | str, ...]


def frozen(value: Any, sizes: Sizes, name: str) -> Array:
    """`value` (array, nested list or torch tensor) as a read-only float32 array of its own.

    `sizes` describes the shape: a number is a size that must match, a letter any size of at least 1.
    Raises ValueError naming `name` where rank or sizes differ, or where a number is not finite.
    """
    if hasattr(value, "detach"):  # a torch tensor, which may be on another device or in a dtype NumPy lacks
        value = value.detach().cpu().float().numpy()
    array = np.array(value, dtype=np.float32, order="C")
    fits = len(array.shape) == len(sizes) and all(
        size == wanted if isinstance(wanted, int) else size > 0
        for size, wanted in zip(array.shape, sizes, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, sizes))
        raise ValueError(f"{name} must have the shape ({wanted}), got {array.shape}")
    # Half precision that was too narrow, or damaged weights, would end as a black picture without a word.
    if not np.isfinite((array.min(), array.max())).all():
        raise ValueError(
            f"{name} holds numbers that are not finite (NaN or infinite): the weights it was made with are "
            f"damaged, or dtype is too narrow for them"
        )
    array.setflags(write=False)
    return array


class Value:
    """What the value dataclasses share: arrays are frozen and checked when a value is made."""

    arrays: ClassVar[Mapping[str, Sizes]]

    def __post_init__(self) -> None:
        for name, sizes in self.arrays.items():
            object.__setattr__(self, name, frozen(getattr(self, name), sizes, name))
        batches = {getattr(self, name).shape[0] for name in self.arrays}
        if len(batches) > 1:
            raise ValueError(
                f"the arrays of {type(self).__name__} differ in their number of rows: {self.shapes}"
            )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each array, by field name."""
        return {name: getattr(self, name).shape for name in self.arrays}

    @property
    def batch(self) -> int:
        """The number of rows B."""
        return int(getattr(self, next(iter(self.arrays))).shape[0])


class ArrayValue(Value):
    """A value that is one array and can be used as one: `np.asarray(value)`, `value.shape`."""

    @property
    def array(self) -> Array:
        return getattr(self, next(iter(self.arrays)))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.array, dtype=dtype, copy=copy)


def _look(rows: Array) -> bytes:
    """The first of some pictures (B, H, W, 3)."""
    from nodes.pixels.thumbnail import jpeg

    return jpeg(rows[0])


@wire(
    name="image",
    title="Image",
    colour="#3b82f6",
    help="Pictures in RGB, values 0 to 1.",
    look=lambda value: _look(value.image),
)
@dataclass(frozen=True, eq=False)
class Image(ArrayValue):
    """image (B, H, W, 3) in 0..1, RGB."""

    image: Array
    arrays: ClassVar = {"image": ("B", "H", "W", 3)}


@wire(
    name="mask",
    title="Mask",
    colour="#7c8594",
    help="Where to repaint: 1 is repainted, 0 is kept.",
    look=lambda value: _look(np.repeat(value.mask[:1, ..., None], 3, axis=3)),
)
@dataclass(frozen=True, eq=False)
class Mask(ArrayValue):
    """mask (B, H, W) in 0..1, 1 = repaint."""

    mask: Array
    arrays: ClassVar = {"mask": ("B", "H", "W")}


@wire(name="text_embeds", title="Text embeds", colour="#bd8600", help="What a text encoder made of a prompt.")
@dataclass(frozen=True, eq=False)
class TextEmbeds(Value):
    """text_embeds (B, D) pooled, hidden_states (B, L, E), attention_mask (B, L) of 0 and 1, of one system.

    What the same encoder makes of the empty prompt travels along, one row each: guidance leads away from it
    where there is no negative prompt, and only the encoder could tell it.
    """

    text_embeds: Array
    hidden_states: Array
    attention_mask: Array
    system: str
    empty_text_embeds: Array | None = None
    empty_hidden_states: Array | None = None
    empty_attention_mask: Array | None = None
    arrays: ClassVar = {
        "text_embeds": ("B", "D"),
        "hidden_states": ("B", "L", "E"),
        "attention_mask": ("B", "L"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.arrays:
            empty = getattr(self, f"empty_{name}")
            if empty is not None:
                sizes = (1, *getattr(self, name).shape[1:])
                object.__setattr__(self, f"empty_{name}", frozen(empty, sizes, f"empty_{name}"))
        if self.hidden_states.shape[1] != self.attention_mask.shape[1]:
            raise ValueError(
                f"hidden_states and attention_mask differ in their number of tokens: {self.shapes}"
            )

    def of_the_empty_prompt(self) -> "TextEmbeds":
        """What the same encoder made of the empty prompt, one row; ValueError where that is not known."""
        pooled, hidden, mask = self.empty_text_embeds, self.empty_hidden_states, self.empty_attention_mask
        if pooled is None or hidden is None or mask is None:
            raise ValueError(
                "these text embeds do not know the empty prompt, which guidance leads away from: "
                "link a negative prompt, or set guidance to 1"
            )
        return TextEmbeds(pooled, hidden, mask, self.system)


@wire(
    name="image_embeds", title="Image embeds", colour="#e8599f", help="A picture's meaning, as CLIP sees it."
)
@dataclass(frozen=True, eq=False)
class ImageEmbeds(ArrayValue):
    """image_embeds (B, D), not normalised, of one system."""

    image_embeds: Array
    system: str
    arrays: ClassVar = {"image_embeds": ("B", "D")}


@wire(name="latents", title="Latents", colour="#b04be8", help="A picture in MoVQ's compressed space.")
@dataclass(frozen=True, eq=False)
class Latents(ArrayValue):
    """latents (B, C, h, w) that stand for pictures of width x height pixels, of one system.

    `masked` says that the pictures were grey where they are to be repainted: what Kandinsky 3 inpaints from.
    """

    latents: Array
    width: int
    height: int
    system: str
    masked: bool = False
    arrays: ClassVar = {"latents": ("B", "C", "h", "w")}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1 or self.height < 1:
            raise ValueError(
                f"latents stand for a picture of at least 1 x 1 pixels, got {self.width} x {self.height}"
            )


@wire(
    name="depth_hint",
    title="Depth hint",
    colour="#1f9e8f",
    help="How near each pixel is: 1 is near, 0 is far.",
    look=lambda value: _look(value.depth_hint[:1].transpose(0, 2, 3, 1)),
)
@dataclass(frozen=True, eq=False)
class DepthHint(ArrayValue):
    """depth_hint (B, 3, H, W) in 0..1, 1 = near, the same in all three channels."""

    depth_hint: Array
    arrays: ClassVar = {"depth_hint": ("B", 3, "H", "W")}
