"""`kandinsky models inspect`: what a checkpoint holds, as a table."""

import shutil
from pathlib import Path

import pytest

from tests.nodes import tiny


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.tiny_decoder(tmp_path_factory.mktemp("models") / "decoder", "inpaint")


def test_the_miniature(kandinsky) -> None:
    called = kandinsky("models", "inspect", "miniature")
    assert called.status == 0 and called.err == ""
    lines = called.out.splitlines()
    assert lines[0].split() == ["PART", "WHAT", "SIZE", "SAVED", "AS"]
    assert any(line.startswith("decoder/unet") and "UNet of Kandinsky 2.2" in line for line in lines)


def test_a_folder_a_part_of_it_and_a_file(kandinsky, decoder: Path) -> None:
    for path in (decoder, decoder / "unet", decoder / "unet" / "diffusion_pytorch_model.safetensors"):
        called = kandinsky("models", "inspect", path)
        assert called.status == 0, called.err
        assert "UNet of Kandinsky 2.2, inpainting" in called.out and "float32" in called.out


def test_a_folder_in_the_current_one_needs_no_dot(kandinsky, decoder: Path) -> None:
    shutil.copytree(decoder, Path.cwd() / "mine")
    assert "UNet of Kandinsky 2.2" in kandinsky("models", "inspect", "mine").out


def test_what_is_broken_is_told(kandinsky, decoder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(decoder, tmp_path / "broken"))
    (copy / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"cut off")
    called = kandinsky("models", "inspect", copy)
    assert called.status == 2
    assert "is not a safetensors file" in called.out and "MoVQ" in called.out


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nope", "'nope' is not in the models folder"),
        ("some/thing", "checkpoint some/thing is not on this machine"),
        (".", ". is no checkpoint: no part of it has a config.json"),
        ("./nope", "nope"),
        ("a\nb", "means nothing|not in the models folder"),
    ],
)
def test_what_is_no_checkpoint(kandinsky, path: str, message: str) -> None:
    called = kandinsky("models", "inspect", path)
    assert called.status == 2 and called.out == ""
    assert len(called.err.splitlines()) == 1
    assert any(part in called.err for part in message.split("|"))
