"""What is cut from pictures that a workflow carries, and what stays."""

from __future__ import annotations

import random
import time
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from graph.workflow.bare import bare
from graph.workflow.orientation import only, orientation

SECRET = "Anna at 52.5200 13.4050"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
XMP = f'<x tiff:Orientation="6" photoshop:Credit="{SECRET}"/>'.encode()


def drawn() -> Pillow.Image:
    """A picture that looks different from every side."""
    pixels = np.random.default_rng(3).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    return Pillow.fromarray(pixels)


def exif(turned: int | None = 6) -> bytes:
    tags = Pillow.Exif()
    tags[0x010F] = SECRET
    if turned is not None:
        tags[0x0112] = turned
    tags.get_ifd(0x8825)[29] = SECRET
    return tags.tobytes()


def telling(format: str) -> bytes:
    """A picture with a colour profile, everything that a camera writes, and more."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    more: dict[str, Any] = {"icc_profile": profile, "exif": exif()}
    if format == "JPEG":
        more |= {"comment": SECRET.encode(), "xmp": XMP, "progressive": True}
    elif format == "WEBP":
        more |= {"xmp": XMP, "lossless": True}
    elif format == "GIF":
        more = {"comment": SECRET.encode()}
    elif format == "BMP":
        more = {}
    else:
        info = PngInfo()
        info.add_text("Author", SECRET)
        info.add_text("Author", SECRET, zip=True)
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        more["pnginfo"] = info
    buffer = BytesIO()
    drawn().save(buffer, format, **more)
    content = buffer.getvalue()
    if format == "JPEG":  # what some cameras add: IPTC, a thumbnail, a film behind the picture
        content = content[:2] + b"\xff\xed\0\x22Photoshop 3.0\0" + SECRET.encode()[:18] + content[2:]
    return content + SECRET.encode()


def seen(data: bytes) -> Any:
    with Pillow.open(BytesIO(data)) as opened:
        return np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_says_nothing_of_people_and_looks_the_same(format: str) -> None:
    before = telling(format)
    after = bare(before)
    assert SECRET.encode() in before
    for said in (SECRET.encode(), b"Anna", b"52.52", b"xmp", b"Photoshop"):
        assert said not in after
    np.testing.assert_array_equal(seen(after), seen(before))
    with Pillow.open(BytesIO(before)) as opened, Pillow.open(BytesIO(after)) as cut:
        assert cut.info.get("icc_profile") == opened.info.get("icc_profile")
        assert dict(cut.getexif()) == ({0x0112: 6} if format not in ("GIF", "BMP") else {})
    assert bare(after) == after


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_without_metadata_stays_byte_for_byte(format: str) -> None:
    buffer = BytesIO()
    drawn().save(buffer, format)
    assert bare(buffer.getvalue()) == buffer.getvalue()


def test_an_animation_keeps_its_pictures() -> None:
    frames = [drawn().rotate(angle) for angle in (0, 90, 180)]
    for format in ("GIF", "WEBP", "PNG"):
        buffer = BytesIO()
        frames[0].save(buffer, format, save_all=True, append_images=frames[1:], duration=70, loop=0)
        with Pillow.open(BytesIO(bare(buffer.getvalue()))) as cut:
            assert (cut.n_frames, cut.info.get("loop")) == (3, 0), format  # type: ignore[attr-defined]


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "PNG"])
def test_an_orientation_in_xmp_counts_where_exif_has_none(format: str) -> None:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    buffer = BytesIO()
    more: dict[str, Any] = {"pnginfo": info} if format == "PNG" else {"xmp": XMP}
    drawn().save(buffer, format, exif=exif(None), **more)
    before = buffer.getvalue()
    assert seen(before).shape[:2] == (20, 12)
    np.testing.assert_array_equal(seen(bare(before)), seen(before))


@pytest.mark.parametrize("packed", [False, True])
def test_exif_as_imagemagick_wrote_it(packed: bool) -> None:
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(exif()):8}\n{exif().hex()}\n", zip=packed)
    buffer = BytesIO()
    drawn().save(buffer, "PNG", pnginfo=info)
    before = buffer.getvalue()
    assert seen(before).shape[:2] == (20, 12)
    np.testing.assert_array_equal(seen(bare(before)), seen(before))
    assert b"Raw profile" not in bare(before)


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_files_neither_fail_nor_tell(format: str) -> None:
    whole = telling(format)
    chance = random.Random(7)
    for _ in range(300):
        damaged = bytearray(whole[: chance.randrange(len(whole))] or whole)
        for _ in range(chance.randrange(4)):
            damaged[chance.randrange(len(damaged))] = chance.choice((0, 1, 127, 255))
        assert len(bare(bytes(damaged))) <= len(damaged) + 40
    assert SECRET.encode() not in bare(whole[:-5])


def test_a_length_that_is_wrong_ends_the_file() -> None:
    content = b"IHDR" + b"\0" * 13
    head = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")
    assert bare(head + b"\xff\xff\xff\xffIDAT" + SECRET.encode()) == head
    assert SECRET.encode() not in bare(b"\xff\xd8\xff\xe1\xff\xff" + SECRET.encode())
    assert SECRET.encode() not in bare(b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff" + SECRET.encode())


def test_the_path_of_a_colour_profile_in_a_bmp_file_is_cut() -> None:
    buffer = BytesIO()
    drawn().save(buffer, "BMP")
    pixels = buffer.getvalue()[54:]
    path = rb"C:\Users\Anna\profile.icc"
    head = bytearray(b"\x7c\0\0\0" + buffer.getvalue()[18:54] + bytes(124 - 40))
    head[56:60] = b"KNIL"
    head[112:116] = (124 + len(pixels)).to_bytes(4, "little")
    head[116:120] = len(path).to_bytes(4, "little")
    size = 14 + 124 + len(pixels) + len(path)
    whole = b"BM" + size.to_bytes(4, "little") + bytes(4) + (138).to_bytes(4, "little") + head + pixels + path
    assert b"Anna" not in bare(whole)
    np.testing.assert_array_equal(seen(bare(whole)), seen(whole))


def test_other_files_stay_as_they_are() -> None:
    for content in (b"", b"text", b"\x89PNG", b"\x08\0\0\0\0\0\0\0{}      "):
        assert bare(content) == content


@pytest.mark.parametrize("turned", range(1, 9))
def test_an_orientation_alone_is_read_as_it_was_written(turned: int) -> None:
    assert orientation(only(turned), None) == turned
    assert orientation(b"Exif\0\0" + only(turned), None) == turned
    assert orientation(exif(turned), b"") == turned
    assert orientation(exif(None), b"<tiff:Orientation>%d<" % turned) == turned
    tags = Pillow.Exif()
    tags.load(only(turned))
    assert dict(tags) == {0x0112: turned}


def test_what_is_no_orientation_counts_as_upright() -> None:
    for odd in (b"", b"MM", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", only(9), only(0), None):
        assert orientation(odd, None) == 1


def test_millions_of_empty_segments_cost_little() -> None:
    begin = time.perf_counter()
    for head, part in ((b"\xff\xd8", b"\xff\xfe\0\2"), (b"RIFF\0\0\0\0WEBP", b"JUNK\0\0\0\0")):
        assert len(bare(head + part * (32 << 18))) <= len(head)
    assert bare(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0tEXt\0\0\0\0" * (1 << 21)) == b"\x89PNG\r\n\x1a\n"
    assert time.perf_counter() - begin < 5
