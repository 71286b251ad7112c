"""Batches: of every type of value, and what cannot be one."""

from typing import Any

import numpy as np
import pytest

from nodes.values.batch import batch, pick
from nodes.wires import DepthHint, Image, ImageEmbeds, Latents, Mask, TextEmbeds, Value
from tests.nodes.stages import random_array, run_nodes


def text(seed: int, empty: float = 0.0) -> TextEmbeds:
    parts = random_array(2, 4, seed=seed), random_array(2, 3, 4, seed=seed), np.ones((2, 3))
    return TextEmbeds(
        *parts,
        "2.2",
        empty_text_embeds=np.full((1, 4), empty),
        empty_hidden_states=np.full((1, 3, 4), empty),
        empty_attention_mask=np.ones((1, 3)),
    )


def values(seed: int) -> list[Value]:
    return [
        Image(random_array(2, 3, 4, 3, seed=seed)),
        Mask(random_array(2, 3, 4, seed=seed)),
        DepthHint(random_array(2, 3, 4, 5, seed=seed)),
        ImageEmbeds(random_array(2, 5, seed=seed), "2.2"),
        Latents(random_array(2, 4, 2, 3, seed=seed), 24, 16, "2.2"),
        text(seed),
    ]


@pytest.mark.parametrize("i", range(6))
def test_what_was_put_together_can_be_picked(i: int) -> None:
    one, two = values(0)[i], values(1)[i]
    both = batch([one, two, one]).batch
    assert type(both) is type(one) and both.batch == 6
    picked: Any = pick(both, index=3).picked
    for name in one.arrays:
        np.testing.assert_array_equal(getattr(picked, name), getattr(two, name)[1:])
    assert getattr(picked, "system", "2.2") == "2.2"


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        (
            Image(np.zeros((1, 2, 2, 3))),
            Image(np.zeros((1, 2, 3, 3))),
            r"must have one size, but their image",
        ),
        (
            ImageEmbeds(np.zeros((1, 2)), "2.1"),
            ImageEmbeds(np.zeros((1, 2)), "2.2"),
            "must agree in system: '2.1'",
        ),
        (text(0), text(0, empty=1.0), "must agree in empty_text_embeds"),
        (3, 4, "a int cannot be put into a batch; expected images"),
        ("a", "b", "a str cannot be put into a batch"),
    ],
)
def test_what_does_not_go_together_is_refused(one: Any, two: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch([one, two])


def test_an_index_beyond_the_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="index is 2, but the batch has 2 rows, 0 to 1"):
        pick(values(0)[0], index=2)


def test_the_engine_carries_the_type_through(tmp_path: Any) -> None:
    nodes = {
        "one": {"type": "mask", "params": {"shape": "ellipse", "width": 4, "height": 4}},
        "two": {"type": "mask", "params": {"shape": "rectangle", "width": 4, "height": 4}},
        "both": {"type": "batch", "inputs": {"values": ["one.mask", "two.mask"]}},
        "last": {"type": "pick", "inputs": {"value": "both.batch"}, "params": {"index": 1}},
        "again": {"type": "batch", "inputs": {"values": ["last.picked", "one.mask"]}},
    }
    made = run_nodes(tmp_path, nodes, mask="again.batch", two="two.mask")
    np.testing.assert_array_equal(made["mask"].mask[:1], made["two"].mask)
