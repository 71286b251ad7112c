"""Kandinsky 3's UNet has the parameters of the real checkpoint, pads as it was trained, and is strict."""

import pytest
import torch

from nodes.networks.config import UnsupportedConfig
from nodes.networks.unet3 import UNet3, UNet3Config
from tests.nodes.test_networks import real
from tests.nodes.tiny import randomise

PARAMETERS = {"unet3": 3_055_348, "unet3_inpaint": 3_055_357}  # in thousands
TINY = {
    "time_embedding_dim": 16,
    "groups": 2,
    "attention_head_dim": 8,
    "layers_per_block": 2,
    "block_out_channels": [32, 64],
    "cross_attention_dim": 24,
    "encoder_hid_dim": 20,
}
TRAINED = {**TINY, "null_embedding": True}


def tiny(config=TINY, **changes) -> UNet3:
    return randomise(UNet3(UNet3Config.read({**config, **changes})), seed=1)


def run(model: UNet3, x, tokens, mask, lengths=None, t=9):
    lengths = torch.full((len(mask),), mask.shape[1]) if lengths is None else lengths
    return model(x, model.steps([t], model.condition(tokens, mask, lengths))[0])


@pytest.mark.parametrize("name", PARAMETERS)
def test_real_sizes_have_the_real_parameters(name):
    with torch.device("meta"):
        model = UNet3(UNet3Config.read(real(name)["config"]))
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == real(name)["shapes"]
    assert round(sum(value.numel() for value in model.parameters()) / 1000) == PARAMETERS[name]


def test_a_third_of_the_weights_is_needed_only_before_the_steps():
    with torch.device("meta"):
        model = UNet3(UNet3Config.read(real("unet3")["config"]))
    before = [
        parameter.numel()
        for name, parameter in model.named_parameters()
        if "context_mlp" in name or name.startswith(("encoder_hid_proj", "add_time_condition", "time_emb"))
    ]
    keys = sum(
        weight.numel()
        for layer in model._prompt_attentions()
        for weight in (layer.to_k.weight, layer.to_v.weight)
    )
    share = (sum(before) + keys) / sum(value.numel() for value in model.parameters())
    assert 0.36 < share < 0.38


@pytest.mark.parametrize("field", real("unet3")["config"])
@pytest.mark.parametrize("value", ["many", None, -1, 1.5])
def test_every_field_is_checked(field, value):
    with pytest.raises(UnsupportedConfig, match=f"{field} is .*, expected"):
        UNet3Config.read(real("unet3")["config"] | {field: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block_out_channels": [8] * 5}, "block_out_channels is .*, expected at most 4 levels"),
        ({"block_out_channels": [30, 64]}, "block_out_channels is 30, expected a multiple of 4, from 8 on"),
        ({"groups": 3}, "groups is 3, expected a divisor of 16"),
        ({"attention_head_dim": 24}, "attention_head_dim is 24, expected a divisor of 16"),
        ({"layers_per_block": 65}, "layers_per_block is 65, expected at most 64"),
        ({"layers_per_block": [3, 3]}, "layers_per_block is .*, expected a whole number"),
        ({"null_embeddings": True}, "unknown field 'null_embeddings' .* did you mean 'null_embedding'"),
        ({"null_embedding": 1}, "null_embedding is 1, expected True or False"),
    ],
)
def test_sizes_that_do_not_go_together(change, message):
    with pytest.raises(UnsupportedConfig, match=message):
        UNet3Config.read(TINY | change)


def test_sizes_it_cannot_halve_are_refused():
    model = tiny()
    tokens, mask = model.no_prompt(1, 2)
    with pytest.raises(ValueError, match="Latents are 8 x 7, expected multiples of 2"):
        run(model, torch.zeros(1, 4, 7, 8), tokens, mask)


@torch.no_grad()
def test_a_checkpoint_with_a_null_embedding_pads_as_it_was_trained():
    """Zeros behind the projection; and no prompt is the learned token, followed by zeros."""
    model = tiny(TRAINED)
    states, mask = torch.randn(2, 4, 20), torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])
    tokens = model.tokens(states, mask)
    assert torch.equal(tokens[mask == 0], torch.zeros(3, 24))
    assert torch.allclose(tokens[0, :3], model.encoder_hid_proj(states[0, :3]), atol=1e-6)
    nothing, only_first = model.no_prompt(2, 4)
    assert torch.equal(nothing[:, 0], model.null_embedding.expand(2, -1)) and not nothing[:, 1:].any()
    assert only_first.tolist() == [[1, 0, 0, 0]] * 2


@torch.no_grad()
@pytest.mark.parametrize("config", [TINY, TRAINED], ids=["diffusers", "trained"])
def test_padding_beyond_a_rows_length_changes_nothing(config):
    model = tiny(config)
    x, states = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 20)
    mask, lengths = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0]]), torch.tensor([4, 7])
    both = run(model, x, model.tokens(states, mask), mask, lengths)
    other = torch.where(mask[:, :, None] == 0, 5.0, states)  # whatever a text encoder puts there
    assert torch.allclose(run(model, x, model.tokens(other, mask), mask, lengths), both, atol=1e-6)
    alone = run(model, x[:1], model.tokens(states[:1, :4], mask[:1, :4]), mask[:1, :4])
    assert torch.allclose(both[:1], alone, atol=1e-5)


@torch.no_grad()
def test_the_inpainting_network_predicts_the_noise_of_the_latents():
    model = tiny(in_channels=9)
    tokens, mask = model.no_prompt(2, 3)
    assert run(model, torch.randn(2, 9, 8, 8), tokens, mask).shape == (2, 4, 8, 8)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_it_runs_in_half_precision(dtype):
    model = tiny(TRAINED)
    x, states, mask = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 20), torch.tensor([[1, 1, 1, 0], [0] * 4])
    expected = run(model, x, model.tokens(states, mask), mask)
    model, x, states = model.to(dtype), x.to(dtype), states.to(dtype)
    output = run(model, x, model.tokens(states, mask), mask)
    assert output.dtype is dtype
    assert (output.float() - expected).abs().max() < 0.1 * expected.abs().max()


def test_every_parameter_takes_part():
    model = tiny(TRAINED)
    states, mask = torch.randn(1, 4, 20), torch.tensor([[1, 1, 1, 0]])
    nothing, only_first = model.no_prompt(1, 4)
    tokens = torch.cat([nothing, model.tokens(states, mask)])
    run(model, torch.randn(2, 4, 8, 8), tokens, torch.cat([only_first, mask])).square().mean().backward()
    assert all(value.grad is not None and value.grad.any() for value in model.parameters())
