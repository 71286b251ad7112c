"""The miniature's world: scenes, renders, captions, tokenizer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, CLIPTokenizer

from nodes.kandinsky.text_encode import text_encode
from nodes.miniature.scenes import captions, tokens
from nodes.miniature.scenes.captions import VOCABULARY, caption, full_caption, noisy_caption, words_of
from nodes.miniature.scenes.data import nearness, scene
from nodes.miniature.scenes.render import render
from nodes.miniature.scenes.scenes import (
    BESIDE,
    COLOUR_RGB,
    COLOURS,
    GROUNDS,
    HORIZON_DEPTH,
    SHAPES,
    SIZES,
    SKIES,
    Attributes,
    Scene,
    from_row,
    moved,
    place,
    replaced,
    without,
)
from nodes.miniature.training.train_judge import mirrored


@pytest.mark.parametrize("number", range(5))
def test_a_scene_of_a_number_is_always_the_same_picture(number: int) -> None:
    first, again = render(scene(number)[1], 48), render(scene(number)[1], 48)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.depth, again.depth)
    np.testing.assert_array_equal(first.ids, again.ids)


def test_scenes_differ() -> None:
    assert not np.array_equal(render(scene(0)[1], 32).image, render(scene(1)[1], 32).image)
    assert scene(0, seed=1)[0] != scene(0, seed=2)[0]


@pytest.mark.parametrize("number", range(12))
def test_pictures_show_the_objects_of_the_scene(number: int) -> None:
    attributes, placed = scene(number)
    picture = render(placed, 64)
    assert 0 <= picture.image.min() <= picture.image.max() <= 1
    assert set(np.unique(picture.ids)) <= set(range(len(attributes.things) + 1))
    assert (picture.ids == 1).sum() > 30
    near = picture.depth[picture.ids > 0]
    assert near.min() > 1
    assert near.max() < picture.depth.max() == HORIZON_DEPTH


def test_the_colour_of_a_sphere_is_the_one_it_is_called() -> None:
    placed = scene(0)[1]
    for colour, rgb in enumerate(COLOUR_RGB[:5]):
        objects = np.array([[SHAPES.index("sphere"), 0, 0, 1.3, 0]], np.float32)
        by_day = replace(placed, objects=objects, colours=rgb[None], ground=0, sky=0)
        shown = render(by_day, 64)
        mean = shown.image[shown.ids == 1].mean(0)
        alike = COLOUR_RGB @ mean / np.linalg.norm(COLOUR_RGB, axis=1)
        assert alike.argmax() == colour, COLOURS[colour]


def pair(order: int) -> tuple[Attributes, Scene]:
    """The first scene of two things in that order."""
    return next(
        found for found in map(scene, range(99)) if len(found[0].things) == 2 and found[0].order == order
    )


def test_the_depth_map_is_white_where_things_are_near() -> None:
    near = nearness(np.array([[[2.0, 4.0], [6.0, HORIZON_DEPTH]]], np.float32))
    assert near[0, 0, 0] == 255
    assert near[0, 1, 1] == 0
    between = (1 / 4 - 1 / HORIZON_DEPTH) / (1 / 2 - 1 / HORIZON_DEPTH)
    assert near[0, 0, 1] == round(between * 255)


def test_a_replaced_thing_differs_and_nothing_else_does() -> None:
    attributes, placed = pair(BESIDE)
    words, other = replaced(attributes, placed, 1, np.random.default_rng(0))
    assert words.things[0] == attributes.things[0]
    assert words.things[1].shape != attributes.things[1].shape
    assert words.things[1].colour != attributes.things[1].colour
    before, after = render(placed, 64), render(other, 64)
    assert (after.ids == 2).any()
    far = (before.depth == HORIZON_DEPTH) & (after.depth == HORIZON_DEPTH)
    np.testing.assert_array_equal(before.image[:8][far[:8]], after.image[:8][far[:8]])
    alone = render(without(placed, 1), 64)
    assert set(np.unique(alone.ids)) == {0, 1}
    np.testing.assert_array_equal(alone.ids == 1, before.ids == 1)


def test_moved_things_are_the_same_things_elsewhere() -> None:
    attributes = pair(BESIDE)[0]
    rng = np.random.default_rng(4)
    others = [moved(attributes, rng) for _ in range(20)]
    kinds = {(thing.shape, thing.colour) for thing in attributes.things}
    for words in others:
        assert {(thing.shape, thing.colour) for thing in words.things} == kinds
        assert (words.ground, words.sky) == (attributes.ground, attributes.sky)
        assert len(place(words, rng).objects) == 2
    assert len({tuple(words.row()) for words in others}) > 5


@pytest.mark.parametrize("order", [BESIDE, 1 - BESIDE])
def test_in_a_mirror_left_is_right(order: int) -> None:
    attributes, placed = pair(order)
    picture = render(placed, 32)
    seen = torch.from_numpy(picture.image).permute(2, 0, 1)[None], torch.from_numpy(picture.ids)[None]
    images, ids, rows = mirrored(*seen, torch.tensor([attributes.row()]))
    assert torch.equal(images[..., 0], seen[0][..., -1])
    words = from_row(rows[0].numpy())
    first, second = attributes.things
    assert words.things == ((second, first) if order == BESIDE else (first, second))
    for number, thing in enumerate(words.things):
        place_there = seen[1].flip(2) == attributes.things.index(thing) + 1
        assert torch.equal(ids == number + 1, place_there)


def test_the_mirror_moves_single_things() -> None:
    attributes = next(words for words, _ in map(scene, range(99)) if len(words.things) == 1)
    row = torch.tensor([replace(attributes, position=place).row() for place in range(3)])
    nothing = torch.zeros(3, 3, 4, 4), torch.zeros(3, 4, 4, dtype=torch.uint8)
    assert mirrored(*nothing, row)[2][:, 8].tolist() == [2, 1, 0]


@pytest.mark.parametrize("number", range(40))
def test_captions_say_what_is_there(number: int) -> None:
    attributes = scene(number)[0]
    assert from_row(np.array(attributes.row())).row() == attributes.row()
    text = full_caption(attributes)
    for thing in attributes.things:
        assert f"{COLOURS[thing.colour]} {SHAPES[thing.shape]}" in text
    assert captions.GROUND_PHRASES[attributes.ground][0] in text
    assert captions.SKY_PHRASES[attributes.sky][0] in text
    said = words_of(caption(attributes, np.random.default_rng(number)))
    wrong = set(COLOURS) - {COLOURS[thing.colour] for thing in attributes.things}
    assert not wrong & set(said)


def test_the_order_of_a_pair_is_said_either_way() -> None:
    attributes = next(
        a for a, _ in map(scene, range(50)) if len(a.things) == 2 and a.order == captions.BESIDE
    )
    left, right = (SHAPES[thing.shape] for thing in attributes.things)
    texts = {caption(attributes, np.random.default_rng(seed)) for seed in range(60)}
    for text in texts:
        if "left of" in text and "ball" not in text and "box" not in text and left != right:
            assert text.index(left) < text.index(right)
        if "right of" in text and "ball" not in text and "box" not in text and left != right:
            assert text.index(right) < text.index(left)
    assert len(texts) > 30


def test_every_word_is_one_token_and_comes_back(tmp_path: Path) -> None:
    tokens.save(tmp_path)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    assert tokenizer.model_max_length == tokens.LENGTH
    for word in VOCABULARY:
        assert tokenizer.tokenize(word) == [word + "</w>"]
    rng = np.random.default_rng(0)
    for number in range(100):
        text = caption(scene(number)[0], rng)
        ids = tokenizer(text).input_ids
        assert len(ids) == len(words_of(text)) + 2 <= tokens.LENGTH
        back = tokenizer.decode(ids, skip_special_tokens=True)
        assert words_of(back) == words_of(text)


def test_the_end_token_pads_and_has_the_highest_number(tmp_path: Path) -> None:
    tokens.save(tmp_path)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path)
    ids = tokenizer("", padding="max_length").input_ids
    assert ids == [len(tokenizer) - 2] + [len(tokenizer) - 1] * (tokens.LENGTH - 1)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == len(tokenizer) - 1


def test_the_help_of_text_encode_names_what_it_draws() -> None:
    said = words_of(text_encode.__doc__ or "")
    for words in (SHAPES, COLOURS, SIZES, GROUNDS, SKIES):
        assert set(words) <= set(said)
    prompt = (text_encode.__doc__ or "").split('"')[1].replace("\n", " ")
    assert set(words_of(prompt)) <= set(VOCABULARY)


def test_unknown_words_fall_into_known_pieces(tmp_path: Path) -> None:
    tokens.save(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for word in ("zebra", "été", "日本", "🙂", "Red-ish!"):
        ids = tokenizer(word).input_ids[1:-1]
        assert ids
        assert tokenizer.eos_token_id not in ids
    noisy = noisy_caption(scene(3)[0], np.random.default_rng(3))
    assert set(words_of(noisy)) - set(VOCABULARY)
