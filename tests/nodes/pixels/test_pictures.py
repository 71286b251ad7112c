"""Reading pictures of every kind, refusing what is none, and resizing."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from diffusers.image_processor import VaeImageProcessor
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nodes.pixels.pictures import PictureError, from_bytes, read_image, resize, to_bytes

RANDOM = np.random.default_rng(0)


def picture(height: int = 6, width: int = 9, channels: int = 3) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, channels), dtype=np.uint8)


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def test_importing_needs_no_torch() -> None:
    modules = "nodes.pixels.pictures, nodes.pixels.masks, nodes.pixels.clip_pixels"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rgb_from_bytes_and_file(tmp_path) -> None:
    pixels = picture()
    file = tmp_path / "a.png"
    file.write_bytes(saved(Image.fromarray(pixels)))
    for source in (file, str(file), file.read_bytes()):
        rgb, alpha = read_image(source)
        assert (rgb.shape, alpha.shape) == ((1, 6, 9, 3), (1, 6, 9))
        assert rgb.dtype == alpha.dtype == np.float32
        assert np.array_equal(to_bytes(rgb[0]), pixels)
        assert (alpha == 1).all()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "BMP", "GIF"])
def test_other_formats(kind: str) -> None:
    flat = Image.new("RGB", (16, 8), (200, 40, 90))
    rgb, _ = read_image(saved(flat, kind))
    assert rgb.shape == (1, 8, 16, 3)
    assert np.abs(rgb * 255 - (200, 40, 90)).max() < 6


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_alpha_lies_over_white(mode: str) -> None:
    image = Image.fromarray(picture(channels=4), "RGBA").convert(mode)
    rgb, alpha = read_image(saved(image, "PNG" if mode != "PA" else "WEBP", lossless=True))
    wanted = from_bytes(np.asarray(image.convert("RGBA")))
    opacity = wanted[..., 3:]
    assert np.array_equal(alpha[0], opacity[..., 0])
    shown = opacity[..., 0] > 0  # the colour of a fully transparent pixel may be lost in the file
    expected = wanted[..., :3] * opacity + 1 - opacity
    np.testing.assert_allclose(rgb[0][shown], expected[shown], atol=1e-6)
    assert (rgb[0][~shown] == 1).all()


def test_transparent_palette_colour() -> None:
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    rgb, alpha = read_image(saved(image, transparency=1))
    assert alpha[0].tolist() == [[1, 0], [0, 1]]
    assert rgb[0, 0, 0].tolist() == [1, 0, 0]
    assert rgb[0, 0, 1].tolist() == [1, 1, 1]


def test_grey_binary_cmyk_and_16_bits() -> None:
    grey = picture(channels=1)[..., 0]
    rgb, _ = read_image(saved(Image.fromarray(grey)))
    assert np.array_equal(to_bytes(rgb[0]), np.repeat(grey[..., None], 3, 2))
    rgb, _ = read_image(saved(Image.fromarray(grey > 127)))
    assert np.array_equal(rgb[0, ..., 0], (grey > 127).astype(np.float32))
    rgb, _ = read_image(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert np.abs(rgb - (1, 0, 0)).max() < 0.03
    deep = np.array([[0, 257, 32768, 65535]], np.uint16)
    rgb, alpha = read_image(saved(Image.fromarray(deep)))
    np.testing.assert_allclose(rgb[0, 0, :, 1], deep[0] / 65535, atol=1e-7)
    assert alpha.shape == (1, 1, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation: int) -> None:
    pixels = picture()
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb, _ = read_image(saved(Image.fromarray(pixels), exif=exif))
    turned = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, -1),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels),
    }
    assert np.array_equal(to_bytes(rgb[0]), turned[orientation])


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (8193, 8192), (2**31 - 1, 1)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_by_their_header(width: int, height: int) -> None:
    with pytest.raises(PictureError, match="too large"):
        read_image(huge_png(width, height))


def test_what_is_no_picture(tmp_path) -> None:
    with pytest.raises(PictureError, match="is not a picture in one of the formats PNG, JPEG"):
        read_image(b"hello")
    with pytest.raises(PictureError, match="is not a picture"):
        read_image(b"")
    with pytest.raises(PictureError, match=r"no picture file '.*nothing\.png'"):
        read_image(tmp_path / "nothing.png")
    with pytest.raises(PictureError, match="no picture file"):
        read_image(tmp_path)
    with pytest.raises(PictureError, match="is not a picture"):  # a format whose decoder is not let in
        read_image(saved(Image.fromarray(picture()), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_truncated(kind: str) -> None:
    data = saved(Image.fromarray(picture(64, 64)), kind)
    for length in (len(data) // 2, len(data) * 3 // 4):
        with pytest.raises(PictureError, match=r"damaged|is not a picture"):
            read_image(data[:length])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_damage_gives_a_picture_or_one_clear_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP"]))
    content = bytearray(saved(Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        rgb, _ = read_image(bytes(content))
    except PictureError:
        return
    assert rgb.min() >= 0
    assert rgb.max() <= 1


@pytest.mark.parametrize("size", [(32, 32), (64, 24), (17, 31), (200, 150), (50, 40)])
@pytest.mark.parametrize("source", [(100, 80), (33, 65), (400, 300)])
def test_stretch_is_what_img2img_does_to_a_picture(size, source) -> None:
    width, height = size
    pixels = picture(source[1], source[0])
    processor = VaeImageProcessor(vae_scale_factor=1, resample="bicubic", reducing_gap=1)
    theirs = (
        processor.preprocess(Image.fromarray(pixels), height=height, width=width).permute(0, 2, 3, 1).numpy()
    )
    ours = resize(from_bytes(pixels)[None], width, height, "stretch")
    np.testing.assert_allclose(ours * 2 - 1, theirs, atol=1e-6)


def test_a_picture_of_the_size_is_not_touched() -> None:
    image = RANDOM.random((2, 8, 12, 3), dtype=np.float32)
    for fit in ("cover", "contain", "stretch"):
        assert np.array_equal(resize(image, 12, 8, fit), image)


def test_cover_cuts_evenly() -> None:
    image = np.zeros((1, 20, 60, 3), np.float32)
    image[:, :, 20:40] = 1
    assert (resize(image, 20, 20, "cover")[:, :, 1:-1] == 1).all()
    assert (resize(image.transpose(0, 2, 1, 3), 10, 10, "cover")[:, 1:-1] == 1).all()


def test_contain_shows_all_with_white_beside_it() -> None:
    image = np.zeros((1, 20, 60, 3), np.float32)
    out = resize(image, 30, 30, "contain")
    assert out.shape == (1, 30, 30, 3)
    assert (out[:, 10:20] == 0).all()
    assert (out[:, :10] == 1).all()
    assert (out[:, 20:] == 1).all()


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    wanted=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    fit=st.sampled_from(["cover", "contain", "stretch"]),
    level=st.integers(0, 255),
)
@settings(max_examples=200, deadline=None)
def test_any_size_fits_any_size(size, wanted, fit, level) -> None:
    image = np.full((2, size[1], size[0], 3), level / 255, np.float32)
    out = resize(image, wanted[0], wanted[1], fit)
    assert out.shape == (2, wanted[1], wanted[0], 3)
    if fit != "contain":
        np.testing.assert_allclose(out, level / 255, atol=1e-6)


def test_resizing_to_absurd_sizes_is_refused() -> None:
    with pytest.raises(PictureError, match="too large"):
        resize(np.zeros((1, 4, 4, 3), np.float32), 100_000, 100_000)
