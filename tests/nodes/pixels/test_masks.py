"""Masks: what the inpainting UNet is told, the drawn shapes, and soft edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers.pipelines.kandinsky2_2.pipeline_kandinsky2_2_inpainting import (
    prepare_mask,
    prepare_mask_and_masked_image,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from nodes.pixels.masks import (
    ellipse,
    eroded,
    feather,
    keep_mask,
    luminance,
    painted,
    rectangle,
    resize_mask,
)
from nodes.pixels.pictures import from_bytes, read_image

RANDOM = np.random.default_rng(2)


def slowly_eroded(keep: np.ndarray) -> np.ndarray:
    """Every repainted latent takes six neighbours along, one after the other."""
    out = keep.copy()
    batch, height, width = keep.shape
    for b in range(batch):
        for i in range(height):
            for j in range(width):
                if keep[b, i, j]:
                    continue
                for di, dj in ((-1, 0), (0, -1), (-1, -1), (1, 0), (0, 1), (1, 1)):
                    if 0 <= i + di < height and 0 <= j + dj < width:
                        out[b, i + di, j + dj] = False
    return out


@given(keep=hnp.arrays(bool, st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9))))
@settings(max_examples=200, deadline=None)
def test_erosion_is_the_slow_loop(keep: np.ndarray) -> None:
    assert np.array_equal(eroded(keep), slowly_eroded(keep))


@pytest.mark.parametrize("size", [(64, 64), (64, 96), (72, 40), (50, 70)])
@pytest.mark.parametrize("latent", [(8, 8), (8, 12), (9, 5), (7, 11), (64, 96)])
@pytest.mark.parametrize("share", [0.02, 0.3])
def test_keep_mask_is_that_of_diffusers(size, latent, share) -> None:
    mask = np.where(RANDOM.random((2, *size)) < share, 1.0, RANDOM.random((2, *size)) * 0.6).astype(
        np.float32
    )
    theirs = torch.from_numpy(1 - (mask >= 0.5).astype(np.float32))[:, None]
    theirs = prepare_mask(torch.nn.functional.interpolate(theirs, latent, mode="nearest"))
    ours = keep_mask(mask, width=latent[1], height=latent[0])
    assert ours.dtype == np.float32
    assert np.array_equal(ours, theirs[:, 0].numpy())


def test_nearest_rows_at_every_size() -> None:
    """The kept column of a one-column mask says which source pixel stood for each latent."""
    for there in (1, 5, 8, 37, 100, 512):
        ramp = torch.arange(there, dtype=torch.float32)[None, None]
        for wanted in (1, 3, 8, 13, 64, 100):
            expected = torch.nn.functional.interpolate(ramp, wanted, mode="nearest")[0, 0].int().tolist()
            for pixel in {0, there // 2, there - 1}:
                mask = np.zeros((1, there, 1), np.float32)
                mask[0, pixel] = 1
                lone = ~eroded(np.array([[[e != pixel] for e in expected]]))
                assert np.array_equal(keep_mask(mask, 1, wanted) == 0, lone)


@pytest.mark.parametrize("size", [(32, 48), (100, 75)])
def test_resize_is_that_of_diffusers(size) -> None:
    grey = RANDOM.integers(0, 256, (60, 80), dtype=np.uint8)
    image = Image.new("RGB", (80, 60))
    theirs, _ = prepare_mask_and_masked_image(image, Image.fromarray(grey), height=size[1], width=size[0])
    ours = resize_mask(from_bytes(grey)[None], width=size[0], height=size[1])
    assert np.array_equal(1 - (ours[0] >= 0.5), theirs[0, 0].numpy())


def test_a_mask_of_the_size_is_not_touched() -> None:
    mask = RANDOM.random((1, 5, 7), dtype=np.float32)
    assert resize_mask(mask, 7, 5) is mask


def test_rectangle_and_ellipse() -> None:
    box = rectangle(8, 4, x=0.25, y=0.5, w=0.5, h=0.25)
    assert box.shape == (1, 4, 8)
    assert box.sum() == 4
    assert (box[0, 2, 2:6] == 1).all()
    assert rectangle(8, 4, 0, 0, 1, 1).all()
    assert not rectangle(8, 4, 0.3, 0.3, 0, 0.5).any()
    disc = ellipse(200, 100, 0.25, 0.25, 0.5, 0.5)
    assert disc.mean() == pytest.approx(np.pi / 16, abs=1e-3)
    assert (disc <= rectangle(200, 100, 0.25, 0.25, 0.5, 0.5)).all()
    assert np.array_equal(disc, disc[:, ::-1, ::-1])
    assert not ellipse(8, 8, 0.5, 0.5, 0, 0.5).any()


def test_luminance_is_pillows() -> None:
    pixels = RANDOM.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(pixels).convert("L")) / 255
    np.testing.assert_allclose(luminance(from_bytes(pixels)[None])[0], theirs, atol=1.01 / 255)


def test_painted(tmp_path) -> None:
    """White paint on nothing, and white on black, are the same mask."""
    strokes = np.zeros((4, 4, 4), np.uint8)
    strokes[1, :] = 255
    strokes[2, :] = (255, 255, 255, 51)
    strokes[3, :] = (0, 0, 0, 255)
    file = tmp_path / "painted.png"
    Image.fromarray(strokes).save(file)
    mask = painted(*read_image(file))
    np.testing.assert_allclose(mask[0, :, 0], [0, 1, 0.2, 0], atol=1e-6)
    Image.fromarray((mask[0] * 255).round().astype(np.uint8)).save(file)
    np.testing.assert_allclose(painted(*read_image(file)), mask, atol=1e-6)


@pytest.mark.parametrize("pixels", [1, 2, 3, 7, 20, 500])
def test_feather(pixels: int) -> None:
    edge = np.zeros((2, 30, 200), np.float32)
    edge[:, :, 100:] = 1
    soft = feather(edge, pixels)
    assert soft.dtype == np.float32
    assert (np.diff(soft, axis=2) >= -1e-6).all()
    assert np.ptp(soft, axis=1).max() < 1e-6
    assert soft[0, 0, 99] + soft[0, 0, 100] == pytest.approx(1, abs=1e-5)
    if pixels < 100:
        assert soft[0, 0, 99 - pixels] == 0
        assert soft[0, 0, 100 - pixels] > 0
    assert np.array_equal(soft >= 0.5, edge >= 0.5)


def test_feather_leaves_flat_masks_and_zero_alone() -> None:
    mask = RANDOM.random((1, 6, 7), dtype=np.float32)
    assert np.array_equal(feather(mask, 0), mask)
    for level in (0.0, 0.3, 1.0):
        flat = np.full((1, 6, 7), level, np.float32)
        np.testing.assert_allclose(feather(flat, 9), flat, atol=1e-6)
