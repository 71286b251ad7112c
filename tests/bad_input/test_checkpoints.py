"""Checkpoints that are broken or made to do harm: one sentence, and what does not need them still runs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.bad_input.conftest import save, told

UNET = "decoder/unet/diffusion_pytorch_model.safetensors"
MOVQ = "decoder/movq/diffusion_pytorch_model.safetensors"
PRIOR = "prior/prior/diffusion_pytorch_model.safetensors"
FIRST = "conv_in.weight"

NODES: dict[str, Any] = {
    "priors": {"type": "load_prior", "params": {"source": "./prior"}},
    "decoders": {"type": "load_decoder", "params": {"source": "./decoder"}},
    "words": {
        "type": "text_encode",
        "inputs": {"text_encoder": "priors.text_encoder"},
        "params": {"text": "a red cube"},
    },
    "prior": {
        "type": "prior",
        "inputs": {
            "prior": "priors.prior",
            "positive": "words.text_embeds",
            "image_encoder": "priors.image_encoder",
        },
        "params": {"steps": 1},
    },
    "denoise": {
        "type": "unet_denoise",
        "inputs": {
            "unet": "decoders.unet",
            "image_embeds": "prior.image_embeds",
            "negative_image_embeds": "prior.negative_image_embeds",
        },
        "params": {"steps": 1, "width": 32, "height": 32},
    },
    "pixels": {"type": "movq_decode", "inputs": {"movq": "decoders.movq", "latents": "denoise.latents"}},
    "save": save("pixels.image"),
    "shape": {"type": "mask", "params": {"shape": "ellipse", "width": 8, "height": 8}},
    "other": save("shape.preview", "other"),
}


@pytest.fixture
def copies(here: Path, prior_folder: Path, decoder_folder: Path) -> Path:
    """A prior and a decoder beside the workflow, to be broken."""
    shutil.copytree(prior_folder, here / "prior")
    shutil.copytree(decoder_folder, here / "decoder")
    return here


def tensors(path: str, change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[], object]:
    def mess() -> None:
        held = load_file(path)
        change(held)
        save_file(held, path)

    return mess


def config(path: str, **changes: Any) -> Callable[[], object]:
    def mess() -> None:
        file = Path(path)
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return mess


def cut(path: str, keep: int) -> Callable[[], object]:
    return lambda: Path(path).write_bytes(Path(path).read_bytes()[:keep])


def replaced_by_pickle() -> None:
    Path(UNET).unlink()
    torch.save({"a": torch.zeros(2)}, Path(UNET).with_suffix(".bin"))


def linked_away() -> None:
    outside = Path("../weights.safetensors")
    shutil.move(UNET, outside)
    Path(UNET).symlink_to(outside.resolve())


def wider(held: dict[str, torch.Tensor]) -> None:
    held[FIRST] = torch.zeros(3, 3)


def whole(held: dict[str, torch.Tensor]) -> None:
    held[FIRST] = held[FIRST].to(torch.int32)


def broken(held: dict[str, torch.Tensor]) -> None:
    held[FIRST] = held[FIRST] * float("nan")


WHILE_PLANNING: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "cut header": (cut(UNET, 5000), ("decoders", UNET, "cut off")),
    "cut data": (cut(UNET, -5000), ("decoders", UNET, "cut off")),
    "no bytes": (cut(UNET, 0), (UNET, "not a safetensors file")),
    "huge header": (lambda: Path(UNET).write_bytes((1 << 40).to_bytes(8, "little")), ("not a safetensors",)),
    "pickle inside": (lambda: torch.save({"a": 1}, UNET), ("must be safetensors", "is a pickle")),
    "pickle instead": (replaced_by_pickle, ("must be safetensors", ".bin is a pickle")),
    "no weights": (lambda: Path(UNET).unlink(), ("unet has no weights", "expected diffusion_pytorch_model")),
    "link": (linked_away, (UNET, "is a link to", "outside")),
    "no config": (lambda: Path("decoder/unet/config.json").unlink(), ("has no unet/config.json",)),
    "deep config": (
        lambda: Path("decoder/unet/config.json").write_text("[" * 100_000),
        ("unet/config.json", "not valid JSON"),
    ),
    "long config": (
        lambda: Path("decoder/unet/config.json").write_text(" " * (2 << 20)),
        ("unet/config.json is larger than 1 MB",),
    ),
    "NaN": (lambda: Path("decoder/unet/config.json").write_text('{"a": NaN}'), ("NaN is not JSON",)),
    "no object": (lambda: Path("decoder/unet/config.json").write_text("[]"), ("must hold a JSON object",)),
    "levels": (config("decoder/unet/config.json", block_out_channels=[32] * 10_000), ("block_out_channels",)),
    "channels": (config("decoder/movq/config.json", latent_channels=7), ("in_channels is 4", "7 channels")),
    "image size": (config("prior/image_encoder/config.json", image_size=10**7), ("image_size is 10000000",)),
    "no tokenizer": (lambda: shutil.rmtree("prior/tokenizer"), ("has no tokenizer",)),
    "width": (
        lambda: Path("decoder/recommended.json").write_text('{"width": 1000000000}'),
        ("recommended.json: width is 1000000000", "1 to 8192"),
    ),
    "another part": (
        lambda: shutil.copytree("prior", "decoder", dirs_exist_ok=True) and shutil.rmtree("decoder/unet"),
        ("decoders", "has no unet/config.json"),
    ),
    "prior size": (
        config("prior/prior/config.json", embedding_dim=64),
        ("prior.positive: the text embeds of this wire have 32", "expected 64, which the prior takes"),
    ),
}

WHEN_OPENED: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "missing tensor": (
        tensors(UNET, lambda held: held.pop(FIRST)),
        ("denoise", "decoder/unet", "lack", FIRST),
    ),
    "another shape": (tensors(UNET, wider), ("another shape", FIRST, "(3, 3), expected (32, 4, 3, 3)")),
    "unknown tensor": (
        tensors(UNET, lambda held: held.update(foo=torch.zeros(1))),
        ("hold foo", "does not know"),
    ),
    "whole numbers": (tensors(UNET, whole), ("whole numbers (I32)", FIRST)),
    "not finite": (tensors(UNET, broken), ("denoise", "not finite", "damaged")),
    "unknown field": (config("decoder/unet/config.json", foo=1), ("unet/config.json", "unknown field 'foo'")),
    "unknown value": (config("decoder/unet/config.json", act_fn="gelu"), ("act_fn is 'gelu'", "'silu'")),
    "wrong type": (config("decoder/unet/config.json", norm_num_groups="x"), ("norm_num_groups is 'x'",)),
    "absurd size": (config("decoder/unet/config.json", layers_per_block=10**6), ("layers_per_block",)),
    "MoVQ": (config("decoder/movq/config.json", norm_type="group"), ("pixels", "norm_type is 'group'")),
    "scheduler class": (
        config("decoder/scheduler/scheduler_config.json", _class_name="Evil"),
        ("scheduler config", "'Evil' is not supported", "DDPMScheduler"),
    ),
    "scheduler value": (
        config("decoder/scheduler/scheduler_config.json", beta_schedule="x"),
        ("beta_schedule is 'x'", "'linear'"),
    ),
    "scheduler size": (
        config("decoder/scheduler/scheduler_config.json", num_train_timesteps=10**9),
        ("num_train_timesteps is 1000000000", "2 to 100000"),
    ),
    "text encoder": (
        config("prior/text_encoder/config.json", num_hidden_layers=10**6),
        ("words", "num_hidden_layers is 1000000", "1 to 256"),
    ),
    "remote code": (
        config("prior/text_encoder/config.json", auto_map={"AutoModel": "evil.Evil"}),
        ("auto_map", "expected None"),
    ),
    "empty tokenizer": (
        lambda: [file.write_text("{") for file in Path("prior/tokenizer").iterdir()],
        ("words", "tokenizer", "cannot be read"),
    ),
    "prior": (config("prior/prior/config.json", num_layers=10**6), ("prior: ", "num_layers is 1000000")),
    "vision": (config("prior/image_encoder/config.json", patch_size=0), ("prior: ", "patch_size is 0")),
}


@pytest.mark.parametrize("name", WHILE_PLANNING)
def test_what_headers_and_configs_tell_is_told_before_anything_runs(run, copies, name) -> None:
    mess, parts = WHILE_PLANNING[name]
    mess()
    told(run(NODES), 2, *parts)
    assert not Path("outputs").exists()


@pytest.mark.parametrize("name", WHEN_OPENED)
def test_what_is_found_when_weights_are_opened_fails_alone(run, copies, name) -> None:
    mess, parts = WHEN_OPENED[name]
    mess()
    called = run(NODES)
    told(called, 1, "failed", *parts)
    told(called, 1, "save: skipped because of")
    assert [path.name for path in Path("outputs").iterdir()] == ["other.png"]


def test_the_copies_are_fine(run, copies) -> None:
    assert run(NODES).status == 0


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("/etc", ("outside the folders", "--allow")),
        ("../..", ("outside the folders",)),
        ("./..", ("outside the folders",)),
        ("./nowhere", ("does not exist",)),
        ("./picture.png", ("is not a safetensors file",)),
        ("./prioor", ("does not exist", "'prior'")),
        ("miniatur", ("nor a hub id", "did you mean 'miniature'")),
        ("some/body", ("not on this machine", "--download")),
        ("", ("means nothing",)),
        ("x" * 5000, ("means nothing",)),
    ],
)
def test_sources_that_lead_nowhere(run, copies, source, parts) -> None:
    nodes = {
        "priors": {"type": "load_prior", "params": {"source": source}},
        "zero": {"type": "zero_embeds", "inputs": {"image_encoder": "priors.image_encoder"}},
    }
    told(run(nodes), 2, "priors", *parts)
