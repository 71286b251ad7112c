"""What loaders and `kandinsky models inspect` say of checkpoints."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodes.checkpoints.locate import locate_any
from nodes.checkpoints.report import Found, parts
from tests.nodes import tiny, tiny21
from tests.nodes.checkpoints.test_lora import IN_PRIOR, LAYER, matrices
from tests.nodes.checkpoints.test_single_file import UNETS, saved
from tests.nodes.stages import decoder_parts, prior_parts, run_nodes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report")
    tiny21.tiny_prior21(root / "prior")
    tiny21.tiny_decoder21(root / "decoder", "inpaint")
    return root


def found(path: Path) -> dict[str, Found]:
    return {part.part: part for part in parts(locate_any(str(path)))}


def test_parts_of_checkpoints_side_by_side(folder: Path) -> None:
    every = found(folder)
    assert {name: part.what for name, part in every.items()} == {
        "decoder/movq": "MoVQ (VQModel), 8 pixels a latent",
        "decoder/scheduler": "DDIMScheduler",
        "decoder/text_encoder": "MultilingualCLIP",
        "decoder/unet": "UNet of Kandinsky 2.1, inpainting",
        "prior/image_encoder": "CLIPVisionModelWithProjection",
        "prior/prior": "prior of Kandinsky 2.1",
        "prior/scheduler": "UnCLIPScheduler",
        "prior/text_encoder": "CLIPTextModelWithProjection",
    }
    size = every["decoder/unet"].size
    assert size is not None and size.saved_as == "float32"
    network = tiny21.tiny_unet21("inpaint")
    assert size.parameters == sum(value.numel() for value in network.parameters())
    file = folder / "decoder" / "unet" / "diffusion_pytorch_model.safetensors"
    assert size.saved_bytes == file.stat().st_size
    assert every["prior/scheduler"].size is None


def test_the_folder_of_a_part(folder: Path) -> None:
    assert [part.what for part in found(folder / "prior" / "prior").values()] == ["prior of Kandinsky 2.1"]


def test_mixed_precision_is_told(tmp_path: Path) -> None:
    network = tiny.tiny_unet()
    network.save_pretrained(tmp_path / "unet")
    state = network.state_dict()
    halves = {name: value.half() if "conv" in name else value for name, value in state.items()}
    save_file(halves, tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    size = found(tmp_path)["unet"].size
    assert size is not None and size.saved_as == "float16 and float32"


def test_what_is_broken_is_told_and_the_rest_all_the_same(tmp_path: Path) -> None:
    tiny.tiny_decoder(tmp_path / "decoder")
    (tmp_path / "decoder" / "unet" / "config.json").write_text("{")
    weights = tmp_path / "decoder" / "movq" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    every = found(tmp_path / "decoder")
    assert "is not valid JSON" in every["unet"].problem
    assert "weights must be safetensors" in every["movq"].problem
    assert every["scheduler"] == Found("scheduler", "DDPMScheduler")


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "unet").symlink_to(folder / "decoder" / "unet")
    assert "outside" in found(tmp_path / "checkpoint")["unet"].problem


def test_single_files(tmp_path: Path) -> None:
    unet = saved(UNETS["2.1 inpaint"](), tmp_path / "unet.safetensors")
    assert found(unet)["."].what == "UNet of Kandinsky 2.1, inpainting"
    prior = saved(
        tiny.tiny_prior_network(num_attention_heads=1, attention_head_dim=64), tmp_path / "p.safetensors"
    )
    assert found(prior)["."].what == "prior of Kandinsky 2.2"
    movq = saved(tiny.tiny_movq(), tmp_path / "movq.safetensors")
    assert "is a MoVQ" in found(movq)["."].problem


def test_loras(tmp_path: Path) -> None:
    for name, tensors, what in (
        ("unet", matrices(), "LoRA of a unet: 1 layers, rank 2"),
        ("prior", matrices(IN_PRIOR, 24), "LoRA of a prior: 1 layers, rank 2"),
        (
            "both",
            matrices(f"unet.{LAYER}") | matrices("unet.conv_in", rank=5),
            "LoRA of a unet: 2 layers, ranks 2 to 5",
        ),
    ):
        save_file(tensors, tmp_path / f"{name}.safetensors")
        assert found(tmp_path / f"{name}.safetensors")["."].what == what
    save_file({f"{LAYER}.lora_A.weight": torch.zeros(2, 64)}, tmp_path / "half.safetensors")
    assert "lacks the up matrix" in found(tmp_path / "half.safetensors")["."].problem


def test_loaders_say_what_they_found(folder: Path) -> None:
    unet = decoder_parts(folder / "decoder", dtype="float16").unet
    assert unet.description == (
        "Kandinsky 2.1 UNet, inpainting: 0.9 M parameters, saved as float32 (3.5 MB), "
        "used as float16 (1.7 MB)"
    )
    assert prior_parts(folder / "prior").prior.description.startswith(
        "Kandinsky 2.1 prior: 20,904 parameters, saved as float32"
    )


def test_events_carry_what_loaders_found(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("KANDINSKY_MODELS", str(folder))
    events: list[dict] = []
    nodes = {
        "models": {"type": "load_prior", "params": {"source": str(folder / "prior")}},
        "empty": {"type": "zero_embeds", "inputs": {"image_encoder": "models.image_encoder"}},
    }
    run_nodes(tmp_path, nodes, events.append, made="empty.image_embeds")
    told = next(event for event in events if event["event"] == "finished" and event["node"] == "models")
    assert told["outputs"]["image_encoder"]["text"].startswith(
        "Kandinsky 2.1 image encoder: 33,738 parameters"
    )
