"""A workflow travels inside a picture: text and pixels come out as they went in; no bytes make it crash."""

import io
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from graph.workflow import embedded

FORMATS = ["PNG", "JPEG", "WEBP", "WEBP-lossless", "WEBP-alpha"]


def picture(kind: str) -> bytes:
    name, _, variant = kind.partition("-")
    mode, channels = ("RGBA", 4) if variant == "alpha" else ("RGB", 3)
    pixels = np.random.default_rng(0).integers(0, 256, (13, 21, channels), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels, mode).save(file, name, lossless=bool(variant))
    return file.getvalue()


PICTURES = {kind: picture(kind) for kind in FORMATS}
# Everything that UTF-8 and XML can hold: what JSON written with real characters consists of.
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r\x7f\x85&<>\"';#\\")
)


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return np.asarray(image)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("text", ["{}", "", 'a "b" <c> &amp; &#13; \r\n\t é 中 🎨 ]]>', "x" * 70_000])
def test_text_comes_out_as_it_went_in_and_pixels_stay(kind: str, text: str) -> None:
    carried = embedded.embed(PICTURES[kind], text)
    assert embedded.extract(carried) == text
    assert np.array_equal(pixels(carried), pixels(PICTURES[kind]))
    with Image.open(io.BytesIO(carried)) as image:
        assert image.mode == ("RGBA" if kind == "WEBP-alpha" else "RGB")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_megabyte_of_every_plane(kind: str) -> None:
    text = "aé中🎨<&>" * 90_000
    assert len(text.encode()) > 1_000_000
    carried = embedded.embed(PICTURES[kind], text)
    assert embedded.extract(carried) == text
    assert np.array_equal(pixels(carried), pixels(PICTURES[kind]))


@given(text=TEXT, kind=st.sampled_from(FORMATS))
@settings(max_examples=150, deadline=None)
def test_any_text_survives(text: str, kind: str) -> None:
    assert embedded.extract(embedded.embed(PICTURES[kind], text)) == text


@pytest.mark.parametrize("kind", FORMATS)
def test_what_no_file_can_hold_becomes_a_json_escape(kind: str) -> None:
    carried = embedded.embed(PICTURES[kind], '"\ud800 \uffff \x00"')
    assert embedded.extract(carried) == '"\\ud800 \\uffff \\u0000"'


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("length", [10, 200_000])
def test_a_second_workflow_replaces_the_first(kind: str, length: int) -> None:
    once = embedded.embed(PICTURES[kind], "new")
    twice = embedded.embed(embedded.embed(PICTURES[kind], "old" * length), "new")
    assert twice == once


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_without_a_workflow(kind: str) -> None:
    assert embedded.extract(PICTURES[kind]) is None


def test_png_has_one_uncompressed_chunk_before_the_pixels() -> None:
    carried = embedded.embed(PICTURES["PNG"], '{"é": 1}')
    content = b"iTXtkandinsky-workflow\0\0\0\0\0" + '{"é": 1}'.encode()
    chunk = (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")
    assert carried.count(chunk) == 1
    assert carried.index(chunk) < carried.index(b"IDAT")
    with Image.open(io.BytesIO(carried)) as image:
        assert image.text["kandinsky-workflow"] == '{"é": 1}'  # type: ignore[attr-defined]


def test_png_that_another_program_wrote_again_compressed() -> None:
    content = b"iTXtkandinsky-workflow\0\1\0en\0t\0" + zlib.compress(b"{}")
    chunk = (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")
    data = PICTURES["PNG"]
    assert embedded.extract(data[:33] + chunk + data[33:]) == "{}"
    bomb = b"iTXtkandinsky-workflow\0\1\0\0\0" + zlib.compress(b" " * (70 << 20))
    chunk = (len(bomb) - 4).to_bytes(4, "big") + bomb + zlib.crc32(bomb).to_bytes(4, "big")
    assert embedded.extract(data[:33] + chunk + data[33:]) is None


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_xmp_is_what_other_programs_read(kind: str) -> None:
    with Image.open(io.BytesIO(embedded.embed(PICTURES[kind], 'a <b> & "c"'))) as image:
        packet = image.info["xmp"]
    description = ElementTree.fromstring(packet.decode())[0][0]
    assert description.findtext("{urn:kandinsky-canvas:1#}workflow") == 'a <b> & "c"'


def test_xmp_property_that_another_program_made_an_attribute() -> None:
    carried = embedded.embed(PICTURES["WEBP"], "{}")
    old = b"><kandinsky:workflow>{}</kandinsky:workflow>"
    new = b' kandinsky:workflow="&quot;&#x41;">'
    assert embedded.extract(carried.replace(old, new.ljust(len(old)))) == '"A'


def test_jpeg_longer_than_a_segment_is_extended_xmp() -> None:
    carried = embedded.embed(PICTURES["JPEG"], "<" * 100_000)
    assert carried.count(b"http://ns.adobe.com/xmp/extension/\0") == 7
    assert carried.count(b"http://ns.adobe.com/xap/1.0/\0") == 1
    assert carried.startswith(b"\xff\xd8\xff\xe0")  # JFIF stays first
    damaged = carried.replace(b"&lt;&lt;", b"&gt;&lt;", 1)
    assert embedded.extract(damaged) is None


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xd9", b"RIFF\0\0\0\0WEBP"]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"picture|pixels"):
        embedded.embed(data, "{}")
    assert embedded.extract(data) is None


@pytest.mark.parametrize("kind", FORMATS)
def test_every_truncation_is_quiet(kind: str) -> None:
    carried = embedded.embed(PICTURES[kind], '{"a": 1}')
    for length in range(len(carried)):
        assert embedded.extract(carried[:length]) in (None, '{"a": 1}')


@given(
    kind=st.sampled_from(FORMATS),
    length=st.sampled_from([5, 70_000]),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 100_000),
)
@settings(max_examples=200, deadline=None)
def test_damaged_pictures_never_crash(
    kind: str, length: int, changes: list[tuple[int, int]], cut: int
) -> None:
    data = bytearray(embedded.embed(PICTURES[kind], "é" * length))
    for place, value in changes:
        data[place % len(data)] = value
    extracted = embedded.extract(bytes(data[: cut or None]))
    assert extracted is None or isinstance(extracted, str)
    try:
        again = embedded.embed(bytes(data), "again")
    except ValueError:
        return
    assert embedded.extract(again) == "again"


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF\0\0\0\0WEBP"])
)
@settings(max_examples=200, deadline=None)
def test_arbitrary_bytes_never_crash(data: bytes, start: bytes) -> None:
    assert embedded.extract(start + data) is None
