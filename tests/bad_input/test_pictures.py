"""Pictures that are none, huge or odd, and paths that lead where nothing may be read."""

import hashlib
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bad_input.conftest import load, save, told


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG file of one-bit grey whose header says so much."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"hello", ("not a picture", "PNG, JPEG, WEBP")),
        (b"", ("not a picture",)),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ("not a picture",)),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", ("not a picture",)),
        (png(0, 0, b""), ("not a picture",)),
        (png(100, 100, b"\0" * 50), ("damaged",)),
        (png(50_000, 50_000, b""), ("too large", "67,108,864 pixels")),
        (png(8_200, 8_200, b""), ("too large", "8200 x 8200", "67,108,864 pixels")),
    ],
)
def test_what_is_no_picture_fails_alone(run, content, parts) -> None:
    Path("odd.png").write_bytes(content)
    nodes = {
        "a": load("odd.png"),
        "b": save("a.image"),
        "c": load("picture.png"),
        "d": save("c.image", "fine"),
    }
    called = run(nodes)
    told(called, 1, "a: failed", "odd.png", *parts)
    told(called, 1, "b: skipped because of a")
    assert [path.name for path in Path("outputs").iterdir()] == ["fine.png"]


def test_a_cut_and_a_scribbled_picture(run) -> None:
    whole = Path("picture.png").read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:60] + b"x" * 40 + whole[100:]):
        Path("damaged.png").write_bytes(damaged)
        told(run({"a": load("damaged.png"), "b": save("a.image")}), 1, "damaged.png", "cannot be read")


@pytest.mark.parametrize("kind", ["alpha", "grey", "grey16", "palette", "cmyk", "rotated", "bad_exif", "gif"])
def test_pictures_that_are_merely_odd(run, kind) -> None:
    picture = Image.open("picture.png").convert("RGB")
    expected = np.asarray(picture)
    exif = picture.getexif()
    if kind == "alpha":
        clear = picture.copy()
        clear.putalpha(Image.new("L", picture.size, 0))
        clear.save("odd.png")
        expected = np.full_like(expected, 255)  # it lies over white
    elif kind == "grey":
        picture.convert("L").save("odd.png")
        expected = np.repeat(np.asarray(picture.convert("L"))[..., None], 3, axis=2)
    elif kind == "grey16":
        Image.fromarray(np.full((20, 30), 0x8000, np.uint16)).save("odd.png")
        expected = np.full_like(expected, 128)
    elif kind == "palette":
        picture.quantize(256).save("odd.png")
        expected = np.asarray(picture.quantize(256).convert("RGB"))
    elif kind == "cmyk":
        picture.convert("CMYK").save("odd.jpg", quality=100, subsampling=0)
    elif kind in ("rotated", "bad_exif"):
        exif[0x112] = 6 if kind == "rotated" else 99
        picture.save("odd.png", exif=exif)
        expected = np.rot90(expected, -1) if kind == "rotated" else expected
    else:
        picture.save("odd.gif")
        expected = np.asarray(Image.open("odd.gif").convert("RGB"))
    (name,) = (path.name for path in Path().glob("odd.*"))
    assert run({"a": load(name), "b": save("a.image")}).status == 0
    found = np.asarray(Image.open("outputs/image.png"))
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= (12 if kind == "cmyk" else 0)


def secrets(outside: Path) -> dict[str, tuple[str, str]]:
    """Paths of a workflow -> what is said of them."""
    return {
        "absolute": (str(outside / "secret.png"), "outside the folders"),
        "up": ("../outside/secret.png", "outside the folders"),
        "up_and_down": ("inputs/../../outside/secret.png", "outside the folders"),
        "link": ("link.png", "outside the folders"),
        "folder_link": ("folder/secret.png", "outside the folders"),
        "missing": ("pictur.png", "does not exist; the nearest name there is 'picture.png'"),
        "folder": (".", "is a folder"),
        "pipe": ("pipe", "not a regular file"),
        "device": ("/dev/zero", "outside the folders"),
        "web": ("https://example.com/a.png", "is an address"),
        "long": ("x" * 5000, "too long"),
        "long_name": ("x" * 300, "File name too long"),
        "nul": ("a\0b", "a character that no path does"),
        "loop": ("loop", "cannot be opened"),
        "empty": ("", "no picture is chosen"),
        "no_hash": ("sha256:xyz", "64 hexadecimal digits"),
        "no_asset": ("sha256:" + "0" * 64, "neither in"),
    }


@pytest.mark.parametrize("name", secrets(Path()))
def test_paths_that_are_refused_before_anything_runs(run, here, name) -> None:
    outside = here.parent / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(Path("picture.png").read_bytes())
    Path("link.png").symlink_to(outside / "secret.png")
    Path("folder").symlink_to(outside)
    Path("loop").symlink_to("loop")
    os.mkfifo("pipe")
    path, message = secrets(outside)[name]
    told(run({"a": load(path), "b": save("a.image")}), 2, "a.path: ", message)
    assert not Path("outputs").exists()


def test_what_the_user_names_or_allows_may_be_read(run, here) -> None:
    outside = here.parent / "outside"
    outside.mkdir()
    (outside / "picture.png").write_bytes(Path("picture.png").read_bytes())
    nodes = {"a": load("/nowhere.png"), "b": save("a.image")}
    assert run(nodes, "--set", f"a.path={outside / 'picture.png'}").status == 0
    assert run({**nodes, "a": load(str(outside / "picture.png"))}, "--allow", outside).status == 0


def test_assets_are_what_their_names_say(run) -> None:
    name = hashlib.sha256(b"x").hexdigest()
    for content, message in (("eQ==", "another content"), ("&", "not base64"), ("eA==", "not a picture")):
        called = run({"a": load(f"sha256:{name}"), "b": save("a.image")}, assets={name: content})
        told(called, 1 if "picture" in message else 2, "a", message)


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "nothing.safetensors", ""])
def test_tensors_from_elsewhere(run, path) -> None:
    nodes = {
        "a": {"type": "load_tensors", "params": {"path": path}},
        "b": {"type": "save_tensors", "inputs": {"value": "a.value"}},
    }
    told(run(nodes), 2, "a.path: ")


@pytest.mark.parametrize("content", [b"", b"junk" * 10, b"\x80\x04}\x94.", (1 << 40).to_bytes(8, "little")])
def test_tensors_that_are_none(run, content) -> None:
    Path("odd.safetensors").write_bytes(content)
    nodes = {
        "a": {"type": "load_tensors", "params": {"path": "odd.safetensors"}},
        "b": {"type": "save_tensors", "inputs": {"value": "a.value"}},
    }
    told(run(nodes), 2, "'odd.safetensors' is not a file of this project")
