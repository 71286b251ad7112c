"""Values on wires: frozen float32 arrays of the right shape, and the batch rule."""

import dataclasses
import itertools
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from graph.types import wire_of_value, wire_types
from nodes import parts, wires
from nodes.batches import expand, rows
from nodes.wires import DepthHint, Image, ImageEmbeds, Latents, Mask, TextEmbeds

GOOD = {
    Image: {"image": np.zeros((2, 4, 5, 3))},
    Mask: {"mask": np.zeros((2, 4, 5))},
    TextEmbeds: {
        "text_embeds": np.zeros((2, 6)),
        "hidden_states": np.zeros((2, 7, 8)),
        "attention_mask": np.ones((2, 7)),
        "system": "2.2",
    },
    ImageEmbeds: {"image_embeds": np.zeros((2, 6)), "system": "2.2"},
    Latents: {"latents": np.zeros((2, 4, 8, 9)), "width": 72, "height": 64, "system": "2.2"},
    DepthHint: {"depth_hint": np.zeros((2, 3, 4, 5))},
}


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
def test_values_hold_read_only_float32_copies(kind: type) -> None:
    given = dict(GOOD[kind].items())
    value = kind(**given)
    assert value.batch == 2
    for name in value.arrays:
        array = getattr(value, name)
        assert array.dtype == np.float32 and array.shape == given[name].shape
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
        given[name][...] = 7
        assert not (array == 7).any(), "the value shares memory with what it was made from"
    with pytest.raises(dataclasses.FrozenInstanceError):
        value.system = "other"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_tensors_become_arrays(dtype: torch.dtype) -> None:
    tensor = torch.tensor([[0.5, -2.0]], dtype=dtype, requires_grad=True)
    value = ImageEmbeds(tensor, "2.2")
    assert np.asarray(value).tolist() == [[0.5, -2.0]] and value.shape == (1, 2)
    with torch.no_grad():
        tensor.zero_()
    assert np.asarray(value).tolist() == [[0.5, -2.0]]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (
            Image,
            {"image": np.zeros((4, 5, 3))},
            r"image must have the shape \(B, H, W, 3\), got \(4, 5, 3\)",
        ),
        (Image, {"image": np.zeros((1, 4, 5, 4))}, r"got \(1, 4, 5, 4\)"),
        (Image, {"image": np.zeros((0, 4, 5, 3))}, r"got \(0, 4, 5, 3\)"),
        (Mask, {"mask": np.zeros((1, 1, 4, 5))}, r"mask must have the shape \(B, H, W\)"),
        (DepthHint, {"depth_hint": np.zeros((1, 4, 5, 3))}, r"\(B, 3, H, W\)"),
        (Latents, {"width": 0}, "at least 1 x 1"),
        (TextEmbeds, {"attention_mask": np.ones((2, 5))}, "number of tokens"),
        (TextEmbeds, {"text_embeds": np.ones((3, 6))}, "number of rows"),
    ],
)
def test_wrong_shapes_are_named(kind: type, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**{**GOOD[kind], **change})


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_rows_follow_the_batch_rule(sizes: list[int]) -> None:
    values = [np.zeros((size, 2)) for size in sizes]
    if len(set(sizes) - {1}) > 1:
        with pytest.raises(ValueError, match="batches do not match"):
            rows(*values, None)
    else:
        assert rows(*values, None) == max(sizes)


def test_rows_name_the_ports() -> None:
    embeds, mask = ImageEmbeds(np.zeros((3, 2)), "2.2"), Mask(np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match="image_embeds has 3 rows, but mask has 2"):
        rows(image_embeds=embeds, mask=mask)


def test_expand_repeats_a_single_row() -> None:
    assert expand(np.array([[1, 2]]), 3).tolist() == [[1, 2]] * 3
    assert expand(np.zeros((3, 2)), 3).shape == (3, 2)
    with pytest.raises(ValueError, match="a batch of 2 cannot become one of 3"):
        expand(np.zeros((2, 2)), 3)


def test_colours_are_distinct_and_readable_on_light_and_dark() -> None:
    sources = [Path(module.__file__).read_text() for module in (wires, parts)]
    colours = [part[:7] for source in sources for part in source.split('colour="')[1:]]
    assert len(colours) == 12
    for colour in colours:
        assert (1.0 + 0.05) / (_luminance(colour) + 0.05) > 2.9, f"{colour} is too pale on white"
        assert (_luminance(colour) + 0.05) / (_luminance("#1a1a1a") + 0.05) > 2.9, (
            f"{colour} is too dark on #1a1a1a"
        )
    for one, other in itertools.combinations(colours, 2):
        distance = sum(abs(int(one[i : i + 2], 16) - int(other[i : i + 2], 16)) for i in (1, 3, 5))
        assert distance > 60, f"{one} and {other} look alike"


def test_importing_the_wires_imports_no_torch() -> None:
    code = "import sys, nodes.wires, nodes.parts, nodes.batches; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(wires.__file__).parents[1])


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize(
    ("value", "pixel"),
    [
        (Image(np.full((2, 4, 6, 3), (1, 0, 0))), (254, 0, 0)),
        (Mask(np.full((2, 4, 6), 0.5)), (128, 128, 128)),
        (DepthHint(np.full((2, 3, 4, 6), 1.0)), (255, 255, 255)),
    ],
)
def test_pictures_masks_and_hints_can_be_looked_at(value, pixel):
    look = wire_of_value(value).look
    picture = Pillow.open(BytesIO(look(value)))
    assert (picture.format, picture.size) == ("JPEG", (6, 4))
    assert np.abs(np.subtract(picture.getpixel((3, 2)), pixel)).max() <= 2


def test_other_values_show_nothing():
    assert {name for name, wire in wire_types().items() if wire.look} >= {"image", "mask", "depth_hint"}
    assert not any(wire_types()[name].look for name in ("latents", "image_embeds", "text_embeds", "unet"))
