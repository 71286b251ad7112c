"""Kandinsky 3's UNet has the parameters of the real checkpoint, pads as it was trained, and is strict."""

import pytest
import torch

from nodes.networks.config import UnsupportedConfig
from nodes.networks.unet3 import UNet3, UNet3Config
from tests.nodes.networks.test_networks import real
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


def run(model: UNet3, x, states, mask, lengths=None, t=9):
    lengths = torch.full((len(mask),), mask.shape[1]) if lengths is None else lengths
    return model(x, t, model.condition(states, mask, lengths))


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
    with pytest.raises(ValueError, match="Latents are 8 x 7, expected multiples of 2"):
        run(tiny(), torch.zeros(1, 4, 7, 8), torch.zeros(1, 2, 20), torch.ones(1, 2))


@torch.no_grad()
def test_a_checkpoint_with_a_null_embedding_pads_as_it_was_trained():
    """Zeros behind the projection; and no prompt is the learned token, followed by zeros."""
    model = tiny(TRAINED)
    states, mask = torch.randn(3, 4, 20), torch.tensor([[1.0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    tokens, attended = model.tokens(states, mask)
    assert torch.allclose(tokens[0, :3], model.encoder_hid_proj(states[0, :3]), atol=1e-6)
    assert torch.equal(tokens[:2][mask[:2] == 0], torch.zeros(3, 24))
    assert torch.equal(tokens[2, 0], model.null_embedding) and not tokens[2, 1:].any()
    assert attended.tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]


@torch.no_grad()
@pytest.mark.parametrize("config", [TINY, TRAINED], ids=["diffusers", "trained"])
def test_padding_beyond_a_rows_length_changes_nothing(config):
    model = tiny(config)
    x, states = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 20)
    mask, lengths = torch.tensor([[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0]]), torch.tensor([4, 7])
    both = run(model, x, states, mask, lengths)
    other = torch.where(mask[:, :, None] == 0, 5.0, states)  # whatever a text encoder puts there
    assert torch.allclose(run(model, x, other, mask, lengths), both, atol=1e-6)
    alone = run(model, x[:1], states[:1, :4], mask[:1, :4])
    assert torch.allclose(both[:1], alone, atol=1e-5)


@torch.no_grad()
def test_the_inpainting_network_predicts_the_noise_of_the_latents():
    states, mask = torch.randn(2, 3, 20), torch.ones(2, 3)
    assert run(tiny(in_channels=9), torch.randn(2, 9, 8, 8), states, mask).shape == (2, 4, 8, 8)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_it_runs_in_half_precision(dtype):
    model = tiny(TRAINED)
    x, states, mask = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 20), torch.tensor([[1, 1, 1, 0], [0] * 4])
    expected = run(model, x, states, mask)
    output = run(model.to(dtype), x.to(dtype), states.to(dtype), mask)
    assert output.dtype is dtype
    assert (output.float() - expected).abs().max() < 0.1 * expected.abs().max()


def test_every_parameter_takes_part():
    model = tiny(TRAINED)
    states, mask = torch.randn(2, 4, 20), torch.tensor([[1, 1, 1, 0], [0] * 4])
    run(model, torch.randn(2, 4, 8, 8), states, mask).square().mean().backward()
    assert all(value.grad is not None and value.grad.any() for value in model.parameters())
