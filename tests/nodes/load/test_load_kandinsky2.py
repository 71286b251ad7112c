"""Loader nodes: handles from configs, without torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file

from graph.context import Environment, Unavailable
from graph.files.allowed import Files
from nodes.checkpoints import devices
from nodes.files.reading import CheckpointError
from nodes.load.load_kandinsky2 import (
    DecoderParts,
    PriorParts,
    load_decoder,
    load_depth_estimator,
    load_prior,
)
from tests.nodes import tiny


def environment(folder: Path, device: str = "auto") -> Environment:
    return Environment(Files(folder, cwd=folder), device=device)


def prior(folder: Path, here: str = "auto", /, **params: Any) -> PriorParts:
    return load_prior(source=str(folder), environment=environment(folder, here), **params)


def decoder(folder: Path, here: str = "auto", /, **params: Any) -> DecoderParts:
    return load_decoder(source=str(folder), environment=environment(folder, here), **params)


@pytest.fixture
def copy(tmp_path: Path, decoder_folder: Path) -> Path:
    """A decoder that a test may spoil."""
    return Path(shutil.copytree(decoder_folder, tmp_path / "decoder"))


def edit(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file; None removes one."""
    config = json.loads(path.read_text()) if path.exists() else {}
    config.update(changes)
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))


def test_a_prior_has_three_parts(prior_folder: Path) -> None:
    parts = prior(prior_folder)
    assert {(part.system, part.variant, part.dtype, part.device) for part in parts} == {
        ("2.2", "text2img", "float32", "cpu")
    }
    assert parts.prior.embedding_dim == tiny.EMBED
    assert parts.prior.scheduler["_class_name"] == "UnCLIPScheduler"
    assert parts.prior.recommended == {"steps": 25, "guidance": 4.0}
    assert parts.text_encoder.tokenizer == prior_folder / "tokenizer"
    assert parts.image_encoder.image_processor["crop_size"] == {"height": 28, "width": 28}
    assert len({part.cache_key for part in parts}) == 3


@pytest.mark.parametrize("variant", ["text2img", "inpaint", "controlnet_depth"])
def test_a_decoder_says_what_it_is(tmp_path: Path, variant: str) -> None:
    parts = decoder(tiny.tiny_decoder(tmp_path / "decoder", variant))
    assert (parts.unet.system, parts.unet.variant, parts.text_encoder) == ("2.2", variant, None)
    assert parts.unet.scheduler["_class_name"] == "DDPMScheduler"
    assert (parts.unet.latent_factor, parts.unet.latent_channels) == (8, 4)
    assert (parts.movq.latent_factor, parts.movq.latent_channels, parts.movq.preview) == (8, 4, None)
    assert parts.unet.recommended["steps"] == 100 and parts.unet.recommended["width"] == 512


def test_a_source_with_several_unets(copy: Path, tmp_path: Path) -> None:
    other = tiny.tiny_decoder(tmp_path / "inpaint", "inpaint")
    shutil.copytree(other / "unet", copy / "unet_inpaint")
    found = {variant: decoder(copy, variant=variant) for variant in ("text2img", "inpaint")}
    assert found["inpaint"].unet.folder == copy / "unet_inpaint"
    assert found["text2img"].unet.variant == "text2img" and found["inpaint"].unet.variant == "inpaint"
    assert found["inpaint"].movq.fingerprint == found["text2img"].movq.fingerprint
    with pytest.raises(CheckpointError, match="holds no variant 'controlnet_depth', only text2img, inpaint"):
        decoder(copy, variant="controlnet_depth")


def test_a_depth_estimator(depth_folder: Path) -> None:
    handle = load_depth_estimator(source=str(depth_folder), environment=environment(depth_folder))
    assert handle.folder == depth_folder and handle.image_processor["size"] == {"height": 32, "width": 32}


class TestFingerprint:
    def test_it_follows_the_content_not_the_place(self, copy: Path, decoder_folder: Path) -> None:
        assert decoder(copy).unet.cache_key == decoder(decoder_folder).unet.cache_key

    @pytest.mark.parametrize(
        ("file", "changes"),
        [
            ("unet/config.json", {"sample_size": 7}),
            ("scheduler/scheduler_config.json", {"clip_sample": True}),
            ("movq/config.json", {"block_out_channels": [32, 32, 64]}),
        ],
    )
    def test_it_follows_what_the_unet_depends_on(self, copy: Path, file: str, changes: dict) -> None:
        before = decoder(copy).unet.cache_key
        edit(copy / file, **changes)
        assert decoder(copy).unet.cache_key != before

    def test_it_follows_the_weights(self, copy: Path) -> None:
        before = decoder(copy)
        path = copy / "movq" / "diffusion_pytorch_model.safetensors"
        tensors = load_file(path)
        next(iter(tensors.values()))[...] += 1
        save_file(tensors, path)
        after = decoder(copy)
        assert after.movq.cache_key != before.movq.cache_key
        assert after.unet.cache_key == before.unet.cache_key

    def test_device_and_offload_do_not_count_but_dtype_does(self, decoder_folder: Path) -> None:
        plain = decoder(decoder_folder).unet.cache_key
        assert decoder(decoder_folder, device="cpu", offload="sequential").unet.cache_key == plain
        assert decoder(decoder_folder, dtype="float32").unet.cache_key == plain
        assert decoder(decoder_folder, dtype="bfloat16").unet.cache_key != plain


class TestRecommended:
    def test_what_the_checkpoint_recommends_replaces_the_defaults(self, copy: Path) -> None:
        preview = {"matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], "bias": [0.5, 0.5, 0.5]}
        edit(
            copy / "recommended.json",
            width=128,
            height=96,
            steps=10,
            guidance=2,
            scheduler="ddim",
            preview=preview,
        )
        unet = decoder(copy).unet
        assert [unet.recommended[name] for name in ("width", "height", "steps", "guidance", "scheduler")] == [
            *(128, 96, 10, 2.0, "ddim")
        ]
        assert unet.preview is not None and unet.preview.matrix[1] == (0.0, 1.0, 0.0)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"steps": 0}, "steps is 0, expected a number from 1 to 1000"),
            ({"steps": "many"}, "steps is 'many'"),
            ({"width": 1e9}, "width is"),
            ({"preview": {"matrix": [[1, 2, 3]], "bias": [0, 0, 0]}}, "matrix of 4 x 3 numbers"),
            ({"preview": 3}, "matrix of 4 x 3 numbers"),
        ],
    )
    def test_nonsense_is_named(self, copy: Path, changes: dict, message: str) -> None:
        edit(copy / "recommended.json", **changes)
        with pytest.raises(CheckpointError, match=message):
            decoder(copy)


class TestBroken:
    @pytest.mark.parametrize(
        ("missing", "message"),
        [
            ("unet", "has no unet/config.json"),
            ("unet/config.json", "has no unet/config.json"),
            ("unet/diffusion_pytorch_model.safetensors", "has no weights: expected"),
            ("scheduler/scheduler_config.json", "has no scheduler/scheduler_config.json"),
            ("movq", "has no movq/config.json or vae/config.json"),
        ],
    )
    def test_what_is_missing_is_named(self, copy: Path, missing: str, message: str) -> None:
        path = copy / missing
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        with pytest.raises(CheckpointError, match=message):
            decoder(copy)

    def test_parts_that_nobody_wants_may_be_missing(self, copy: Path) -> None:
        shutil.rmtree(copy / "movq")
        parts = decoder(copy, wanted=frozenset({"unet"}))
        assert parts.unet.latent_factor == 8 and parts.movq is None

    def test_movq_may_be_called_vae(self, copy: Path) -> None:
        (copy / "movq").rename(copy / "vae")
        assert decoder(copy).movq.folder == copy / "vae"

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"encoder_hid_dim_type": "text_proj"}, "encoder_hid_dim_type is 'text_proj'"),
            ({"encoder_hid_dim_type": None}, "encoder_hid_dim_type is None"),
            ({"in_channels": 5}, "in_channels 5 with addition_embed_type 'image'"),
            ({"in_channels": "4"}, "in_channels is '4'"),
            ({"addition_embed_type": "text_image"}, "is none of"),
        ],
    )
    def test_a_unet_that_is_not_kandinskys(self, copy: Path, changes: dict, message: str) -> None:
        edit(copy / "unet" / "config.json", **changes)
        with pytest.raises(CheckpointError, match=message):
            decoder(copy)

    def test_a_cut_off_file_is_found_before_anything_runs(self, copy: Path) -> None:
        path = copy / "unet" / "diffusion_pytorch_model.safetensors"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(CheckpointError, match=r"unet/diffusion_pytorch_model\.safetensors is cut off"):
            decoder(copy)

    def test_a_tokenizer_without_files(self, tmp_path: Path, prior_folder: Path) -> None:
        folder = Path(shutil.copytree(prior_folder, tmp_path / "prior"))
        (folder / "tokenizer" / "tokenizer.json").unlink()
        with pytest.raises(
            CheckpointError, match=r"no tokenizer: expected tokenizer\.json, spiece\.model, or vocab\.json"
        ):
            prior(folder)


class TestDevices:
    def test_auto_is_replaced_by_the_command_line(
        self, decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(devices, "cuda_devices", lambda: 2)
        assert decoder(decoder_folder).unet.device == "cuda"
        assert decoder(decoder_folder).unet.dtype == "float16"
        assert decoder(decoder_folder, "cuda:1").unet.device == "cuda:1"
        assert decoder(decoder_folder, "cuda:1", device="cpu").unet.device == "cpu"
        with pytest.raises(Unavailable, match="device cuda:2 is not on this machine, which has 2"):
            decoder(decoder_folder, device="cuda:2")

    def test_devices_that_do_not_exist(self, decoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(devices, "cuda_devices", lambda: 0)
        monkeypatch.setattr(devices, "has_mps", lambda: False)
        for device in ("cuda", "mps"):
            with pytest.raises(Unavailable, match=f"device {device} is not on this machine"):
                decoder(decoder_folder, device=device)
        with pytest.raises(ValueError, match="device is 'gpu', expected auto, cpu"):
            decoder(decoder_folder, device="gpu")
        assert decoder(decoder_folder).unet.device == "cpu"

    def test_a_mac(self, decoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(devices, "cuda_devices", lambda: 0)
        monkeypatch.setattr(devices, "has_mps", lambda: True)
        unet = decoder(decoder_folder).unet
        assert (unet.device, unet.dtype) == ("mps", "float16")

    def test_detection_agrees_with_torch(self) -> None:
        import torch

        assert devices.cuda_devices() == torch.cuda.device_count()


def test_planning_imports_no_torch(prior_folder: Path, decoder_folder: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from graph.context import Environment
from graph.files.allowed import Files
from nodes.load.load_kandinsky2 import load_decoder, load_prior
load_prior(source={str(prior_folder)!r}, environment=Environment(Files(Path({str(prior_folder)!r}))))
load_decoder(source={str(decoder_folder)!r}, environment=Environment(Files(Path({str(decoder_folder)!r}))))
heavy = {{"torch", "transformers", "diffusers", "safetensors", "huggingface_hub"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
