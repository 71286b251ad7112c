"""The UNet of Kandinsky 3 computes what diffusers' Kandinsky3UNet does."""

import pytest
import torch
from diffusers import Kandinsky3UNet

from nodes.networks.packing import pack
from nodes.networks.unet3 import UNet3, UNet3Config

TOLERANCE = 1e-5
SIZES = {
    "two levels": {"block_out_channels": (32, 64), "layers_per_block": 3, "groups": 2},
    "least": {
        "block_out_channels": (32, 64),
        "groups": 2,
        "time_embedding_dim": 4,
        "attention_head_dim": 4,
        "cross_attention_dim": 4,
    },
    "four levels": {"block_out_channels": (32, 32, 64, 64), "layers_per_block": 2, "groups": 4},
}
MASKS = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]])


def make_pair(randomise, sizes: str) -> tuple[Kandinsky3UNet, UNet3]:
    common = {"time_embedding_dim": 16, "attention_head_dim": 8, "cross_attention_dim": 24}
    theirs = randomise(Kandinsky3UNet(**{**common, "encoder_hid_dim": 20, **SIZES[sizes]}), 0)
    ours = UNet3(UNet3Config.read(theirs.config))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours.eval()


def make_inputs(height: int, width: int):
    source = torch.Generator().manual_seed(2)
    x = torch.randn(3, 4, height, width, generator=source)
    states = torch.randn(3, MASKS.shape[1], 20, generator=source)
    return x, states * MASKS[:, :, None]


def whole(mask: torch.Tensor) -> torch.Tensor:
    """Lengths as diffusers has them: one for all rows."""
    return torch.full((len(mask),), mask.shape[1])


def run_ours(ours: UNet3, x, t, states, mask):
    return ours(x, t, ours.condition(states, mask, whole(mask)))


def run_theirs(theirs, x, t, states, mask):
    return theirs(x, t, encoder_hidden_states=states, encoder_attention_mask=mask).sample


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@pytest.mark.parametrize("layout", ["plain", "channels last", "packed"])
@pytest.mark.parametrize("size", [(8, 8), (8, 16)])
@pytest.mark.parametrize("sizes", SIZES)
@torch.no_grad()
def test_forward(randomise, sizes, size, layout):
    theirs, ours = make_pair(randomise, sizes)
    if layout != "plain":
        ours = ours.to(memory_format=torch.channels_last)
    if layout == "packed":
        ours = pack(ours)
    x, states = make_inputs(*size)
    expected = run_theirs(theirs, x, 500, states, MASKS)
    assert expected.std() > 0.1  # there is something to get wrong
    assert largest(run_ours(ours, x, 500, states, MASKS), expected) < TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("room", [0, 1 << 12, 1 << 28], ids=["one", "some", "all"])
def test_several_steps_are_prepared_together(randomise, monkeypatch, room):
    monkeypatch.setattr("nodes.networks.unet3.ROOM", room)
    theirs, ours = make_pair(randomise, "two levels")
    x, states = make_inputs(8, 8)
    times = [999, 499, 499, 1, 0]
    condition = ours.ahead(ours.condition(states, MASKS, whole(MASKS)), times)
    for t in (*times, 17):  # and one that was not announced
        assert largest(ours(x, t, condition), run_theirs(theirs, x, t, states, MASKS)) < TOLERANCE


@torch.no_grad()
def test_a_row_is_pooled_over_its_own_length(randomise):
    """diffusers pools over the length of the longest prompt, so that pictures depend on their batch."""
    theirs, ours = make_pair(randomise, "two levels")
    x, states = make_inputs(8, 8)
    lengths = torch.tensor([6, 4, 6])
    rows = ours(x, 7, ours.condition(states, MASKS, lengths))
    for i, length in enumerate(lengths):
        alone = run_theirs(theirs, x[i : i + 1], 7, states[i : i + 1, :length], MASKS[i : i + 1, :length])
        assert largest(rows[i : i + 1], alone) < TOLERANCE
