"""The stages of Kandinsky 2.1: what planning says of its wires, sizes, batches, masks, its two schedulers."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import CLIPTokenizer

from graph.node import Wiring
from nodes.encoders.tokenizer import open_tokenizer
from nodes.kandinsky.interpolate import interpolate
from nodes.kandinsky.movq_decode import movq_decode
from nodes.kandinsky.movq_encode import movq_encode
from nodes.kandinsky.prior import prior
from nodes.kandinsky.text_encode import text_encode
from nodes.kandinsky.unet_denoise import unet_denoise
from nodes.load.load_kandinsky2 import DecoderParts, PriorParts
from nodes.sampling.denoise_checks import complaints
from nodes.weights.residency import residency
from nodes.wires import Image, ImageEmbeds, Latents, Mask, TextEmbeds
from tests.nodes import tiny, tiny21
from tests.nodes.stages import Recorder, decoder_parts, prior_parts, smooth_picture


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("kandinsky21")
    calm: dict[str, Any] = {"clip": True, "norm_num_groups": 4}
    made = {name: tiny21.tiny_decoder21(root / name, name, **calm) for name in tiny21.PIPELINES}
    return made | {"prior": tiny21.tiny_prior21(root / "prior")}


@pytest.fixture(scope="module")
def parts(folders: dict[str, Path]) -> dict[str, DecoderParts]:
    return {name: decoder_parts(folders[name]) for name in tiny21.PIPELINES}


@pytest.fixture(scope="module")
def prior_handles(folders: dict[str, Path]) -> PriorParts:
    return prior_parts(folders["prior"])


def embeds(seed: int, rows: int = 1) -> ImageEmbeds:
    return ImageEmbeds(np.random.default_rng(seed).standard_normal((rows, tiny.EMBED)), "2.1")


def read(parts: DecoderParts | PriorParts, text: str, **more: Any) -> TextEmbeds:
    assert parts.text_encoder is not None
    return text_encode(parts.text_encoder, text=text, progress=Recorder(), **more)


def run(parts: DecoderParts, **more: Any) -> Latents:
    """A short run; size 32 x 32 unless there are latents."""
    size = {} if more.get("latents") is not None else {"width": 32, "height": 32}
    inputs: dict[str, Any] = {
        "image_embeds": embeds(0),
        "negative_image_embeds": embeds(1),
        "text_embeds": read(parts, "a red cube"),
        "negative_text_embeds": read(parts, ""),
    }
    inputs |= {"steps": 3, "guidance": 2.0, "seed": 1, "progress": Recorder()}
    return unet_denoise(parts.unet, **{**inputs, **size, **more})


def same(one: Any, two: Any) -> None:
    np.testing.assert_allclose(np.asarray(one), np.asarray(two), atol=2e-5)


def differ(one: Any, two: Any) -> bool:
    return bool(np.abs(np.asarray(one) - np.asarray(two)).max() > 0.01)


def test_the_loaders_know_the_system(parts, prior_handles, folders) -> None:
    found = {name: (part.unet.system, part.unet.variant) for name, part in parts.items()}
    assert found == {"text2img": ("2.1", "text2img"), "inpaint": ("2.1", "inpaint")}
    assert {handle.system for handle in (*prior_handles, *parts["text2img"])} == {"2.1"}
    assert parts["text2img"].unet.recommended["guidance"] == 4.0
    assert parts["text2img"].unet.recommended["steps"] == 100


def test_the_prior_pads_with_exclamation_marks_as_its_files_say(folders, prior_handles, tmp_path) -> None:
    """kandinsky-2-1-prior names "!" as pad_token; the mask tells such padding from text."""
    copy = Path(shutil.copytree(folders["prior"], tmp_path / "prior"))
    path = copy / "tokenizer" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pad_token": "!"}))
    reference = CLIPTokenizer.from_pretrained(copy / "tokenizer")
    assert reference.pad_token == "!"
    text = "a red cube!"
    expected = reference([text], padding="max_length", truncation=True, max_length=77, return_tensors="np")
    made = open_tokenizer(prior_parts(copy).text_encoder)([text])
    np.testing.assert_array_equal(made.ids, expected["input_ids"])
    np.testing.assert_array_equal(made.mask, expected["attention_mask"])
    assert made.ids[0, -1] == reference.convert_tokens_to_ids("!")
    assert differ(read(prior_parts(copy), text).hidden_states, read(prior_handles, text).hidden_states)


EVERY = {"image_embeds", "negative_image_embeds", "text_embeds", "negative_text_embeds"}


@pytest.mark.parametrize(
    ("variant", "linked", "params", "port", "message"),
    [
        ("text2img", EVERY - {"text_embeds"}, {}, "text_embeds", "a text2img .* 2.1 needs text_embeds"),
        ("text2img", EVERY - {"image_embeds"}, {}, "image_embeds", "2.1 needs image_embeds"),
        (
            *("text2img", EVERY - {"negative_text_embeds"}, {}),
            *("negative_text_embeds", "needs negative_text_embeds; guidance of 1 or less needs none"),
        ),
        ("text2img", EVERY | {"depth_hint"}, {}, "depth_hint", "depth_hint means nothing to a text2img"),
        ("inpaint", EVERY | {"latents"}, {}, "mask", "an inpaint checkpoint of Kandinsky 2.1 needs mask"),
        ("text2img", EVERY, {"scheduler": "plms"}, "scheduler", "'plms' is not for Kandinsky 2.1"),
    ],
)
def test_wrong_wiring_is_told_before_weights_are_opened(
    parts, variant, linked, params, port, message
) -> None:
    residency.clear()
    wiring = Wiring(params, {"unet": parts[variant].unet}, frozenset({"unet", *linked}))
    found = list(complaints(wiring))
    assert [complaint.where for complaint in found] == [port]
    assert re.search(message, found[0].message)
    assert residency.names() == []


@pytest.mark.parametrize("params", [{"guidance": 4.0}, {"guidance": 1.0}])
def test_right_wiring_has_no_complaint(parts, params) -> None:
    linked = EVERY if params["guidance"] > 1 else {"image_embeds", "text_embeds"}
    wiring = Wiring(params, {"unet": parts["text2img"].unet}, frozenset({"unet", *linked}))
    assert list(complaints(wiring)) == []


def test_the_two_encoders_are_not_mixed_up(parts, prior_handles) -> None:
    by_prior, by_decoder = read(prior_handles, "a red cube"), read(parts["text2img"], "a red cube")
    residency.clear()
    with pytest.raises(ValueError, match="these hidden states have 32 numbers a row, the UNet takes 24"):
        run(parts["text2img"], text_embeds=by_prior, negative_text_embeds=by_decoder)
    assert "unet" not in residency.names()
    with pytest.raises(ValueError, match="these hidden states have 24 numbers a row, the prior takes 32"):
        prior(prior_handles.prior, by_decoder, steps=2, guidance=1.0, progress=Recorder())
    assert "prior" not in residency.names()


def test_embeds_of_another_system_are_refused(parts) -> None:
    other = ImageEmbeds(embeds(0).image_embeds, "2.2")
    with pytest.raises(ValueError, match=r"these ImageEmbeds are of Kandinsky 2.2, the UNet is of 2.1"):
        run(parts["text2img"], image_embeds=other)


def test_everything_it_is_led_by_matters(parts) -> None:
    usual = run(parts["text2img"])
    for changed in (
        {"image_embeds": embeds(7)},
        {"negative_image_embeds": embeds(7)},
        {"text_embeds": read(parts["text2img"], "sand")},
        {"negative_text_embeds": read(parts["text2img"], "sand")},
    ):
        assert differ(usual, run(parts["text2img"], **changed)), changed


@pytest.mark.parametrize(("width", "height"), [(32, 32), (33, 17), (100, 40), (8, 1)])
def test_pictures_have_the_very_size_asked_for(parts, width, height) -> None:
    start = movq_encode(parts["text2img"].movq, Image(smooth_picture(height, width)), progress=Recorder())
    made = run(parts["text2img"], latents=start, strength=0.7)
    picture = movq_decode(parts["text2img"].movq, made, progress=Recorder())
    assert picture.shape == (1, height, width, 3)


def test_a_row_does_not_depend_on_its_batch(parts) -> None:
    both = run(
        parts["text2img"],
        image_embeds=embeds(3, rows=2),
        text_embeds=read(parts["text2img"], "a red cube\nsand", lines=True),
    )
    for i, text in enumerate(("a red cube", "sand")):
        row = ImageEmbeds(embeds(3, rows=2).image_embeds[i : i + 1], "2.1")
        alone = run(
            parts["text2img"], image_embeds=row, text_embeds=read(parts["text2img"], text), seed=1 + i
        )
        same(both.latents[i : i + 1], alone)


def test_batches_that_do_not_match_are_refused(parts) -> None:
    with pytest.raises(ValueError, match=r"batches do not match: .*image_embeds has 3"):
        run(
            parts["text2img"],
            image_embeds=embeds(3, rows=3),
            text_embeds=read(parts["text2img"], "a\nb", lines=True),
        )


@pytest.mark.parametrize("variant", ["text2img", "inpaint"])
def test_what_the_mask_keeps_comes_back_as_it_was(parts, variant) -> None:
    start = movq_encode(parts[variant].movq, Image(smooth_picture(64, 64, rows=2)), progress=Recorder())
    mask = np.zeros((1, 64, 64), np.float32)
    mask[:, :, 32:] = 1
    made = run(parts[variant], latents=start, mask=Mask(mask))
    same(made.latents[..., :3], start.latents[..., :3])
    assert differ(made.latents[..., 5:], start.latents[..., 5:])


def test_a_run_in_parts_is_the_run_in_one(parts) -> None:
    for scheduler in (None, "ddpm"):
        whole = run(parts["text2img"], steps=4, scheduler=scheduler)
        half = run(parts["text2img"], steps=4, scheduler=scheduler, end_step=2)
        same(whole, run(parts["text2img"], steps=4, scheduler=scheduler, latents=half, start_step=2))


def test_the_second_scheduler_counts_in_the_key(parts, folders, tmp_path) -> None:
    copy = Path(shutil.copytree(folders["text2img"], tmp_path / "decoder"))
    config = copy / "ddpm_scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace("0.995", "0.5"))
    changed = decoder_parts(copy)
    assert changed.unet.cache_key != parts["text2img"].unet.cache_key
    assert changed.movq.cache_key == parts["text2img"].movq.cache_key
    assert differ(run(changed, scheduler="ddpm"), run(parts["text2img"], scheduler="ddpm"))
    same(run(changed), run(parts["text2img"]))


def test_without_a_second_scheduler_ddpm_runs_on_the_noise_of_the_first(folders, tmp_path) -> None:
    copy = Path(shutil.copytree(folders["text2img"], tmp_path / "decoder"))
    shutil.rmtree(copy / "ddpm_scheduler")
    plain = decoder_parts(copy)
    assert plain.unet.others == {}
    assert differ(run(plain, scheduler="ddpm"), run(plain))


def test_interpolation_mixes_row_by_row() -> None:
    mixed = interpolate([embeds(1, rows=2), embeds(2)], weights=[0.25, 0.75])
    expected = 0.25 * embeds(1, rows=2).image_embeds + 0.75 * embeds(2).image_embeds
    same(mixed, expected)
