"""The stages of Kandinsky 2.0: its loader and text encoders, what planning says, sizes, batches, masks."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import masking_utils

from graph.node import Wiring
from nodes.checkpoints.locate import locate_any
from nodes.checkpoints.report import parts as parts_of
from nodes.checkpoints.single_file import text_unet_config
from nodes.conversion import original20
from nodes.files.reading import CheckpointError
from nodes.kandinsky.movq_decode import movq_decode
from nodes.kandinsky.movq_encode import movq_encode
from nodes.kandinsky.text_encode import text_encode
from nodes.kandinsky.unet_denoise import unet_denoise
from nodes.load.load_kandinsky2 import DecoderParts
from nodes.networks.unet20 import TextUNetConfig
from nodes.sampling.denoise_checks import complaints
from nodes.schedulers.choose import scheduler as choose
from nodes.systems import kandinsky20
from nodes.weights.open_network import open_network
from nodes.weights.residency import Residency, residency
from nodes.wires import Image, ImageEmbeds, Latents, Mask, TextEmbeds
from tests.nodes import tiny20
from tests.nodes.stages import Recorder, decoder_parts, smooth_picture

TEXTS = {"text_embeds", "negative_text_embeds"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted checkpoint with both UNets; read only."""
    return tiny20.tiny_decoder20(tmp_path_factory.mktemp("k20") / "decoder")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    return Path(shutil.copytree(folder, tmp_path / "decoder"))


@pytest.fixture(scope="module")
def parts(folder: Path) -> dict[str, DecoderParts]:
    return {task: decoder_parts(folder, variant=task) for task in tiny20.TASKS}


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def read(parts: DecoderParts, text: str, **more: Any) -> TextEmbeds:
    assert parts.text_encoder is not None
    return text_encode(parts.text_encoder, text=text, progress=Recorder(), **more)


def run(parts: DecoderParts, prompt: str = "a red cube", **more: Any) -> Latents:
    """A short run; size 32 x 32 unless there are latents."""
    size = {} if more.get("latents") is not None else {"width": 32, "height": 32}
    inputs: dict[str, Any] = {"text_embeds": read(parts, prompt), "negative_text_embeds": read(parts, "")}
    inputs |= {"steps": 3, "guidance": 2.0, "seed": 1, "progress": Recorder()}
    return unet_denoise(parts.unet, **{**inputs, **size, **more})


def same(one: Any, two: Any) -> None:
    one, two = np.asarray(one), np.asarray(two)
    np.testing.assert_allclose(one, two, atol=1e-5 * max(1, np.abs(two).max()))


def differ(one: Any, two: Any) -> bool:
    return bool(np.abs(np.asarray(one) - np.asarray(two)).max() > 0.01)


@pytest.mark.parametrize(
    ("variant", "linked", "params", "port", "message"),
    [
        ("text2img", {"negative_text_embeds"}, {}, "text_embeds", "a text2img .* 2.0 needs text_embeds"),
        (
            *("text2img", {"text_embeds"}, {}, "negative_text_embeds"),
            "needs negative_text_embeds; guidance of 1 or less needs none",
        ),
        (
            "text2img",
            TEXTS | {"image_embeds"},
            {},
            "image_embeds",
            "image_embeds means nothing to a text2img",
        ),
        ("text2img", TEXTS | {"depth_hint"}, {}, "depth_hint", "depth_hint means nothing to a text2img"),
        ("inpaint", TEXTS | {"latents"}, {}, "mask", "an inpaint checkpoint of Kandinsky 2.0 needs mask"),
        ("text2img", TEXTS, {"scheduler": "flash"}, "scheduler", "'flash' is not for Kandinsky 2.0"),
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


@pytest.mark.parametrize("params", [{"guidance": 4.0, "scheduler": "plms"}, {"guidance": 1.0}])
def test_right_wiring_has_no_complaint(parts, params) -> None:
    linked = TEXTS if params["guidance"] > 1 else {"text_embeds"}
    wiring = Wiring(params, {"unet": parts["text2img"].unet}, frozenset({"unet", *linked}))
    assert list(complaints(wiring)) == []


class TestTexts:
    def test_lines_become_a_batch(self, parts) -> None:
        made = read(parts["text2img"], "a red cube\n\nsand", lines=True)
        assert made.hidden_states.shape == (2, 154, tiny20.FIRST) and made.text_embeds.shape == (2, 12)
        same(made.hidden_states[1:], read(parts["text2img"], "sand").hidden_states)

    def test_both_encoders_tell_prompts_apart(self, parts) -> None:
        one, two = read(parts["text2img"], "a red cube"), read(parts["text2img"], "sand")
        assert differ(one.text_embeds, two.text_embeds)
        for tokens in (slice(77), slice(77, None)):
            assert differ(one.hidden_states[:, tokens], two.hidden_states[:, tokens])

    def test_what_one_of_them_does_not_see_is_told_once(self, parts) -> None:
        progress = Recorder()
        text_encode(parts["text2img"].text_encoder, text="elephant " + "sand " * 80, progress=progress)
        assert len(progress.warnings) == 1 and "cut off: 'sand sand" in progress.warnings[0]

    def test_other_texts_are_refused(self, parts) -> None:
        shapes = (1, 154, tiny20.FIRST)
        for text, message in (
            (TextEmbeds(np.ones((1, 12)), np.ones(shapes), np.ones((1, 154)), "2.1"), "of Kandinsky 2.1"),
            (
                TextEmbeds(np.ones((1, 9)), np.ones(shapes), np.ones((1, 154)), "2.0"),
                "text embeds have 9 num",
            ),
            (
                TextEmbeds(np.ones((1, 12)), np.ones((1, 154, 8)), np.ones((1, 154)), "2.0"),
                "hidden states have 8 numbers a row, the UNet takes 24",
            ),
            (
                TextEmbeds(np.ones((1, 12)), np.ones((1, 153, 24)), np.ones((1, 153)), "2.0"),
                "as many tokens of one encoder as of the other, and got an odd number, 153",
            ),
        ):
            with pytest.raises(ValueError, match=message):
                run(parts["text2img"], text_embeds=text, guidance=1.0)
        odd = TextEmbeds(np.ones((1, 12)), np.ones((1, 152, 24)), np.ones((1, 152)), "2.0")
        with pytest.raises(ValueError, match=r"hidden states of the prompt are 154 .*the negative's 152"):
            run(parts["text2img"], negative_text_embeds=odd)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"model_type": "kandinsky-2"}, "model_type is 'kandinsky-2', expected one of"),
            ({"mt5": None}, "mt5 is None, expected the config of a text encoder"),
            ({"multilingual_clip": [1]}, r"multilingual_clip is \[1\], expected the config"),
            ({"mt5": {"vocab_size": 45, "d_model": 1 << 40}}, "config.json: mt5: d_model is"),
            ({"mt5": {"vocab_size": 45, "d_modle": 20}}, "unknown field 'd_modle'"),
        ],
    )
    def test_its_config_is_read_strictly(self, copy, change, message) -> None:
        edit(copy / "text_encoder" / "config.json", **change)
        with pytest.raises(CheckpointError, match=message):
            read(decoder_parts(copy), "a red cube")

    def test_both_tokenizers_count(self, copy) -> None:
        before = decoder_parts(copy).text_encoder.cache_key
        edit(copy / "tokenizer_2" / "tokenizer_config.json", note=1)
        assert decoder_parts(copy).text_encoder.cache_key != before

    @pytest.mark.parametrize("name", ["tokenizer", "tokenizer_2"])
    def test_a_tokenizer_without_a_vocabulary_is_told(self, copy, name) -> None:
        for file in (copy / name).iterdir():
            file.unlink()
        with pytest.raises(CheckpointError, match=f"{name} has no tokenizer: expected tokenizer.json"):
            decoder_parts(copy)

    def test_a_checkpoint_without_a_second_tokenizer_is_told(self, copy) -> None:
        shutil.rmtree(copy / "tokenizer_2")
        with pytest.raises(CheckpointError, match="decoder has no tokenizer_2"):
            read(decoder_parts(copy), "a red cube")


class TestConfigs:
    @pytest.mark.parametrize(
        ("file", "change", "message"),
        [
            (
                "unet",
                {"encoder_hid_dim_type": "three_text_proj"},
                "or 'two_text_proj' .2.0.; this is no Kand",
            ),
            ("unet", {"addition_embed_type": "image"}, "with addition_embed_type 'image' is none"),
            ("unet", {"in_channels": 8}, "in_channels 8 with addition_embed_type 'two_text' is none"),
            ("unet", {"pooling_heads": 3}, "pooling_heads is 3, expected a divisor of 20"),
            ("unet", {"text_embed_dim": "12"}, "text_embed_dim is '12', expected a whole number"),
            ("unet", {"second_encoder_hid_dimm": 20}, "did you mean 'second_encoder_hid_dim'"),
            ("vae", {"scaling_factor": 0.0}, "scaling_factor is 0.0, expected 1e-6 to 1e6"),
            ("vae", {"use_quant_conv": False}, "use_quant_conv is False, expected True"),
            ("vae", {"shift_factor": 0.1}, "shift_factor is 0.1, expected None"),
            (
                "vae",
                {"block_out_channels": [32, 32, 64, 65]},
                "block_out_channels is 65, expected a multiple",
            ),
            ("vae", {"block_out_channel": [32]}, "did you mean 'block_out_channels'"),
        ],
    )
    def test_they_are_read_strictly(self, copy, file, change, message) -> None:
        edit(copy / file / "config.json", **change)
        with pytest.raises(ValueError, match=message):
            found = decoder_parts(copy)
            movq_encode(found.movq, Image(smooth_picture(16, 16)), progress=Recorder())
            run(found)


@pytest.mark.parametrize(("width", "height"), [(32, 32), (33, 17), (70, 40), (8, 1)])
def test_pictures_have_the_very_size_asked_for(parts, width, height) -> None:
    latents = run(parts["text2img"], width=width, height=height)
    assert (latents.width, latents.height, latents.system) == (width, height, "2.0")
    made = movq_decode(parts["text2img"].movq, latents, progress=Recorder())
    assert made.shape == (1, height, width, 3)


@pytest.mark.parametrize("scheduler", ["ddim", "ddpm", "dpmpp_2m", "plms"])
def test_a_row_does_not_depend_on_its_batch(parts, scheduler) -> None:
    prompts = ("a red cube", "sand", "a blue sphere")
    both = run(
        parts["text2img"],
        text_embeds=read(parts["text2img"], "\n".join(prompts), lines=True),
        scheduler=scheduler,
    )
    for i, prompt in enumerate(prompts):
        same(both.latents[i : i + 1], run(parts["text2img"], prompt, seed=1 + i, scheduler=scheduler))


@pytest.mark.parametrize("scheduler", ["ddim", "plms"])
def test_runs_have_as_many_steps_as_asked_for(parts, scheduler) -> None:
    unet, progress = parts["text2img"].unet, Recorder()
    latents = run(parts["text2img"], steps=150, end_step=1, scheduler=scheduler, progress=progress)
    assert progress.steps == [(1, 1)]
    whole = choose(unet.scheduler, scheduler).start(150)
    assert len(whole.timesteps) == 150 and whole.timesteps[-1] == 1
    assert np.isfinite(latents.latents).all()


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_images_per_prompt_repeats_rows_in_a_run(parts, guidance) -> None:
    unet = parts["text2img"]
    many = run(unet, guidance=guidance, images_per_prompt=2)
    same(many.latents[:1], run(unet, guidance=guidance))
    same(many.latents[1:], run(unet, guidance=guidance, seed=2))


def test_without_guidance_the_negative_takes_no_part(parts) -> None:
    same(
        run(parts["text2img"], guidance=1.0, negative_text_embeds=None), run(parts["text2img"], guidance=1.0)
    )
    with pytest.raises(ValueError, match="needs negative_text_embeds"):
        run(parts["text2img"], negative_text_embeds=None)


def test_the_negative_prompt_leads_away(parts) -> None:
    away = read(parts["text2img"], "a blue sphere")
    assert differ(run(parts["text2img"]), run(parts["text2img"], negative_text_embeds=away))


@pytest.mark.parametrize("task", tiny20.TASKS)
def test_what_the_mask_keeps_comes_back_as_it_was(parts, task) -> None:
    start = movq_encode(parts[task].movq, Image(smooth_picture(32, 48)), progress=Recorder())
    mask = np.zeros((1, 32, 48), np.float32)
    mask[:, :, 32:] = 1
    made = run(parts[task], latents=start, mask=Mask(mask))
    same(made.latents[..., :3], start.latents[..., :3])
    assert differ(made.latents[..., 4:], start.latents[..., 4:])


def test_pictures_go_through_the_autoencoder_at_any_size(parts) -> None:
    movq = parts["text2img"].movq
    picture = smooth_picture(19, 30, rows=2)
    latents = movq_encode(movq, Image(picture), progress=Recorder())
    assert latents.shape == (2, 4, 3, 4) and (latents.width, latents.height) == (30, 19)
    assert movq_decode(movq, latents, progress=Recorder()).shape == (2, 19, 30, 3)
    alone = movq_encode(movq, Image(picture[1:]), progress=Recorder())
    same(latents.latents[1:], alone)


def test_latents_of_another_system_are_refused(parts) -> None:
    other = Latents(np.ones((1, 4, 4, 4)), 32, 32, "2.2")
    with pytest.raises(ValueError, match=r"latents are of Kandinsky 2\.2, this MoVQ is of 2\.0"):
        movq_decode(parts["text2img"].movq, other, progress=Recorder())
    with pytest.raises(ValueError, match=r"these Latents are of Kandinsky 2\.2, the UNet is of 2\.0"):
        run(parts["text2img"], latents=other)
    with pytest.raises(ValueError, match=r"ImageEmbeds are of Kandinsky 2.2"):
        run(parts["text2img"], image_embeds=ImageEmbeds(np.ones((1, 12)), "2.2"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_close(folder, dtype) -> None:
    halves, whole = decoder_parts(folder, dtype=dtype), decoder_parts(folder)
    ours, exact = read(halves, "a red cube"), read(whole, "a red cube")
    tolerance = {"float16": 0.02, "bfloat16": 0.15}[dtype]
    assert (
        np.abs(ours.hidden_states - exact.hidden_states).max() < tolerance * np.abs(exact.hidden_states).max()
    )
    made = run(halves, text_embeds=exact, negative_text_embeds=exact, steps=1, scheduler="ddpm")
    reference = run(whole, text_embeds=exact, negative_text_embeds=exact, steps=1, scheduler="ddpm")
    assert np.abs(made.latents - reference.latents).max() < 2 * tolerance * np.abs(reference.latents).max()


def test_inspecting_says_what_lies_in_a_checkpoint(folder) -> None:
    found = {part.part: part for part in parts_of(locate_any(str(folder)))}
    assert {name: part.what for name, part in found.items()} == {
        "ddpm_scheduler": "DDPMScheduler",
        "scheduler": "DDIMScheduler",
        "text_encoder": "TwoEncoders",
        "unet": "UNet of Kandinsky 2.0, text to image",
        "unet_inpaint": "UNet of Kandinsky 2.0, inpainting",
        "vae": "autoencoder of Kandinsky 2.0 (AutoencoderKL), 8 pixels a latent",
    }
    assert found["unet"].size is not None and found["unet"].size.saved_as == "float16 and float32"


def test_loaders_say_what_they_found(parts) -> None:
    unet, movq, text_encoder = (handle.description for handle in parts["inpaint"])
    assert unet.startswith("Kandinsky 2.0 UNet, inpainting: ")
    assert movq.startswith("Kandinsky 2.0 autoencoder: ")
    assert text_encoder.startswith("Kandinsky 2.0 text encoder: ")


def test_the_real_unets_are_known_by_their_tensors() -> None:
    for channels in (4, 9):
        config = {**original20.UNET, "in_channels": channels}
        with torch.device("meta"):
            state = kandinsky20.unet(config).state_dict()
        stated = text_unet_config({name: tuple(tensor.shape) for name, tensor in state.items()})
        assert TextUNetConfig.read(stated) == TextUNetConfig.read(config)


def test_a_unet_in_a_single_file(copy, tmp_path) -> None:
    file = (copy / "unet" / "diffusion_pytorch_model.safetensors").rename(tmp_path / "mine.safetensors")
    found = decoder_parts(file)
    assert (found.unet.system, found.unet.variant) == ("2.0", "text2img")
    assert found.movq is None and found.text_encoder is None
    assert found.unet.scheduler == {**original20.SCHEDULERS["scheduler"], "prediction_type": "epsilon"}


def test_float16_is_too_narrow_for_a_layer_of_mt5(folder) -> None:
    state = open_network(decoder_parts(folder, dtype="float16").text_encoder, "cpu").state_dict()
    wide = [name for name, tensor in state.items() if tensor.dtype == torch.float32]
    assert wide == [f"mt5.encoder.block.{i}.layer.1.DenseReluDense.wo.weight" for i in range(2)]


def test_an_original_is_no_source_yet(folder) -> None:
    with pytest.raises(CheckpointError, match=r"but Kandinsky-2-0.pt: kandinsky convert makes a checkpoint"):
        decoder_parts(folder.with_name("decoder-original"))


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_everything_used_is_on_the_device(parts, offload, monkeypatch) -> None:
    """The meta device stands in for an accelerator: mixing it with the CPU fails in the same way."""
    # transformers looks into a mask to see whether it can do without.
    monkeypatch.setattr(masking_utils, "_ignore_bidirectional_mask_sdpa", lambda *_, **__: False)

    def opened(handle: Any) -> Any:
        return Residency().opened(replace(handle, device="meta", offload=offload))

    unet, movq, text_encoder = parts["text2img"]
    with opened(text_encoder) as model, torch.device("meta"), torch.inference_mode():
        ids, mask = torch.zeros(2, 154, dtype=torch.long), torch.ones(2, 154)
        pooled, hidden = model(ids, mask)
        assert pooled.is_meta and hidden.is_meta and hidden.shape == (2, 154, tiny20.FIRST)
    with opened(unet) as model, torch.device("meta"), torch.inference_mode():
        condition = model.condition(text_embeds=pooled, hidden_states=hidden)
        assert model(torch.zeros(2, 4, 8, 8), torch.zeros(2), condition).is_meta
    with opened(movq) as model, torch.device("meta"), torch.inference_mode():
        assert model.decode(model.encode(torch.zeros(1, 3, 64, 64))).is_meta
