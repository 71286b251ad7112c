"""A UNet or a prior in a single safetensors file: its config from its tensors, what loaders make of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import graph
from graph.context import Environment
from graph.files.allowed import Files
from nodes.checkpoints.single_file import SCHEDULERS, prior_config, recognise, unet_config
from nodes.files.reading import CheckpointError
from nodes.load.load_kandinsky2 import load_decoder, load_prior
from nodes.networks.prior_transformer import PriorConfig
from nodes.networks.unet import UNetConfig
from tests.nodes import tiny, tiny21
from tests.nodes.networks.test_networks import real
from tests.nodes.stages import run_nodes

HEADS: dict[str, Any] = {"block_out_channels": (64, 128), "attention_head_dim": 64}  # as in the real ones
UNETS = {
    "2.2 text2img": lambda: tiny.tiny_unet("text2img", **HEADS),
    "2.2 inpaint": lambda: tiny.tiny_unet("inpaint", **HEADS),
    "2.2 controlnet_depth": lambda: tiny.tiny_unet("controlnet_depth", **HEADS),
    "2.1 text2img": lambda: tiny21.tiny_unet21("text2img", **HEADS),
    "2.1 inpaint": lambda: tiny21.tiny_unet21("inpaint", **HEADS),
}
WIDE = {"num_attention_heads": 1, "attention_head_dim": 64}


@pytest.mark.parametrize("name", ["unet21", "unet21_inpaint", "unet22", "unet22_cn", "unet22_inpaint"])
def test_the_real_unets_are_known_by_their_tensors(name: str) -> None:
    shapes = {key: tuple(shape) for key, shape in real(name)["shapes"].items()}
    assert UNetConfig.read(unet_config(shapes)) == UNetConfig.read(real(name)["config"])


@pytest.mark.parametrize("name", ["prior21", "prior22"])
def test_the_real_priors_are_known_by_their_tensors(name: str) -> None:
    shapes = {key: tuple(shape) for key, shape in real(name)["shapes"].items()}
    assert PriorConfig.read(prior_config(shapes)) == PriorConfig.read(real(name)["config"])


def saved(network: torch.nn.Module, file: Path) -> Path:
    save_file(network.state_dict(), file, metadata={"format": "pt"})
    return file


def loaded(loader: Any, file: Path, **params: Any) -> Any:
    return loader(source=str(file), environment=Environment(Files(file, cwd=file.parent)), **params)


@pytest.mark.parametrize("kind", UNETS)
def test_a_unet_is_what_it_is_in_a_folder(kind: str, tmp_path: Path) -> None:
    system, variant = kind.split()
    network = UNETS[kind]()
    single = loaded(load_decoder, saved(network, tmp_path / "mine.safetensors"), variant=variant)
    assert (single.unet.system, single.unet.variant) == (system, variant)
    assert single.movq is None and single.text_encoder is None
    assert UNetConfig.read(single.unet.config) == UNetConfig.read(network.config)
    assert single.unet.recommended["steps"] == 100
    assert single.unet.scheduler["_class_name"] == {"2.1": "DDIMScheduler", "2.2": "DDPMScheduler"}[system]


def test_a_prior(tmp_path: Path) -> None:
    network = tiny.tiny_prior_network(**WIDE)
    single = loaded(load_prior, saved(network, tmp_path / "prior.safetensors"))
    assert single.prior.embedding_dim == tiny.EMBED and single.prior.system == "2.2"
    assert PriorConfig.read(single.prior.config) == PriorConfig.read(
        {name: value for name, value in network.config.items() if name != "clip_embed_dim"}
    )
    assert single.text_encoder is None and single.image_encoder is None


def painting(unet: str, movq: str, folders: dict[str, Path]) -> dict[str, Any]:
    """A picture with one source's UNet and another's MoVQ."""
    source = {
        name: {"type": "load_decoder", "params": {"source": str(path)}} for name, path in folders.items()
    }
    inputs = {"unet": f"{unet}.unet", "image_embeds": "embeds.image_embeds"}
    return source | {
        "prior": {"type": "load_prior", "params": {"source": "miniature"}},
        "picture": {"type": "load_image", "params": {"path": "picture.png"}},
        "embeds": {
            "type": "image_encode",
            "inputs": {"image_encoder": "prior.image_encoder", "image": "picture.image"},
        },
        "denoise": {
            "type": "unet_denoise",
            "inputs": inputs,
            "params": {"width": 32, "height": 32, "steps": 3, "guidance": 1.0},
        },
        "pixels": {"type": "movq_decode", "inputs": {"movq": f"{movq}.movq", "latents": "denoise.latents"}},
    }


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A decoder in a folder, and its UNet as a file."""
    from PIL import Image

    monkeypatch.setenv("KANDINSKY_MODELS", str(tmp_path))
    wide: dict[str, Any] = {**HEADS, "encoder_hid_dim": 128}  # the miniature's image embeds
    folder = tiny.tiny_decoder(tmp_path / "decoder", scheduler_options={"clip_sample": True}, **wide)
    file = tmp_path / "unet.safetensors"
    shutil.copy(folder / "unet" / "diffusion_pytorch_model.safetensors", file)
    Image.new("RGB", (40, 40), (200, 30, 30)).save(tmp_path / "picture.png")
    return {"folder": folder, "file": file}


def test_it_paints_what_the_folder_paints(sources: dict[str, Path], tmp_path: Path) -> None:
    made = {
        name: run_nodes(tmp_path, painting(name, "folder", sources), image="pixels.image")["image"].image
        for name in sources
    }
    np.testing.assert_allclose(made["file"], made["folder"], atol=1e-6)
    assert made["file"].std() > 0.01


def test_what_the_file_lacks_is_told_while_planning(sources: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(graph.InvalidWorkflow, match=r"pixels.movq: file.movq does not exist for this"):
        run_nodes(tmp_path, painting("file", "file", sources))


def test_the_content_is_the_key(tmp_path: Path) -> None:
    one = saved(UNETS["2.2 text2img"](), tmp_path / "one.safetensors")
    two = saved(UNETS["2.2 text2img"](), tmp_path / "two.safetensors")
    other = saved(tiny.tiny_unet(seed=9, **HEADS), tmp_path / "other.safetensors")
    keys = [loaded(load_decoder, file).unet.cache_key for file in (one, two, other)]
    assert keys[0] == keys[1] != keys[2]


def test_a_config_beside_a_file_of_the_diffusers_name_counts(tmp_path: Path) -> None:
    network = tiny.tiny_unet(attention_head_dim=4)
    network.save_pretrained(tmp_path / "unet")
    inside = tmp_path / "unet" / "diffusion_pytorch_model.safetensors"
    assert loaded(load_decoder, inside).unet.config["attention_head_dim"] == 4
    alone = Path(shutil.copy(inside, tmp_path / "alone.safetensors"))
    (tmp_path / "config.json").write_text(json.dumps({"attention_head_dim": 4}))
    assert loaded(load_decoder, alone).unet.config["attention_head_dim"] == 64


LORA = {"x.to_q.lora_A.weight": torch.zeros(2, 4), "x.to_q.lora_B.weight": torch.zeros(4, 2)}


@pytest.mark.parametrize(
    ("loader", "tensors", "message"),
    [
        (
            load_decoder,
            {"prd_embedding": torch.zeros(1)},
            "begins like a prior, but it is not whole: 'proj_in",
        ),
        (load_decoder, tiny.tiny_prior_network(**WIDE).state_dict(), "holds a prior, expected a unet"),
        (load_prior, UNETS["2.2 text2img"]().state_dict(), "holds a unet, expected a prior"),
        (load_decoder, tiny.tiny_movq().state_dict(), "is a MoVQ, which does not say of which Kandinsky"),
        (load_decoder, LORA, "is a LoRA, which load_lora takes"),
        (load_decoder, {"input_blocks.0.0.weight": torch.zeros(1)}, "has the names of the original code"),
        (load_prior, tiny.tiny_text_encoder(99).state_dict(), "is a CLIP text encoder"),
        (load_prior, tiny.tiny_image_encoder().state_dict(), "is a CLIP image encoder"),
        (
            load_prior,
            {"weight": torch.zeros(1)},
            "holds weight, expected the UNet or the prior of a Kandinsky",
        ),
        (load_prior, {}, "holds nothing, expected"),
        (
            load_decoder,
            {"encoder_hid_proj.image_embeds.weight": torch.zeros(3, 4)},
            "begins like a unet, but it is not whole: 'conv_in.weight'",
        ),
    ],
)
def test_other_files_are_refused_by_what_they_are(loader, tensors, message, tmp_path: Path) -> None:
    contiguous = {name: value.contiguous() for name, value in tensors.items()}
    save_file(contiguous, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=message):
        loaded(loader, tmp_path / "a.safetensors")


def test_what_is_no_safetensors_file(tmp_path: Path) -> None:
    torch.save({"x": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="is a pickle"):
        loaded(load_decoder, tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"hello")
    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        loaded(load_decoder, tmp_path / "b.safetensors")


def test_a_variant_that_the_file_is_not(tmp_path: Path) -> None:
    file = saved(UNETS["2.2 text2img"](), tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="holds no variant 'inpaint', only text2img"):
        loaded(load_decoder, file, variant="inpaint")


def test_the_schedulers_are_those_that_diffusers_reads() -> None:
    from nodes.schedulers.choose import scheduler

    for name, config in SCHEDULERS.items():
        assert type(scheduler(config)).__name__.lower() in str(config["_class_name"]).lower(), name


def test_recognise_reads_headers_only(tmp_path: Path) -> None:
    file = saved(UNETS["2.2 text2img"](), tmp_path / "a.safetensors")
    part, config = recognise(file)
    assert part == "unet" and config["layers_per_block"] == 1
