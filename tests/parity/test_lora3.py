"""A LoRA changes the UNet of Kandinsky 3 as it does in peft; diffusers has no way to load one there."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model
from safetensors.torch import save_file

from graph.context import Environment
from graph.files.allowed import Files
from nodes.files.reading import CheckpointError
from nodes.load.load_lora import load_lora
from nodes.weights.open_network import open_network
from tests.nodes import tiny, tiny3
from tests.nodes.stages import decoder_parts


@torch.no_grad()
def test_it_is_merged(tmp_path: Path) -> None:
    parts = tiny3.kandinsky3_parts(tiny3.tiny_kandinsky3(tmp_path / "kandinsky3"))
    theirs = tiny3.tiny_unet3()
    targets = ["to_q", "to_k", "to_v", "to_out.0", "projection", "context_mlp.1"]
    inject_adapter_in_model(LoraConfig(r=3, lora_alpha=6, target_modules=targets), theirs)
    source = torch.Generator().manual_seed(0)
    for name, value in theirs.named_parameters():
        if "lora_" in name:
            value.copy_(0.15 * torch.randn(value.shape, generator=source))
    state = get_peft_model_state_dict(theirs)
    saved = {f"unet.{name}": tensor.contiguous() for name, tensor in state.items()}
    layers = [name.removesuffix(".lora_A.weight") for name in state if "lora_A" in name]
    saved |= {f"unet.{layer}.alpha": torch.tensor(6.0) for layer in layers}
    save_file(saved, tmp_path / "lora.safetensors")
    environment = Environment(Files(tmp_path, cwd=tmp_path))
    file = {"source": str(tmp_path / "lora.safetensors"), "environment": environment}
    ours = open_network(load_lora(parts.unet, **file).model, "cpu")

    x, states = torch.randn(2, 4, 8, 8, generator=source), torch.randn(2, 5, 32, generator=source)
    mask = torch.ones(2, 5)
    expected = theirs(x, 7, encoder_hidden_states=states, encoder_attention_mask=mask).sample
    found = ours(x, 7, ours.condition(states, mask, torch.full((2,), 5.0)))
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    plain = open_network(parts.unet, "cpu")
    assert (plain(x, 7, plain.condition(states, mask, torch.full((2,), 5.0))) - expected).abs().max() > 0.01
    with pytest.raises(CheckpointError, match="lora"):
        load_lora(decoder_parts(tiny.tiny_decoder(tmp_path / "22")).unet, **file)
