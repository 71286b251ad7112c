"""Odd prompts, inputs that do not fit each other, and requests for more than a machine has."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graph.values.tensor_file import pack
from nodes.wires import ImageEmbeds, Latents, TextEmbeds
from tests.bad_input.conftest import Call, load, save, told
from tests.nodes import tiny
from tests.ui.conftest import Called, Json

SHAPE = {"type": "mask", "params": {"shape": "ellipse", "width": 16, "height": 16}}
GUIDED = {"image_embeds": "prior.image_embeds", "negative_image_embeds": "prior.negative_image_embeds"}


@pytest.fixture
def paint(run: Call, prior_folder: Path, decoder_folder: Path) -> Any:
    """Runs text to image, with changes: `node={...}` replaces params and inputs, or adds a node."""
    allowed = ["--allow", prior_folder.parent, "--allow", decoder_folder.parent]

    def paint(text: str = "a red cube", decoder: Path = decoder_folder, **changes: Json) -> Called:
        nodes: Json = {
            "priors": {"type": "load_prior", "params": {"source": str(prior_folder)}},
            "decoders": {"type": "load_decoder", "params": {"source": str(decoder)}},
            "words": {
                "type": "text_encode",
                "inputs": {"text_encoder": "priors.text_encoder"},
                "params": {"text": text},
            },
            "prior": {
                "type": "prior",
                "inputs": {
                    "prior": "priors.prior",
                    "positive": "words.text_embeds",
                    "image_encoder": "priors.image_encoder",
                },
                "params": {"steps": 1},
            },
            "denoise": {
                "type": "unet_denoise",
                "inputs": {"unet": "decoders.unet", **GUIDED},
                "params": {"steps": 1, "width": 16, "height": 16},
            },
            "pixels": {
                "type": "movq_decode",
                "inputs": {"movq": "decoders.movq", "latents": "denoise.latents"},
            },
            "save": save("pixels.image"),
        }
        for name, change in changes.items():
            there = nodes.get(name, {"type": change.get("type")})
            inputs = {**there.get("inputs", {}), **change.get("inputs", {})}
            params = {**there.get("params", {}), **change.get("params", {})}
            inputs = {port: link for port, link in inputs.items() if link is not None}
            nodes[name] = {"type": there["type"], "inputs": inputs, "params": params}
        return run(nodes, *allowed, "--allow", decoder.parent)

    return paint


@pytest.mark.parametrize(
    "text", ["", " \n\t ", "a\0red\x07cube\x1b[31m\r\n\u202e\ufffe", "😀 a red 👨‍👩‍👧 cube"]
)
def test_odd_prompts_are_painted(paint, text) -> None:
    called = paint(text)
    assert called.status == 0 and Path("outputs/image.png").exists()
    assert "\x1b" not in called.err


def test_words_that_a_checkpoint_does_not_know_are_named(paint) -> None:
    called = paint("красный куб, 赤い立方体, a rde cube")
    for word in ("красный", "куб", "赤い立方体"):
        told(called, 0, "words: warning", "does not know the word", repr(word))
    told(called, 0, "'rde'", "it knows 'red'")


def test_a_prompt_of_ten_thousand_words_says_what_was_cut(paint) -> None:
    called = paint(" ".join(["red"] * 74 + ["blue", "sphere"] + ["on", "grass"] * 5000))
    told(called, 0, "words: warning", "cut off: 'sphere on grass on")


def test_words_beyond_the_cut_are_not_looked_up(paint) -> None:
    called = paint(" ".join(f"{i:b}" for i in range(6000)))
    told(called, 0, "cut off")
    assert called.err.count("does not know") < 77


@pytest.mark.parametrize(
    ("text", "status", "part"),
    [
        ("x" * 1_000_001, 2, "words.text: the text has 1000001 characters; expected at most 1000000"),
        ("red\n" * 100_000, 1, "there are 100,000 lines; at most 1,000 prompts go together"),
    ],
)
def test_prompts_without_end(paint, text, status, part) -> None:
    told(paint(text, words={"params": {"lines": True}}), status, part)


def test_batches_that_do_not_match(paint) -> None:
    three = {
        "type": "text_encode",
        "inputs": {"text_encoder": "priors.text_encoder"},
        "params": {"text": "a\nred\ncube", "lines": True},
    }
    called = paint(
        "a\nb", words={"params": {"lines": True}}, no=three, prior={"inputs": {"negative": "no.text_embeds"}}
    )
    told(called, 1, "prior: failed: batches do not match", "3 rows", "has 2", "or of 1")


def test_two_prompts_and_three_pictures(paint) -> None:
    called = paint(
        "a\nb",
        words={"params": {"lines": True}},
        picture=load("picture.png"),
        three={"type": "batch", "inputs": {"values": ["picture.image"] * 3}},
        latents={"type": "movq_encode", "inputs": {"movq": "decoders.movq", "image": "three.batch"}},
        denoise={"inputs": {"latents": "latents.latents"}, "params": {"width": None, "height": None}},
    )
    told(called, 1, "denoise: failed: batches do not match", "latents has 3 rows", "image_embeds has 2")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"params": {"width": 8193}}, ("denoise.width", "1 to 8192")),
        ({"params": {"steps": 0}}, ("denoise.steps", "out of range")),
        ({"params": {"seed": 2**53}}, ("denoise.seed", "out of range")),
        ({"params": {"seed": -1}}, ("denoise.seed", "out of range")),
        ({"params": {"guidance": 1e6}}, ("denoise.guidance", "out of range")),
        ({"params": {"images_per_prompt": 65}}, ("denoise.images_per_prompt", "1 to 64")),
        ({"params": {"strength": 0.5}}, ("denoise.strength", "needs a picture")),
        ({"params": {"end_step": 3}}, ("denoise.end_step", "only 1 step")),
        ({"params": {"scheduler": "flash"}}, ("denoise.scheduler", "ddpm, ddim, dpmpp_2m")),
        ({"inputs": {"negative_image_embeds": None}}, ("needs negative_image_embeds",)),
        (
            {"inputs": {"image_embeds": "words.text_embeds"}},
            ("denoise.image_embeds", "is of type text_embeds"),
        ),
        ({"inputs": {"text_embeds": "words.text_embeds"}}, ("denoise.text_embeds", "means nothing")),
        ({"inputs": {"unet": "decoders.movq"}}, ("denoise.unet", "is of type movq")),
        ({"inputs": {"mask": "shape.mask"}}, ("denoise.latents", "a mask needs a picture")),
    ],
)
def test_requests_that_make_no_sense(paint, change, parts) -> None:
    told(paint(denoise=change, shape=SHAPE), 2, *parts)
    assert not Path("outputs").exists()


def test_a_device_that_is_not_here(paint) -> None:
    told(paint(priors={"params": {"device": "cuda:99"}}), 2, "priors", "cuda:99 is not on this machine")


@pytest.mark.parametrize(
    ("variant", "needed"), [("inpaint", ("latents", "mask")), ("controlnet_depth", ("depth_hint",))]
)
def test_what_a_variant_needs(paint, tmp_path_factory, variant, needed) -> None:
    folder = tiny.tiny_decoder(tmp_path_factory.mktemp("variant") / variant, variant)
    called = paint(decoder=folder)
    for port in needed:
        told(called, 2, f"denoise.{port}", f"{variant} checkpoint", f"needs {port}")


def tensors(value: Any, kind: str) -> Json:
    Path(f"{kind}.safetensors").write_bytes(pack(value, kind, {}))
    return {"type": "load_tensors", "params": {"path": f"{kind}.safetensors"}}


@pytest.mark.parametrize(
    ("embeds", "parts"),
    [
        (ImageEmbeds(np.ones((1, 32)), "2.1"), ("Kandinsky 2.1", "2.2")),
        (ImageEmbeds(np.ones((1, 33)), "2.2"), ("33 numbers a row", "takes 32")),
    ],
)
def test_embeds_of_another_checkpoint(paint, embeds, parts) -> None:
    here = {"made": tensors(embeds, "image_embeds")}
    told(paint(denoise={"inputs": {"image_embeds": "made.value"}}, **here), 1, "denoise: failed", *parts)
    mix = {"type": "interpolate", "inputs": {"embeds": ["prior.image_embeds", "made.value"]}}
    told(paint(mix=mix, denoise={"inputs": {"image_embeds": "mix.image_embeds"}}, **here), 1, "mix: failed")


def test_latents_and_texts_of_another_checkpoint(paint) -> None:
    made = tensors(Latents(np.ones((1, 5, 2, 2)), 16, 16, "2.2"), "latents")
    told(paint(made=made, pixels={"inputs": {"latents": "made.value"}}), 1, "5 channels", "takes 4")
    made = tensors(Latents(np.ones((1, 4, 1, 1)), 8000, 8000, "2.2"), "latents")
    told(paint(made=made, pixels={"inputs": {"latents": "made.value"}}), 1, "8 x 8 pixels", "8000 x 8000")
    text = TextEmbeds(np.ones((1, 32)), np.ones((1, 5, 32)), np.ones((1, 5)), "2.2")
    told(
        paint(made=tensors(text, "text_embeds"), prior={"inputs": {"positive": "made.value"}}),
        1,
        "prior: failed",
    )


def test_weights_that_do_not_match_the_embeds(paint) -> None:
    mix = {
        "type": "interpolate",
        "inputs": {"embeds": ["prior.image_embeds"] * 2},
        "params": {"weights": [0.5, 0.2, 0.3]},
    }
    called = paint(mix=mix, denoise={"inputs": {"image_embeds": "mix.image_embeds"}})
    told(called, 1, "mix: failed", "3 weights for 2 embeds")


# More than a machine has


def test_a_batch_of_a_batch_of_a_batch(run) -> None:
    nodes = {"b0": load("picture.png")}
    for i in range(1, 8):
        link = f"b{i - 1}.{'batch' if i > 1 else 'image'}"
        nodes[f"b{i}"] = {"type": "batch", "inputs": {"values": [link] * 100}}
    nodes["last"] = save("b7.batch")
    told(run(nodes), 1, "b3: failed", "the 100 values of values take more than 4 GB")


@pytest.mark.parametrize("node", ["resize", "mask", "composite", "grid"])
def test_pictures_that_are_too_many_for_their_size(run, node) -> None:
    nodes = {
        "picture": load("picture.png"),
        "many": {"type": "batch", "inputs": {"values": ["picture.image"] * 5}},
        "shape": {"type": "mask", "params": {"shape": "ellipse", "width": 1, "height": 1}},
        "masks": {"type": "batch", "inputs": {"values": ["shape.mask"] * 5000}},
    }
    large = {"width": 8192, "height": 8192}
    if node == "resize":
        nodes["big"] = {"type": "resize", "inputs": {"image": "many.batch"}, "params": large}
        nodes["save"] = save("big.image")
    elif node == "mask":
        nodes["big"] = {
            "type": "mask",
            "inputs": {"image": "many.batch"},
            "params": {"shape": "luminance", **large},
        }
        nodes["save"] = save("big.preview")
    elif node == "composite":
        Image.new("1", (300, 300)).save("large.png")
        nodes["large"] = load("large.png")
        inputs = {"image": "large.image", "over": "picture.image", "mask": "masks.batch"}
        nodes["big"] = {"type": "composite", "inputs": inputs}
        nodes["save"] = save("big.image")
    else:
        Image.new("1", (8192, 1)).save("wide.png")
        Image.new("1", (1, 8193)).save("high.png")
        nodes["wide"], nodes["high"] = load("wide.png"), load("high.png")
        inputs = {"images": ["wide.image", "high.image"]}
        nodes["big"] = {"type": "grid", "inputs": inputs, "params": {"columns": 1}}
        nodes["save"] = save("big.image")
    called = run(nodes)
    line = told(called, 1, "big: failed")
    assert "67,108,864 pixels" in line or "201,326,592 numbers" in line or "the limit is" in line


def test_a_list_has_an_end(run) -> None:
    nodes = {
        "picture": load("picture.png"),
        "grid": {"type": "grid", "inputs": {"images": ["picture.image"] * 10_001}},
        "save": save("grid.image"),
    }
    told(run(nodes), 2, "grid.images", "10001 links", "at most 10000")


def test_what_is_linked_ten_thousand_times_does_not_fill_the_memory(run) -> None:
    Image.new("1", (1024, 1024)).save("large.png")
    nodes = {
        "large": load("large.png"),
        "grid": {"type": "grid", "inputs": {"images": ["large.image"] * 10_000}},
        "save": save("grid.image"),
    }
    told(run(nodes), 1, "grid: failed: the 10,000 values of images take more than 4 GB")
