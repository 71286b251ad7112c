"""`kandinsky convert` of Kandinsky 3: names, files of several tasks, and what it refuses."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.kandinsky3.convert_kandinsky3_unet import convert_state_dict
from safetensors.torch import load_file

from nodes.conversion import original3, unet3_names
from nodes.conversion.convert import convert
from nodes.files.reading import CheckpointError
from nodes.kandinsky.movq_decode import movq_decode
from nodes.kandinsky.text_encode import text_encode
from nodes.kandinsky.unet_denoise import unet_denoise
from nodes.load.load_kandinsky3 import load_kandinsky3
from nodes.wires import Latents
from tests.nodes import original3 as tiny_original
from tests.nodes import tiny, tiny3
from tests.nodes.networks.test_networks import real
from tests.nodes.stages import Recorder, environment
from ui.command.main import main


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An original with all three UNets; read only."""
    return tiny_original.original(tmp_path_factory.mktemp("original3") / "kandinsky")


@pytest.fixture(scope="module")
def made(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What becomes of it; read only."""
    return converted(whole, tmp_path_factory.mktemp("converted3") / "made")


def converted(source: Path, target: Path) -> Path:
    with tiny_original.tiny_sizes():
        said = convert(source, target, lambda _: None)
    assert said == "Kandinsky 3, for the source of load_kandinsky3"
    return target


def test_every_real_name_is_found_as_diffusers_finds_it() -> None:
    shapes = real("unet3")["shapes"]
    names = [name for name in shapes if not name.startswith("encoder_hid_proj")]
    originals = [tiny_original.original_unet_name(name) for name in names]
    assert len({*originals}) == len(names) == 1068
    assert list(convert_state_dict(dict.fromkeys(originals))) == names  # the list in the test is right
    assert [unet3_names.renamed(name) for name in originals] == names


def test_one_folder_holds_all_that_the_original_does(made: Path) -> None:
    for variant in ("text2img", "inpaint", "flash"):
        parts = tiny3.kandinsky3_parts(made, variant=variant)
        assert (parts.unet.variant, parts.unet.system) == (variant, "3")
        assert parts.unet.scheduler["dynamic_thresholding_ratio"] == (0.95 if variant == "inpaint" else 0.99)
    flash = tiny3.kandinsky3_parts(made, variant="flash").unet.recommended
    assert (flash["steps"], flash["scheduler"]) == (4, "flash")


def test_the_unets_keep_their_weights_and_the_token_for_no_prompt(whole: Path, made: Path) -> None:
    for seed, (folder, (file, _, channels)) in enumerate(original3.UNETS.items()):
        found = load_file(made / folder / "diffusion_pytorch_model.safetensors")
        expected = tiny3.tiny_unet3(seed, in_channels=channels).state_dict()
        assert found.keys() == {*expected, "null_embedding"}
        for name, tensor in expected.items():
            inside = name.startswith("encoder_hid_proj")
            assert torch.equal(found[name], tensor if inside else tensor.half()), name
        token = torch.load(whole / file, weights_only=True)["null_embedding"]
        assert torch.equal(found["null_embedding"], token[0])


def test_the_autoencoder_and_the_text_encoder_compute_the_same(made: Path) -> None:
    parts, movq = tiny3.kandinsky3_parts(made), tiny.tiny_movq()
    latents = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    picture = movq_decode(parts.movq, Latents(latents, 32, 32, "3"), progress=Recorder())
    with torch.no_grad():
        expected = movq.decode(latents, force_not_quantize=True).sample * 0.5 + 0.5
    torch.testing.assert_close(
        torch.tensor(picture.image).permute(0, 3, 1, 2), expected.clamp(0, 1), atol=1e-5, rtol=0
    )
    encoder = load_file(made / "text_encoder" / "model-00001-of-00002.safetensors")
    encoder |= load_file(made / "text_encoder" / "model-00002-of-00002.safetensors")
    expected_encoder = tiny3.tiny_t5().state_dict()
    assert all(torch.equal(tensor, expected_encoder[name]) for name, tensor in encoder.items())
    text = text_encode(parts.text_encoder, text="a red cube", progress=Recorder())
    size = {"width": 32, "height": 32, "steps": 2, "guidance": 3.0}
    painted = unet_denoise(parts.unet, text_embeds=text, **size, progress=Recorder())
    assert painted.shape == (1, 4, 4, 4) and painted.latents.std() > 0.1


def test_some_of_the_unets_are_enough_and_safetensors_are_copied(tmp_path: Path) -> None:
    source = tiny_original.original(tmp_path / "hub" / "weights", ("unet_flash",), safe=True)
    made = converted(source.parent, tmp_path / "made")  # as the hub's repository has it
    assert {entry.name for entry in made.iterdir()} >= {"unet_flash", "movq", "text_encoder", "tokenizer"}
    assert not (made / "unet").exists()
    assert tiny3.kandinsky3_parts(made).unet.variant == "flash"
    copied, there = (
        folder / "model.safetensors" for folder in (made / "text_encoder", source / "flan_ul2_encoder")
    )
    assert copied.read_bytes() == there.read_bytes()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("movq.pt", r"lacks movq\.pt"),
        ("flan_ul2_encoder/projection_flash.pt", r"lacks flan_ul2_encoder/projection_flash\.pt"),
        ("flan_ul2_encoder/spiece.model", r"has no spiece\.model or tokenizer\.json"),
        ("flan_ul2_encoder/config.json", r"config\.json is missing"),
        ("flan_ul2_encoder/pytorch_model-00002-of-00002.bin", r"lack encoder\.block"),
    ],
)
def test_missing_files_are_named_and_nothing_is_left(
    whole: Path, tmp_path: Path, missing: str, message: str
) -> None:
    source = Path(shutil.copytree(whole, tmp_path / "original"))
    (source / missing).unlink()
    with tiny_original.tiny_sizes(), pytest.raises(CheckpointError, match=message):
        convert(source, tmp_path / "made", lambda _: None)
    assert [entry.name for entry in tmp_path.iterdir()] == ["original"]


def _lacking(state: Any) -> None:
    del state["unet"]["in_layer.weight"]


def _reshaped(state: Any) -> None:
    state["null_embedding"] = torch.zeros(2, 24)


def _other(state: Any) -> None:
    state["unet"]["note"] = "hello"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_lacking, r"kandinsky3\.pt lacks what becomes conv_in\.weight"),
        (
            _reshaped,
            r"null_embedding has the shape \(2, 24\), which makes null_embedding \(48,\), expected \(24,\)",
        ),
        (_other, r"holds 'unet\.note', a str, expected a tensor"),
    ],
)
def test_tensors_that_do_not_fit(whole: Path, tmp_path: Path, change: Any, message: str) -> None:
    source = Path(shutil.copytree(whole, tmp_path / "original"))
    state = torch.load(source / "kandinsky3.pt", weights_only=True)
    change(state)
    torch.save(state, source / "kandinsky3.pt")
    with tiny_original.tiny_sizes(), pytest.raises(CheckpointError, match=message):
        convert(source, tmp_path / "made", lambda _: None)


def test_the_command_says_who_takes_it(whole: Path, tmp_path: Path, capsys: Any) -> None:
    with tiny_original.tiny_sizes():
        assert main(["convert", str(whole), str(tmp_path / "made")]) == 0
    said = capsys.readouterr()
    assert said.out.endswith("made: Kandinsky 3, for the source of load_kandinsky3\n")
    assert "unet_inpaint: " in said.err


def test_a_unet_in_a_single_file_says_what_it_is(made: Path, tmp_path: Path) -> None:
    from nodes.checkpoints.single_file import recognise, unet3_config

    file = tmp_path / "kandinsky3.safetensors"
    shutil.copyfile(made / "unet_inpaint" / "diffusion_pytorch_model.safetensors", file)
    part, config = recognise(file)
    assert part == "unet"
    expected = {**original3.UNET, **tiny_original.SIZES, "in_channels": 9}
    left = {"groups", "attention_head_dim"}  # what shapes cannot say
    assert {name: value for name, value in config.items() if name not in left} == {
        name: value for name, value in expected.items() if name not in left
    }
    whole = unet3_config({name: tuple(shape) for name, shape in real("unet3")["shapes"].items()})
    assert {**whole, "groups": 32} == {**original3.UNET, "null_embedding": False}
    handle = load_kandinsky3(
        source=str(file), environment=environment(tmp_path), wanted=frozenset({"unet"})
    ).unet
    assert (handle.system, handle.variant, handle.latent_factor) == ("3", "inpaint", 8)
    assert handle.scheduler["beta_schedule"] == "squaredcos_cap_v2"
