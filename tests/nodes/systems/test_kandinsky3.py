"""Kandinsky 3 in the stages: its loader, what planning says of wires, masks, batches, and memory."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.context import Unavailable
from graph.node import Wiring
from nodes.files.reading import CheckpointError
from nodes.kandinsky.movq_decode import movq_decode
from nodes.kandinsky.movq_encode import movq_encode
from nodes.kandinsky.text_encode import text_encode
from nodes.kandinsky.unet_denoise import unet_denoise
from nodes.load.load_kandinsky3 import load_kandinsky3
from nodes.sampling.denoise_checks import complaints
from nodes.wires import Image, Latents, Mask, TextEmbeds
from tests.nodes import tiny3
from tests.nodes.stages import Recorder, decoder_parts, environment, smooth_picture


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint of each variant; read only."""
    root = tmp_path_factory.mktemp("kandinsky3")
    return {name: tiny3.tiny_kandinsky3(root / name, name) for name in ("text2img", "inpaint", "flash")}


@pytest.fixture(scope="module")
def parts(folders: dict[str, Path]) -> Any:
    """`parts["inpaint"]`: the handles of a variant."""
    return {name: tiny3.kandinsky3_parts(folder) for name, folder in folders.items()}


def embeds(rows: int = 1, seed: int = 0, tokens: int = 5, length: int = 12) -> TextEmbeds:
    """Random text embeds of so many tokens, padded to a length."""
    dice = np.random.default_rng(seed)
    mask = (np.arange(length) < tokens)[None].repeat(rows, axis=0).astype(np.float32)
    states = dice.standard_normal((rows, length, tiny3.STATES)) * mask[:, :, None]
    return TextEmbeds(dice.standard_normal((rows, tiny3.STATES)), states, mask, "3")


def run(unet: Any, text: TextEmbeds, **more: Any) -> Latents:
    size = {} if more.get("latents") is not None else {"width": 32, "height": 32}
    common: dict[str, Any] = {"steps": 3, "guidance": 2.0, "seed": 1, "progress": Recorder()}
    return unet_denoise(unet, text_embeds=text, **{**common, **size, **more})


def told(unet: Any, *linked: str, **params: Any) -> dict[str, str]:
    wiring = Wiring(linked=frozenset(linked), values={"unet": unet}, params={"guidance": 3.0, **params})
    return {complaint.where: complaint.message for complaint in complaints(wiring)}


def test_the_loader_says_what_it_found(parts) -> None:
    assert {name: part.unet.variant for name, part in parts.items()} == {name: name for name in parts}
    unet = parts["text2img"].unet
    assert (unet.system, unet.latent_channels, unet.latent_factor) == ("3", 4, 8)
    names = ("width", "height", "steps", "guidance", "scheduler")
    assert [unet.recommended[name] for name in names] == [1024, 1024, 25, 3.0, None]


def test_a_folder_may_hold_several_unets(folders, tmp_path) -> None:
    folder = Path(shutil.copytree(folders["text2img"], tmp_path / "all"))
    shutil.copytree(folders["inpaint"] / "unet", folder / "unet_inpaint")
    shutil.copytree(folders["flash"] / "unet_flash", folder / "unet_flash")
    for variant in folders:
        assert tiny3.kandinsky3_parts(folder, variant=variant).unet.variant == variant
    with pytest.raises(CheckpointError, match="holds no variant 'flash', only text2img"):
        tiny3.kandinsky3_parts(folders["text2img"], variant="flash")


def test_other_systems_are_sent_to_their_loader(folders, decoder_folder) -> None:
    with pytest.raises(CheckpointError, match=r"is of Kandinsky 2\.2, expected 3; Load decoder takes it"):
        tiny3.kandinsky3_parts(decoder_folder)
    with pytest.raises(CheckpointError, match="is of Kandinsky 3; Load Kandinsky 3 takes it"):
        decoder_parts(folders["text2img"])
    with pytest.raises(Unavailable, match=r"the miniature is of Kandinsky 2\.2; set source"):
        load_kandinsky3(environment=environment(decoder_folder))


def test_planning_says_what_is_missing_and_what_means_nothing(parts) -> None:
    unet = parts["text2img"].unet
    assert told(unet, "text_embeds") == {}
    assert told(unet, "text_embeds", "negative_text_embeds", "latents", "mask") == {}
    assert told(unet) == {"text_embeds": "a text2img checkpoint of Kandinsky 3 needs text_embeds"}
    extra = told(unet, "text_embeds", "image_embeds", "negative_image_embeds", "depth_hint")
    assert set(extra) == {"image_embeds", "negative_image_embeds", "depth_hint"}
    assert extra["image_embeds"] == "image_embeds means nothing to a text2img checkpoint of Kandinsky 3"
    assert set(told(parts["inpaint"].unet, "text_embeds")) == {"latents", "mask"}
    assert told(parts["flash"].unet, "text_embeds", scheduler="flash") == {}
    assert "'plms' is not for Kandinsky 3" in told(unet, "text_embeds", scheduler="plms")["scheduler"]


def test_embeds_of_another_size_or_system_are_refused(parts) -> None:
    unet, text = parts["text2img"].unet, embeds()
    wide = TextEmbeds(text.text_embeds, np.zeros((1, 4, 40)), np.ones((1, 4)), "3")
    with pytest.raises(ValueError, match="these hidden states have 40 numbers a row, the UNet takes 32"):
        run(unet, wide)
    other = TextEmbeds(text.text_embeds, text.hidden_states, text.attention_mask, "2.1")
    with pytest.raises(ValueError, match=r"these TextEmbeds are of Kandinsky 2\.1, the UNet is of 3"):
        run(unet, other)
    with pytest.raises(ValueError, match="a UNet of Kandinsky 3 needs text_embeds"):
        unet_denoise(unet, width=32, height=32, steps=1, guidance=1.0, progress=Recorder())


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_a_row_does_not_depend_on_its_batch(parts, guidance) -> None:
    """Prompts and negative prompts of different lengths, two pictures of each."""
    unet = parts["text2img"].unet
    texts = [embeds(tokens=3), embeds(seed=1, tokens=12)]
    away = [embeds(seed=2, tokens=7), embeds(seed=3, tokens=2)]

    def both(values: list[TextEmbeds]) -> TextEmbeds:
        arrays = (np.concatenate([getattr(value, name) for value in values]) for name in TextEmbeds.arrays)
        return TextEmbeds(*arrays, "3")

    many = run(
        unet, both(texts), negative_text_embeds=both(away), guidance=guidance, images_per_prompt=2
    ).latents
    for i in range(4):
        one = run(
            unet, texts[i // 2], negative_text_embeds=away[i // 2], guidance=guidance, seed=1 + i
        ).latents
        np.testing.assert_allclose(many[i : i + 1], one, atol=2e-5)


def test_no_negative_prompt_is_not_the_empty_one(parts) -> None:
    """Padding alone is no prompt; an empty prompt has its end token."""
    unet, text = parts["text2img"].unet, embeds()
    without, empty = run(unet, text), run(unet, text, negative_text_embeds=embeds(seed=4, tokens=1))
    assert np.abs(without.latents - empty.latents).max() > 1e-3
    shorter = TextEmbeds(text.text_embeds, text.hidden_states[:, :6], text.attention_mask[:, :6], "3")
    np.testing.assert_allclose(run(unet, shorter).latents, without.latents, atol=1e-6)


@pytest.mark.parametrize(("width", "height"), [(33, 17), (64, 40)])
def test_pictures_have_the_very_size_asked_for(parts, width, height) -> None:
    latents = run(parts["text2img"].unet, embeds(), width=width, height=height)
    picture = movq_decode(parts["text2img"].movq, latents, progress=Recorder())
    assert picture.shape == (1, height, width, 3)


def test_what_the_mask_keeps_comes_back_on_a_text_to_image_checkpoint(parts) -> None:
    start = movq_encode(parts["text2img"].movq, Image(smooth_picture(32, 32)), progress=Recorder())
    area = np.zeros((1, 32, 32), np.float32)
    area[:, :, :16] = 1
    painted = run(parts["text2img"].unet, embeds(), latents=start, mask=Mask(area)).latents
    np.testing.assert_allclose(painted[:, :, :, 2:], start.latents[:, :, :, 2:], atol=1e-5)
    assert np.abs(painted[:, :, :, :2] - start.latents[:, :, :, :2]).max() > 0.1


def test_latents_encoded_with_a_mask_do_not_show_what_is_under_it(parts) -> None:
    movq, picture, area = parts["inpaint"].movq, smooth_picture(30, 50, rows=2), np.zeros((1, 15, 25))
    area[:, 4:9, 5:20] = 1
    encoded = movq_encode(movq, Image(picture), Mask(area), progress=Recorder())
    assert encoded.masked and encoded.batch == 2
    other = picture.copy()
    other[:, 10:16, 12:38] = 0  # well under the mask at the picture's size
    assert np.array_equal(
        movq_encode(movq, Image(other), Mask(area), progress=Recorder()).latents, encoded.latents
    )
    assert not movq_encode(movq, Image(picture), progress=Recorder()).masked


def test_masked_latents_are_for_inpainting_only(parts, decoder_folder) -> None:
    area = Mask(np.ones((1, 32, 32)))
    masked = movq_encode(parts["inpaint"].movq, Image(smooth_picture(32, 32)), area, progress=Recorder())
    with pytest.raises(
        ValueError, match="were encoded with a mask and lack what is under it, which a text2img"
    ):
        run(parts["text2img"].unet, embeds(), latents=masked, mask=area)
    with pytest.raises(ValueError, match="a strength below 1 starts from the whole picture"):
        run(parts["inpaint"].unet, embeds(), latents=masked, mask=area, strength=0.5)
    assert run(parts["inpaint"].unet, embeds(), latents=masked, mask=area).shape == (1, 4, 4, 4)


def test_whole_latents_for_inpainting_are_warned_about(parts) -> None:
    start = movq_encode(parts["inpaint"].movq, Image(smooth_picture(32, 32)), progress=Recorder())
    area, progress = np.zeros((1, 32, 32), np.float32), Recorder()
    area[:, :, :16] = 1
    painted = run(parts["inpaint"].unet, embeds(), latents=start, mask=Mask(area), progress=progress).latents
    assert "link the mask to MoVQ encode, too" in progress.warnings[0]
    np.testing.assert_allclose(painted[:, :, :, 2:], start.latents[:, :, :, 2:], atol=1e-5)


def test_a_prompt_beyond_128_tokens_is_cut_and_says_so(parts) -> None:
    progress = Recorder()
    text = text_encode(parts["text2img"].text_encoder, text="a red cube on grass " * 40, progress=progress)
    assert text.attention_mask.sum() == 128
    assert "too long; this end of it was cut off" in progress.warnings[0]


def test_other_networks_than_t5_are_named(folders, tmp_path) -> None:
    folder = Path(shutil.copytree(folders["text2img"], tmp_path / "changed"))
    config = folder / "text_encoder" / "config.json"
    config.write_text(config.read_text().replace('"num_layers": 2', '"num_layers": 3'))
    handle = tiny3.kandinsky3_parts(folder).text_encoder
    with pytest.raises(CheckpointError, match=r"lack encoder\.block\.2\.layer"):
        text_encode(handle, text="a", progress=Recorder())
    streamed = tiny3.kandinsky3_parts(folder, offload="sequential").text_encoder
    with pytest.raises(CheckpointError, match=r"lack encoder\.block\.2\.layer"):
        text_encode(streamed, text="a", progress=Recorder())
    config.write_text(config.read_text().replace('"d_ff"', '"d_fff"'))
    with pytest.raises(CheckpointError, match=r"unknown field 'd_fff' .* did you mean 'd_ff'"):
        text_encode(tiny3.kandinsky3_parts(folder).text_encoder, text="a", progress=Recorder())


def test_half_precision_leaves_one_layer_wide(folders, parts) -> None:
    """As transformers does: T5's sums leave the range of float16 there."""
    import torch

    from nodes.weights.open_network import bytes_of
    from nodes.weights.residency import opened
    from nodes.weights.streaming import streamed

    handle = tiny3.kandinsky3_parts(folders["text2img"], dtype="float16").text_encoder
    with opened(handle) as model:
        kinds = {name: tensor.dtype for name, tensor in model.state_dict().items()}
        assert bytes_of(handle) == sum(tensor.nbytes for tensor in model.state_dict().values())
    assert {name for name, kind in kinds.items() if kind is torch.float32} == {
        f"encoder.block.{i}.layer.1.DenseReluDense.wo.weight" for i in range(2)
    }
    expected = text_encode(parts["text2img"].text_encoder, text="a cube", progress=Recorder()).hidden_states
    half = text_encode(handle, text="a cube", progress=Recorder()).hidden_states
    assert np.abs(half - expected).max() < 0.05 * np.abs(expected).max()
    with streamed(tiny3.kandinsky3_parts(folders["text2img"], dtype="float16").text_encoder) as model:
        outside = {name: tensor.is_meta for name, tensor in model.state_dict().items()}
    assert {name for name, empty in outside.items() if not empty} == {
        "encoder.embed_tokens.weight",
        "encoder.final_layer_norm.weight",
    }


def test_the_embedding_may_have_either_name(folders, parts, tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    expected = text_encode(parts["text2img"].text_encoder, text="a cube", progress=Recorder())
    folder = Path(shutil.copytree(folders["text2img"], tmp_path / "renamed"))
    weights = folder / "text_encoder" / "model.safetensors"
    tensors = load_file(weights)
    embedding = tensors.pop("shared.weight", tensors.pop("encoder.embed_tokens.weight", None))
    for names in (("shared.weight",), ("encoder.embed_tokens.weight",)):
        save_file({**tensors, **dict.fromkeys(names, embedding)}, weights)
        found = text_encode(tiny3.kandinsky3_parts(folder).text_encoder, text="a cube", progress=Recorder())
        assert np.array_equal(found.hidden_states, expected.hidden_states)


def test_a_sentencepiece_model_is_enough(folders, parts, tmp_path) -> None:
    folder = Path(shutil.copytree(folders["text2img"], tmp_path / "pieces"))
    for file in (folder / "tokenizer").iterdir():
        file.unlink()
    (folder / "tokenizer" / "spiece.model").write_bytes(tiny3.sentencepiece_model(tiny3.tiny_pieces()))
    for prompt in ("a red cube on grass", "", "what? a sphere"):
        expected = text_encode(parts["text2img"].text_encoder, text=prompt, progress=Recorder())
        found = text_encode(tiny3.kandinsky3_parts(folder).text_encoder, text=prompt, progress=Recorder())
        assert np.array_equal(found.attention_mask, expected.attention_mask)
        assert np.array_equal(found.hidden_states, expected.hidden_states)


@pytest.mark.parametrize(
    "damage", [b"", b"\x0a\xff\x01", b"\x0a\x05\x0a\x03a", b"\x08\x01", b"\xff" * 40, b"PK"]
)
def test_a_damaged_sentencepiece_model_is_refused(folders, tmp_path, damage) -> None:
    folder = Path(shutil.copytree(folders["text2img"], tmp_path / "pieces"))
    (folder / "tokenizer" / "tokenizer.json").unlink()
    (folder / "tokenizer" / "spiece.model").write_bytes(damage)
    with pytest.raises(CheckpointError, match=r"spiece\.model is no SentencePiece model"):
        text_encode(tiny3.kandinsky3_parts(folder).text_encoder, text="a", progress=Recorder())


def test_the_pieces_are_read_as_they_stand(tmp_path) -> None:
    from nodes.files.sentencepiece import read_pieces

    content = tiny3.sentencepiece_model(tiny3.tiny_pieces())
    (tmp_path / "spiece.model").write_bytes(content + b"\x1a\x0b\x12\x09\x04\0\0\0table")
    pieces = read_pieces(tmp_path / "spiece.model")
    assert pieces.vocabulary == tiny3.tiny_pieces() and pieces.charsmap == b"\x04\0\0\0table"
    (tmp_path / "spiece.model").write_bytes(content + b"\x12\x02\x18\x02")
    with pytest.raises(CheckpointError, match="its model is not of the unigram kind"):
        read_pieces(tmp_path / "spiece.model")


@pytest.mark.parametrize("size", [0, 3, 8, 2**31, 2**32 - 1])
def test_a_table_that_states_more_than_it_has_is_refused_before_memory_is_requested(
    tmp_path: Path, size: int
) -> None:
    from nodes.files.sentencepiece import read_pieces

    table = b"\x1a\x0a\x12\x08" + size.to_bytes(4, "little") + b"\0\0\0\0"
    model = tmp_path / "spiece.model"
    model.write_bytes(tiny3.sentencepiece_model(tiny3.tiny_pieces()) + table)
    with pytest.raises(CheckpointError, match="table of characters is damaged"):
        read_pieces(model)
