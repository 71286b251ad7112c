"""Text, image and zero embeds, the priors, and mixing."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.node import Wiring
from nodes.kandinsky.image_encode import image_encode
from nodes.kandinsky.interpolate import interpolate
from nodes.kandinsky.prior import prior
from nodes.kandinsky.prior_emb2emb import prior_emb2emb
from nodes.kandinsky.text_encode import text_encode
from nodes.kandinsky.zero_embeds import zero_embeds
from nodes.load.load_kandinsky2 import PriorParts
from nodes.weights.residency import residency
from nodes.wires import Image, ImageEmbeds, TextEmbeds
from tests.nodes import tiny
from tests.nodes.stages import Recorder, prior_parts, random_embeds, smooth_picture


@pytest.fixture(scope="module")
def parts(prior_folder: Path) -> PriorParts:
    """Handles to the tiny prior."""
    return prior_parts(prior_folder)


def encode(parts: PriorParts, text: str, recorder: Recorder | None = None, **more: Any) -> TextEmbeds:
    return text_encode(parts.text_encoder, text=text, progress=recorder or Recorder(), **more)


def imagine(parts: PriorParts, *inputs: Any, **more: Any) -> Any:
    common: dict[str, Any] = {"steps": 4, "guidance": 3.0, "seed": 1, "progress": Recorder()}
    return prior(parts.prior, *inputs, **{**common, **more})


IMAGE, AWAY = frozenset({"image_embeds"}), frozenset({"negative_image_embeds"})


def test_a_prompt_that_is_too_long_is_cut_and_says_so(parts) -> None:
    recorder = Recorder()
    encoded = encode(parts, "a red cube " * 40, recorder)
    assert encoded.hidden_states.shape == (1, tiny.TOKENS, tiny.EMBED)
    (warning,) = recorder.warnings
    assert warning.startswith("the prompt is too long; this end of it was cut off: 'a red cube a red")
    assert len(warning) < 200


def test_words_nobody_taught_are_named_with_the_nearest_known(parts) -> None:
    recorder = Recorder()
    encode(parts, "a red cobe on grass", recorder)
    assert recorder.warnings == ["this checkpoint does not know the word 'cobe'; it knows 'cube'"]


@pytest.mark.parametrize("text", ["", "   ", "прекрасный кот 猫 🙂", "a\nb"])
def test_any_text_can_be_encoded(parts, text) -> None:
    encoded = encode(parts, text)
    assert encoded.batch == 1
    assert np.isfinite(encoded.hidden_states).all()


def test_lines_are_prompts(parts) -> None:
    both = encode(parts, "a red cube\n\n  a blue sphere  \n", lines=True)
    assert both.batch == 2
    np.testing.assert_allclose(both.text_embeds[1:], encode(parts, "a blue sphere").text_embeds, atol=1e-6)
    assert encode(parts, "\n", lines=True).batch == 1


def test_the_empty_prompt_travels_along(parts) -> None:
    encoded, empty = encode(parts, "a red cube"), encode(parts, "")
    assert encoded.empty_hidden_states is not None
    np.testing.assert_allclose(encoded.empty_hidden_states, empty.hidden_states, atol=1e-6)
    np.testing.assert_array_equal(encoded.empty_attention_mask, empty.attention_mask)


def test_many_pictures_are_encoded_as_each_alone(parts) -> None:
    pictures = smooth_picture(30, 40, rows=17)  # more than go at once
    whole = image_encode(parts.image_encoder, Image(pictures), progress=Recorder())
    last = image_encode(parts.image_encoder, Image(pictures[-1:]), progress=Recorder())
    np.testing.assert_allclose(whole.image_embeds[-1:], last.image_embeds, atol=1e-5)


def test_the_negative_without_a_prompt_is_the_zero_embed(parts) -> None:
    made = imagine(parts, encode(parts, "a\nb", lines=True), None, parts.image_encoder)
    zero = zero_embeds(parts.image_encoder, progress=Recorder())
    assert zero.shape == (1, tiny.EMBED)
    np.testing.assert_array_equal(made.negative_image_embeds.image_embeds, zero.image_embeds)


def test_only_what_is_wanted_is_opened(parts) -> None:
    text = encode(parts, "a red cube")
    residency.clear()
    assert imagine(parts, text, None, parts.image_encoder, wanted=IMAGE).negative_image_embeds is None
    assert residency.names() == ["prior"]
    residency.clear()
    assert imagine(parts, None, None, parts.image_encoder, wanted=AWAY).image_embeds is None
    assert residency.names() == ["image_encoder"]


def test_a_missing_image_encoder_is_told_before_anything_is_opened(parts) -> None:
    text = encode(parts, "a red cube")
    residency.clear()
    with pytest.raises(ValueError, match="link image_encoder, or a negative prompt"):
        imagine(parts, text, wanted=AWAY)
    assert residency.names() == []


def test_rows_are_repeated_in_a_run_and_have_their_own_dice(parts) -> None:
    text = encode(parts, "a red cube\na blue sphere", lines=True)
    many = imagine(parts, text, images_per_prompt=2, wanted=IMAGE).image_embeds.image_embeds
    for i, prompt in enumerate(("a red cube", "a red cube", "a blue sphere", "a blue sphere")):
        alone = imagine(parts, encode(parts, prompt), seed=1 + i, wanted=IMAGE).image_embeds.image_embeds
        np.testing.assert_allclose(many[i : i + 1], alone, atol=1e-5)


def test_one_negative_serves_all_prompts(parts) -> None:
    """diffusers wants as many negatives as prompts."""
    texts = encode(parts, "a red cube\na blue sphere", lines=True)
    made = imagine(parts, texts, encode(parts, "sand"), images_per_prompt=2)
    repeated = imagine(parts, texts, encode(parts, "sand\nsand", lines=True), images_per_prompt=2)
    for one, two in zip(made, repeated, strict=True):
        np.testing.assert_allclose(one.image_embeds, two.image_embeds, atol=1e-5)
    assert made.negative_image_embeds.batch == 4


def test_both_outputs_are_the_same_alone_and_together(parts) -> None:
    inputs = encode(parts, "a red cube"), encode(parts, "sand")
    both = imagine(parts, *inputs)
    image, away = imagine(parts, *inputs, wanted=IMAGE), imagine(parts, *inputs, wanted=AWAY)
    np.testing.assert_allclose(both.image_embeds.image_embeds, image.image_embeds.image_embeds, atol=1e-5)
    np.testing.assert_allclose(
        both.negative_image_embeds.image_embeds, away.negative_image_embeds.image_embeds, atol=1e-5
    )


def test_one_step_is_enough(parts) -> None:
    """diffusers divides by zero."""
    assert np.isfinite(
        imagine(parts, encode(parts, "a"), steps=1, wanted=IMAGE).image_embeds.image_embeds
    ).all()


def test_given_noise_counts_by_rows(parts) -> None:
    text, noise = encode(parts, "a red cube"), random_embeds(4, tiny.EMBED)
    assert imagine(parts, text, None, None, noise, wanted=IMAGE).image_embeds.batch == 4
    assert imagine(parts, text, None, None, noise, images_per_prompt=4, wanted=IMAGE).image_embeds.batch == 4
    with pytest.raises(ValueError, match="batches do not match"):
        two = encode(parts, "a\nb", lines=True)
        imagine(parts, two, None, None, random_embeds(3, tiny.EMBED), wanted=IMAGE)


def test_guidance_needs_the_empty_prompt(parts) -> None:
    text = encode(parts, "a red cube")
    bare = TextEmbeds(text.text_embeds, text.hidden_states, text.attention_mask, text.system)
    with pytest.raises(ValueError, match="do not know the empty prompt"):
        imagine(parts, bare, wanted=IMAGE)
    assert imagine(parts, bare, guidance=1.0, wanted=IMAGE).image_embeds.batch == 1


def test_embeds_of_another_checkpoint_are_refused(parts) -> None:
    with pytest.raises(ValueError, match="have 7 numbers a row, the prior takes 32"):
        imagine(parts, encode(parts, "a"), None, None, random_embeds(1, 7), wanted=IMAGE)
    with pytest.raises(ValueError, match=re.escape("these embeds are of Kandinsky 2.1, the prior is of 2.2")):
        other = ImageEmbeds(np.zeros((1, tiny.EMBED)), "2.1")
        imagine(parts, encode(parts, "a"), None, None, other, wanted=IMAGE)


def test_emb2emb_gives_back_what_it_has_no_strength_to_change(parts) -> None:
    image = random_embeds(2, tiny.EMBED)
    text = encode(parts, "a red cube")
    residency.clear()
    made = prior_emb2emb(
        *(parts.prior, text, image),
        steps=10,
        guidance=2.0,
        strength=0.09,
        images_per_prompt=2,
        wanted=IMAGE,
        progress=Recorder(),
    )
    np.testing.assert_array_equal(made.image_embeds.image_embeds, image.image_embeds.repeat(2, axis=0))
    assert residency.names() == []


def test_interpolate_weighs_and_broadcasts() -> None:
    one, two = random_embeds(1, 5), random_embeds(3, 5, seed=1)
    mixed = interpolate([one, two], weights=[0.5, 2.0])
    np.testing.assert_allclose(mixed.image_embeds, 0.5 * one.image_embeds + 2 * two.image_embeds, atol=1e-6)
    np.testing.assert_allclose(interpolate([two, two, two]).image_embeds, two.image_embeds, atol=1e-6)


def test_interpolate_refuses_what_does_not_fit() -> None:
    one = random_embeds(1, 5)
    with pytest.raises(ValueError, match="there are 1 weights for 2 embeds"):
        interpolate([one, one], weights=[1.0])
    with pytest.raises(ValueError, match=re.escape("embeds of Kandinsky 2.1 and 2.2 cannot be mixed")):
        interpolate([one, ImageEmbeds(one.image_embeds, "2.1")])
    with pytest.raises(ValueError, match=re.escape("with [5, 6] numbers a row, cannot be mixed")):
        interpolate([one, random_embeds(1, 6)])
    with pytest.raises(ValueError, match="batches do not match"):
        interpolate([random_embeds(2, 5), random_embeds(3, 5)])


def test_the_zero_embed_depends_on_the_image_encoder_alone() -> None:
    linked = frozenset({"prior", "positive", "image_encoder"})

    def used(port: str, guidance: float, linked: frozenset[str], stage: Any = prior) -> frozenset[str]:
        found: frozenset[str] = stage.node_type.used_for(port, Wiring({"guidance": guidance}, {}, linked))
        return found

    assert used("negative_image_embeds", 4.0, linked) == {"image_encoder"}
    assert used("negative_image_embeds", 4.0, linked, prior_emb2emb) == {"image_encoder"}
    uses = used("negative_image_embeds", 4.0, linked | {"negative"})
    assert {"negative", "seed", "steps"} < uses
    assert not {"image_encoder", "guidance"} & uses
    assert not {"negative", "image_encoder"} & used("image_embeds", 1.0, linked | {"negative"})
