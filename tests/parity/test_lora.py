"""LoRAs change UNets and priors as they do in diffusers (with peft), in every naming that it has had."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import PriorTransformer, UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import load_file, save_file

from graph.context import Environment
from graph.files.allowed import Files
from nodes.load.load_lora import load_lora
from nodes.parts import Prior, UNet
from nodes.weights.open_network import open_network
from tests.nodes import tiny, tiny21
from tests.nodes.stages import decoder_parts, prior_parts

TOLERANCE = 1e-5  # of the largest value
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
EVERYTHING = [*ATTENTION, "add_k_proj", "add_v_proj", "conv1", "conv_in", "time_emb_proj", "image_proj"]
CONFIGS: dict[str, dict[str, Any]] = {
    "attention": {"r": 4, "lora_alpha": 4, "target_modules": ATTENTION},
    "alpha": {"r": 4, "lora_alpha": 16, "target_modules": EVERYTHING},
    "patterns": {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": EVERYTHING,
        "rank_pattern": {"to_q": 2, "conv1": 3},
        "alpha_pattern": {"to_q": 7, "mid_block.attentions.0.to_k": 1},
    },
    "rslora": {"r": 9, "lora_alpha": 3, "use_rslora": True, "target_modules": ATTENTION},
}
IN_PRIOR = {"conv1": "linear_1", "conv_in": "proj_in", "image_proj": "ff.net.2"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("lora")
    return {
        "2.2": tiny.tiny_decoder(root / "22"),
        "2.1": tiny21.tiny_decoder21(root / "21"),
        "prior": tiny.tiny_prior(root / "prior"),
    }


def handle(folder: Path, part: str) -> UNet | Prior:
    return prior_parts(folder).prior if part == "prior" else decoder_parts(folder).unet


def adapted(base: UNet | Prior, source: Path, weight: float = 1.0) -> Any:
    """The handle with a LoRA."""
    environment = Environment(Files(source, cwd=source))
    return load_lora(base, source=str(source), weight=weight, environment=environment).model


def same(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert (ours - theirs).abs().max() <= TOLERANCE * theirs.abs().max()


def lead(part: str) -> dict[str, torch.Tensor]:
    """Inputs for a forward pass, by diffusers' names."""
    source = torch.Generator().manual_seed(1)
    if part == "prior":
        return {
            "hidden_states": torch.randn(3, tiny.EMBED, generator=source),
            "proj_embedding": torch.randn(3, tiny.EMBED, generator=source),
            "encoder_hidden_states": torch.randn(3, 77, tiny.EMBED, generator=source),
            "attention_mask": torch.ones(3, 77, dtype=torch.bool),
        }
    return {
        "sample": torch.randn(3, 4, 8, 8, generator=source),
        "image_embeds": torch.randn(3, tiny.EMBED, generator=source),
        "text_embeds": torch.randn(3, tiny.EMBED, generator=source),
        "hidden_states": torch.randn(3, 5, tiny21.READ, generator=source),
    }


@torch.no_grad()
def run_ours(opened: UNet | Prior) -> torch.Tensor:
    network, inputs = open_network(opened, "cpu"), lead(opened.part)
    if isinstance(opened, Prior):
        text = (inputs["proj_embedding"], inputs["encoder_hidden_states"], inputs["attention_mask"])
        return network(inputs["hidden_states"], 77, *text)
    names = ("image_embeds",) if opened.system == "2.2" else ("image_embeds", "text_embeds", "hidden_states")
    return network(inputs["sample"], 77, network.condition(**{name: inputs[name] for name in names}))


@torch.no_grad()
def run_theirs(theirs: Any) -> torch.Tensor:
    if isinstance(theirs, PriorTransformer):
        return theirs(timestep=77, **lead("prior")).predicted_image_embedding
    inputs = lead("unet")
    added = {name: inputs[name] for name in ("image_embeds", "text_embeds")}
    hidden = inputs["hidden_states"] if theirs.config.addition_embed_type == "text_image" else None
    return theirs(inputs["sample"], 77, encoder_hidden_states=hidden, added_cond_kwargs=added).sample


def opened_by_diffusers(folder: Path, part: str) -> Any:
    kind = PriorTransformer if part == "prior" else UNet2DConditionModel
    return kind.from_pretrained(folder, subfolder=part).eval()


def make(theirs: Any, folder: Path, name: str = "one", config: Any = "alpha", seed: int = 0) -> Path:
    """Add a random LoRA to diffusers' network, saved to `folder` as diffusers saves it."""
    settings = dict(CONFIGS[config] if isinstance(config, str) else config)
    if isinstance(theirs, PriorTransformer):
        targets = [IN_PRIOR.get(target, target) for target in settings["target_modules"]]
        settings["target_modules"] = [name for name in targets if not name.startswith(("add_", "time_"))]
    theirs.add_adapter(LoraConfig(**settings), adapter_name=name)
    source = torch.Generator().manual_seed(seed)
    for key, value in theirs.named_parameters():
        if f".{name}." in key:
            value.data.copy_(torch.randn(value.shape, generator=source) * 0.15)
    theirs.save_lora_adapter(folder / name, adapter_name=name)
    return folder / name


CASES = [("2.2", "unet"), ("2.1", "unet"), ("prior", "prior")]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize(("system", "part"), CASES)
def test_what_diffusers_saved(folders, tmp_path, system, part, config) -> None:
    theirs, base = opened_by_diffusers(folders[system], part), handle(folders[system], part)
    plain = run_theirs(theirs)
    same(run_ours(base), plain)
    file = make(theirs, tmp_path, config=config)
    changed = run_theirs(theirs)
    assert (changed - plain).abs().max() > 0.05
    same(run_ours(adapted(base, file)), changed)


@pytest.mark.parametrize(("system", "part"), CASES)
def test_several_at_once_with_weights(folders, tmp_path, system, part) -> None:
    theirs, base = opened_by_diffusers(folders[system], part), handle(folders[system], part)
    one = make(theirs, tmp_path, "one", "attention", 1)
    two = make(theirs, tmp_path, "two", "patterns", 2)
    for weights in ([1.0, 1.0], [0.3, -0.8], [0.0, 0.5]):
        theirs.set_adapters(["one", "two"], weights)
        both = adapted(adapted(base, one, weights[0]), two, weights[1])
        same(run_ours(both), run_theirs(theirs))
        other_way = adapted(adapted(base, two, weights[1]), one, weights[0])
        same(run_ours(other_way), run_theirs(theirs))


NAMINGS = {
    "peft": (".lora_A.weight", ".lora_B.weight"),
    "diffusers": (".lora.down.weight", ".lora.up.weight"),
    "linear layer": (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
    "processor": ("_lora.down.weight", "_lora.up.weight"),
}


def renamed(file: Path, naming: str) -> dict[str, torch.Tensor]:
    """The tensors of a LoRA under the names of another time."""
    down, up = NAMINGS[naming]
    made = {}
    for name, value in load_file(file / "pytorch_lora_weights.safetensors").items():
        layer = name.removesuffix(".lora_A.weight").removesuffix(".lora_B.weight")
        if naming == "processor":
            owner, leaf = layer.removesuffix(".0").rsplit(".", 1)
            layer = f"{owner}.processor.{leaf}"
        made[layer + (down if ".lora_A." in name else up)] = value
    return made


@pytest.mark.parametrize("prefixed", [False, True])
@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize(("system", "part"), CASES)
def test_every_naming(folders, tmp_path, system, part, naming, prefixed) -> None:
    made = make(opened_by_diffusers(folders[system], part), tmp_path, config="attention")
    tensors = renamed(made, naming)
    theirs = opened_by_diffusers(folders[system], part)
    if naming != "linear layer":  # diffusers takes that one for text encoders only
        theirs.load_lora_adapter(dict(tensors), prefix=None)
    else:
        theirs.load_lora_adapter(load_file(made / "pytorch_lora_weights.safetensors"), prefix=None)
    file = tmp_path / "renamed.safetensors"
    prefix = f"{part}." if prefixed else ""
    save_file({prefix + name: value for name, value in tensors.items()}, file)
    ours = run_ours(adapted(handle(folders[system], part), file))
    same(ours, run_theirs(theirs))


def test_the_processor_naming_of_context_layers(folders, tmp_path) -> None:
    """What the training scripts for Kandinsky once saved; today's diffusers does not know these names."""
    theirs = opened_by_diffusers(folders["2.2"], "unet")
    context = {"r": 4, "lora_alpha": 4, "target_modules": [*ATTENTION, "add_k_proj", "add_v_proj"]}
    made = make(theirs, tmp_path, config=context)
    tensors = renamed(made, "processor")
    assert any(".processor.add_k_proj_lora.down" in name for name in tensors)
    save_file(tensors, tmp_path / "old.safetensors")
    same(run_ours(adapted(handle(folders["2.2"], "unet"), tmp_path / "old.safetensors")), run_theirs(theirs))


def test_what_peft_saved(folders, tmp_path) -> None:
    """peft's own layout: adapter_model.safetensors, and adapter_config.json beside it."""
    theirs = opened_by_diffusers(folders["2.2"], "unet")
    made = make(theirs, tmp_path, config="alpha")
    folder = tmp_path / "peft"
    folder.mkdir()
    tensors = load_file(made / "pytorch_lora_weights.safetensors")
    save_file(
        {f"base_model.model.{name}": value for name, value in tensors.items()},
        folder / "adapter_model.safetensors",
    )
    settings = {"r": 4, "lora_alpha": 16, "base_model_name_or_path": "a/kandinsky-2-2-decoder"}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    ours = run_ours(adapted(handle(folders["2.2"], "unet"), folder))
    same(ours, run_theirs(theirs))


def test_an_alpha_of_each_layer(folders, tmp_path) -> None:
    theirs = opened_by_diffusers(folders["2.2"], "unet")
    made = make(theirs, tmp_path, config="attention")
    tensors = load_file(made / "pytorch_lora_weights.safetensors")
    layers = sorted(name.removesuffix(".lora_A.weight") for name in tensors if ".lora_A." in name)
    alphas = {f"{layer}.alpha": torch.tensor(1.0 + i) for i, layer in enumerate(layers)}
    for name, module in theirs.named_modules():
        if name in layers:
            module.scaling["one"] = alphas[f"{name}.alpha"].item() / 4
    save_file(tensors | alphas, tmp_path / "alphas.safetensors")
    ours = run_ours(adapted(handle(folders["2.2"], "unet"), tmp_path / "alphas.safetensors"))
    same(ours, run_theirs(theirs))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_half_precision_the_sum_is_rounded_once(folders, tmp_path, dtype) -> None:
    theirs = opened_by_diffusers(folders["2.2"], "unet")
    made = make(theirs, tmp_path, config="patterns")
    theirs.fuse_lora()
    theirs.unload_lora()
    opened = adapted(decoder_parts(folders["2.2"], dtype=dtype).unet, made)
    ours, expected = open_network(opened, "cpu").state_dict(), theirs.state_dict()
    for name, value in ours.items():
        # The weights were rounded to half precision before the sum, and the sum after it.
        limit = 2 * torch.finfo(getattr(torch, dtype)).eps * expected[name].abs().max()
        assert value.dtype == getattr(torch, dtype)
        assert (value.float() - expected[name]).abs().max() <= limit, name
