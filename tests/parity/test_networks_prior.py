"""The prior computes what diffusers' PriorTransformer does, with and without its prefix cache."""

import pytest
import torch
from diffusers import PriorTransformer as TheirPrior

from nodes.networks.prior_transformer import PriorConfig, PriorTransformer

TOLERANCE = 2e-6
SIZES = {
    "one layer": {"num_attention_heads": 2, "attention_head_dim": 12, "num_layers": 1, "embedding_dim": 32},
    "four layers": {"num_attention_heads": 4, "attention_head_dim": 16, "num_layers": 4, "embedding_dim": 24},
    "short text": {
        "num_attention_heads": 2,
        "attention_head_dim": 8,
        "num_layers": 2,
        "embedding_dim": 16,
        "num_embeddings": 9,
    },
}
TEXT_LENGTHS = {"equal": (6, 6, 6), "mixed": (1, 9, 4), "shortest": (1, 1, 1), "full": (99, 99, 99)}
TIMES = {"number": 500, "scalar": torch.tensor(0), "rows": torch.tensor([999, 3, 41])}


def make_pair(randomise, name: str) -> tuple[TheirPrior, PriorTransformer]:
    theirs = randomise(TheirPrior(**SIZES[name]), 0)
    ours = PriorTransformer(PriorConfig.read(theirs.config))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours.eval()


def make_inputs(ours: PriorTransformer, lengths: tuple[int, ...]):
    source = torch.Generator().manual_seed(3)
    width, tokens = ours.config.embedding_dim, ours.config.num_embeddings
    x, text_embeds = torch.randn(2, len(lengths), width, generator=source)
    hidden_states = torch.randn(len(lengths), tokens, width, generator=source)
    mask = torch.arange(tokens) < torch.tensor(lengths)[:, None]
    return x, text_embeds, hidden_states, mask


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("lengths", TEXT_LENGTHS)
@pytest.mark.parametrize("name", SIZES)
@torch.no_grad()
def test_forward(randomise, name, lengths, time):
    theirs, ours = make_pair(randomise, name)
    x, text_embeds, hidden_states, mask = make_inputs(ours, TEXT_LENGTHS[lengths])
    expected = theirs(x, TIMES[time], text_embeds, hidden_states, mask).predicted_image_embedding
    assert largest(ours(x, TIMES[time], text_embeds, hidden_states, mask), expected) < TOLERANCE


@pytest.mark.parametrize("name", SIZES)
@torch.no_grad()
def test_one_prefix_serves_all_steps(randomise, name):
    theirs, ours = make_pair(randomise, name)
    x, text_embeds, hidden_states, mask = make_inputs(ours, TEXT_LENGTHS["mixed"])
    prefix = ours.prefix(text_embeds, hidden_states, mask)
    for t in (999, 499, 0):
        expected = theirs(x, t, text_embeds, hidden_states, mask).predicted_image_embedding
        x = ours.step(x, t, prefix)
        assert largest(x, expected) < TOLERANCE


@torch.no_grad()
def test_prefix_rows_stand_for_repeated_texts(randomise):
    theirs, ours = make_pair(randomise, "four layers")
    _, text_embeds, hidden_states, mask = make_inputs(ours, TEXT_LENGTHS["mixed"])
    rows = torch.tensor([2, 0, 0, 1, 2])
    x = torch.randn(5, ours.config.embedding_dim)
    prefix = ours.prefix(text_embeds, hidden_states, mask).rows(rows)
    expected = theirs(x, 7, text_embeds[rows], hidden_states[rows], mask[rows]).predicted_image_embedding
    assert largest(ours.step(x, 7, prefix), expected) < TOLERANCE


@torch.no_grad()
def test_denormalise(randomise):
    theirs, ours = make_pair(randomise, "one layer")
    x = torch.randn(3, ours.config.embedding_dim)
    assert torch.equal(ours.denormalise(x), theirs.post_process_latents(x))
    assert largest(ours.normalise(ours.denormalise(x)), x) < 1e-6


def test_gradients(randomise):
    theirs, ours = make_pair(randomise, "four layers")
    x, text_embeds, hidden_states, mask = make_inputs(ours, TEXT_LENGTHS["mixed"])
    t = TIMES["rows"]
    ours(x, t, text_embeds, hidden_states, mask).square().mean().backward()
    theirs(x, t, text_embeds, hidden_states, mask).predicted_image_embedding.square().mean().backward()
    expected = {name: value.grad for name, value in theirs.named_parameters()}
    for name, value in ours.named_parameters():
        if name in ("clip_mean", "clip_std"):
            assert value.grad is None
        else:
            scale = expected[name].abs().max().item()
            assert largest(value.grad, expected[name]) <= 1e-4 * max(scale, 1e-3), name
