"""The miniature's world: scenes, renders, captions, tokenizer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer, CLIPTokenizer

from nodes.miniature import captions, tokens
from nodes.miniature.captions import VOCABULARY, caption, full_caption, noisy_caption, words_of
from nodes.miniature.data import scene
from nodes.miniature.render import render
from nodes.miniature.scenes import COLOUR_RGB, COLOURS, HORIZON_DEPTH, SHAPES, from_row


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


def test_unknown_words_fall_into_known_pieces(tmp_path: Path) -> None:
    tokens.save(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for word in ("zebra", "été", "日本", "🙂", "Red-ish!"):
        ids = tokenizer(word).input_ids[1:-1]
        assert ids
        assert tokenizer.eos_token_id not in ids
    noisy = noisy_caption(scene(3)[0], np.random.default_rng(3))
    assert set(words_of(noisy)) - set(VOCABULARY)
