"""`kandinsky convert`: what it makes, what it leaves out, and that a stranger's files can do no harm."""

import json
import math
import os
import random
import re
import shutil
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nodes.conversion import autoencoder_names, original20, unet_names
from nodes.conversion.kandinsky20 import convert
from nodes.conversion.torch_file import read_tensors
from nodes.conversion.write import fitted
from nodes.encoders import two_encoders
from nodes.files.reading import CheckpointError
from nodes.systems.kandinsky20 import autoencoder, unet
from tests.nodes import tiny20
from tests.nodes.original20 import autoencoder_shapes, unet_shapes
from tests.nodes.stages import decoder_parts
from ui.command.main import main

UNET, INPAINT = (file for file, _ in original20.UNETS.values())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An original; read only."""
    return tiny20.original(tmp_path_factory.mktemp("original") / "kandinsky")


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """An original to be broken."""
    return Path(shutil.copytree(whole, tmp_path / "original"))


def converted(source: Path, target: Path) -> list[str]:
    """What was told."""
    told: list[str] = []
    with tiny20.tiny_sizes():
        convert(source, target, told.append)
    return told


def refused(source: Path, message: str, tmp_path: Path) -> None:
    """The conversion fails with this message and leaves nothing."""
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match=message) as error:
        converted(source, tmp_path / "made")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    assert sorted(tmp_path.iterdir()) == before


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a file of torch.save holds."""
    stored = torch.load(path, weights_only=True)
    change(stored)
    torch.save(stored, path)


@pytest.mark.parametrize(("channels", "millions"), [(4, 1223.353), (9, 1223.370)])
def test_the_real_unet_becomes_what_the_network_takes(channels: int, millions: float) -> None:
    config = {**original20.UNET, "in_channels": channels}
    shapes = unet_shapes(config)
    assert len(shapes) == 604
    assert sum(map(math.prod, shapes.values())) / 1e6 == pytest.approx(millions, abs=5e-4)
    with torch.device("meta"):
        network = unet(config)
        stored = {name: torch.empty(shape) for name, shape in shapes.items()}
    told: list[str] = []

    def rename(name: str, tensor: torch.Tensor) -> Any:
        return unet_names.renamed(name, tensor, config["layers_per_block"], config["attention_head_dim"])

    made = fitted(network, stored, rename, Path("unet.pt"), told.append)
    assert {name: made[name].shape for name in made} == {
        name: tensor.shape for name, tensor in network.state_dict().items()
    }
    assert told == []


def test_the_real_autoencoder_becomes_what_the_network_takes() -> None:
    real = json.loads((Path(__file__).parents[1] / "keys" / "kl20.json").read_text())
    shapes = autoencoder_shapes(original20.AUTOENCODER)
    with torch.device("meta"):
        network = autoencoder(original20.AUTOENCODER)
        stored = {name: torch.empty(shape) for name, shape in shapes.items()}
    assert {name: [*tensor.shape] for name, tensor in network.state_dict().items()} == real["shapes"]
    told: list[str] = []
    made = fitted(
        network, stored, lambda *one: [autoencoder_names.renamed(*one, 4)], Path("vae.ckpt"), told.append
    )
    assert len(made) == len(stored) == 248 and told == []


def test_the_real_text_encoders_have_the_real_parameters() -> None:
    """XLM-R large with what it pools to, and the encoder of mT5 small."""
    clip = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "vocab_size": 250_002,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "numDims": 640,
        "transformerDimensions": 1024,
    }
    mt5 = {
        "vocab_size": 250_112,
        "d_model": 512,
        "d_kv": 64,
        "d_ff": 1024,
        "num_layers": 8,
        "num_heads": 6,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    }
    network = two_encoders.build({"multilingual_clip": clip, "mt5": mt5}, "config.json")
    counts = {
        part: (len(state), round(sum(value.numel() for value in state.values()) / 1000))
        for part, state in ((name, network.get_submodule(name).state_dict()) for name in two_encoders.PARTS)
    }
    assert counts == {"multilingual_clip": (393, 560_546), "mt5": (75, 146_941)}


def test_a_converted_checkpoint_says_what_it_is(whole: Path, tmp_path: Path) -> None:
    told = converted(whole, tmp_path / "made")
    assert told[0] == (
        "vae.ckpt: left out loss.logvar, loss.discriminator.main.0.weight, which the network does not use"
    )
    assert re.fullmatch(r"unet: \d+ tensors, 0\.00 GB", told[-2])
    for variant in tiny20.TASKS:
        parts = decoder_parts(tmp_path / "made", variant=variant)
        assert (parts.unet.system, parts.unet.variant, parts.unet.latent_factor) == ("2.0", variant, 8)
        assert parts.text_encoder is not None and parts.text_encoder.system == "2.0"
        assert parts.unet.recommended == {**original20.RECOMMENDED, "scheduler": None}
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_tensors_keep_their_precision_and_fused_ones_come_apart_head_by_head(
    whole: Path, tmp_path: Path
) -> None:
    converted(whole, tmp_path / "made")
    made = load_file(tmp_path / "made" / "unet" / "diffusion_pytorch_model.safetensors")
    stored = torch.load(whole / UNET, weights_only=True)
    assert made["conv_in.weight"].dtype == torch.float16
    assert made["time_embedding.linear_1.weight"].dtype == torch.float32
    fused, size = stored["middle_block.1.qkv.weight"], tiny20.UNET["attention_head_dim"]
    for i, part in enumerate(("to_q", "to_k", "to_v")):
        rows = made[f"mid_block.attentions.0.{part}.weight"]
        for head in range(len(rows) // size):
            ours = rows[head * size : (head + 1) * size]
            start = (3 * head + i) * size
            assert torch.equal(ours, fused[start : start + size, :, 0])


@pytest.mark.parametrize(("left", "right"), [(UNET, INPAINT), (INPAINT, UNET)])
def test_one_task_is_enough(copy: Path, tmp_path: Path, left: str, right: str) -> None:
    (copy / right).unlink()
    converted(copy, tmp_path / "made")
    kind = dict(zip((UNET, INPAINT), tiny20.TASKS, strict=True))[left]
    assert decoder_parts(tmp_path / "made").unet.variant == kind  # of one only, that is taken


def test_the_same_original_makes_the_same_files(whole: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        converted(whole, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*"))
    for file in files:
        if (tmp_path / "one" / file).is_file():
            assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


class TestRefused:
    """One sentence, and nothing is left."""

    @pytest.mark.parametrize(
        ("missing", "message"),
        [
            ((UNET, INPAINT), f"holds no {UNET} or {INPAINT}: it is no original Kandinsky 2.0"),
            (("vae.ckpt", "text_encoder2"), "lacks vae.ckpt, text_encoder2"),
            (("text_encoder1/tokenizer.json",), "text_encoder1 has no tokenizer.json"),
            (("text_encoder2/spiece.model",), "text_encoder2 has no spiece.model or tokenizer.json"),
            (("text_encoder2/config.json",), "text_encoder2/config.json is missing"),
            (("text_encoder1/pytorch_model.bin",), "text_encoder1/pytorch_model.bin is missing"),
        ],
    )
    def test_missing_files(self, copy: Path, tmp_path: Path, missing: tuple[str, ...], message: str) -> None:
        for name in missing:
            path = copy / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        refused(copy, message, tmp_path)

    def test_no_folder(self, tmp_path: Path) -> None:
        refused(tmp_path / "nothing", "nothing is not a folder; expected one with the files", tmp_path)

    def test_a_target_that_exists(self, whole: Path, tmp_path: Path) -> None:
        (tmp_path / "made").mkdir()
        refused(whole, "made exists already", tmp_path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda state: state.pop("out.2.bias"), r"Kandinsky-2-0.pt lacks what becomes conv_out.bias"),
            (
                lambda state: state.update({"out.3.bias": state.pop("out.2.bias")}),
                "lacks what becomes conv_out.bias; it has out.3.bias instead",
            ),
            (
                lambda state: state.update({"out.2.bias": torch.ones(9)}),
                r"out.2.bias has the shape \(9,\), which makes conv_out.bias \(9,\), expected \(8,\)",
            ),
            (
                lambda state: state.update({"middle_block.1.qkv.weight": torch.ones(7, 64, 1)}),
                r"middle_block.1.qkv.weight has the shape \(7, 64, 1\), which no such tensor has",
            ),
            (
                lambda state: state.update({"out.2.bias": torch.ones(8, dtype=torch.int64)}),
                r"out.2.bias holds whole numbers \(torch.int64\), expected floats",
            ),
            (
                lambda state: state.update({"out.2.bias": torch.ones(1).expand(1 << 50)}),
                r"out.2.bias has the shape \(1125899906842624,\)",
            ),
            (
                lambda state: state.update({"out.2.bias": torch.ones(8).to_sparse()}),
                "the tensor out.2.bias is not a plain one",
            ),
            (lambda state: state.update(note="hello"), r"holds 'note', a str, expected a tensor"),
            (lambda state: state.clear(), "holds no tensors by name"),
        ],
    )
    def test_tensors_that_do_not_fit(self, copy: Path, tmp_path: Path, change: Any, message: str) -> None:
        rewrite(copy / UNET, change)
        refused(copy, message, tmp_path)

    def test_a_text_encoder_that_does_not_fit_its_config(self, copy: Path, tmp_path: Path) -> None:
        path = copy / "text_encoder2" / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "num_layers": 1 << 30}))
        refused(copy, "num_layers is 1073741824", tmp_path)

    def test_two_tensors_in_one_place_are_no_trouble(self, copy: Path, tmp_path: Path) -> None:
        rewrite(copy / UNET, lambda state: state.update({"ln_model3.bias": state["ln_model2.bias"]}))
        converted(copy, tmp_path / "made")
        made = load_file(tmp_path / "made" / "unet" / "diffusion_pytorch_model.safetensors")
        assert torch.equal(made["add_embedding.pooling_norm.bias"], made["add_embedding.text_norm.bias"])


class Harmful:
    """Would make a file if it was unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


class Callback:
    """What Lightning saves of a callback."""

    def __init__(self) -> None:
        self.best = 3


@pytest.fixture
def lightning(monkeypatch: pytest.MonkeyPatch) -> type:
    """A class of Lightning's, as far as pickling it goes; gone again when a file is read."""
    module = types.ModuleType("pytorch_lightning.callbacks")
    monkeypatch.setattr(Callback, "__module__", module.__name__)
    monkeypatch.setattr(module, "Callback", Callback, raising=False)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", types.ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Callback


class TestTorchFiles:
    def test_what_lightning_notes_of_a_training_stays_shut(self, tmp_path: Path, lightning: type) -> None:
        path = tmp_path / "a.ckpt"
        notes = {lightning: {"best": lightning()}}
        torch.save({"callbacks": notes, "state_dict": {"weight": torch.ones(3)}}, path)
        del sys.modules["pytorch_lightning.callbacks"]
        before = torch.serialization.get_safe_globals()
        assert read_tensors(path)["weight"].tolist() == [1, 1, 1]
        assert torch.serialization.get_safe_globals() == before

    def test_it_does_in_place_of_a_tensor_as_little_as_anything(
        self, tmp_path: Path, lightning: type
    ) -> None:
        torch.save({"weight": lightning()}, tmp_path / "a.pt")
        with pytest.raises(CheckpointError, match="holds 'weight', a Inert, expected a tensor"):
            read_tensors(tmp_path / "a.pt")

    def test_code_is_not_run(self, tmp_path: Path) -> None:
        path, trap = tmp_path / "a.pt", tmp_path / "trap"
        torch.save({"weight": torch.ones(2), "more": Harmful(trap)}, path)
        with pytest.raises(CheckpointError, match=r"a.pt holds more than tensors: posix.mkdir"):
            read_tensors(path)
        assert not trap.exists()

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda path: path.write_bytes(b"\x80\x02}q\x00."), "is not a file of torch.save"),
            (lambda path: path.write_bytes(path.read_bytes()[:-30]), "or it is cut off"),
            (lambda path: path.write_bytes(b""), "is not a file of torch.save"),
            (lambda path: path.unlink(), "is missing"),
            (lambda path: (path.unlink(), path.mkdir()), "not a regular file"),
            (lambda path: (path.unlink(), os.mkfifo(path)), "not a regular file"),
        ],
    )
    def test_damaged_files(self, tmp_path: Path, spoil: Any, message: str) -> None:
        path = tmp_path / "a.pt"
        torch.save({"weight": torch.ones(100)}, path)
        spoil(path)
        with pytest.raises(CheckpointError, match=message):
            read_tensors(path)

    def test_whatever_is_damaged_is_told_in_one_sentence(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pt"
        torch.save({"a": torch.ones(3, 5), "b": torch.ones(40).half()}, path)
        whole, dice = path.read_bytes(), random.Random(1)
        told = 0
        for _ in range(300):
            content = bytearray(whole)
            for _ in range(dice.choice((1, 2, 5, 20))):
                content[dice.randrange(len(content))] = dice.randrange(256)
            path.write_bytes(content)
            try:
                for tensor in read_tensors(path).values():
                    assert tensor.numel() < 100
            except CheckpointError as error:
                told += 1
                assert "\n" not in str(error) and "weights_only" not in str(error)
        assert told > 100

    def test_old_files_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pt"
        torch.save({"weight": torch.ones(100)}, path, _use_new_zipfile_serialization=False)
        with pytest.raises(CheckpointError, match=r"not a file of torch.save \(from torch 1.6 or newer\)"):
            read_tensors(path)

    def test_an_archive_that_would_grow_is_refused(self, tmp_path: Path) -> None:
        plain, bomb = tmp_path / "a.pt", tmp_path / "b.pt"
        torch.save({"weight": torch.zeros(1 << 20)}, plain)
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
            for entry in source.infolist():
                target.writestr(entry.filename, source.read(entry))
        with pytest.raises(CheckpointError, match=r"is compressed, which torch.save never does"):
            read_tensors(bomb)

    def test_other_archives_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hello.txt", "hello")
        with pytest.raises(CheckpointError, match=r"a.pt cannot be read: "):
            read_tensors(path)

    def test_parameters_are_tensors(self, tmp_path: Path) -> None:
        torch.save({"weight": torch.nn.Parameter(torch.ones(3))}, tmp_path / "a.pt")
        tensor = read_tensors(tmp_path / "a.pt")["weight"]
        assert type(tensor) is torch.Tensor and not tensor.requires_grad

    def test_training_checkpoints_hold_a_state_dict(self, tmp_path: Path) -> None:
        torch.save({"epoch": 1, "state_dict": {"weight": torch.ones(3)}}, tmp_path / "a.pt")
        assert read_tensors(tmp_path / "a.pt")["weight"].tolist() == [1, 1, 1]


class TestCommand:
    def test_it_tells_what_it_makes(self, whole: Path, tmp_path: Path, capsys: Any) -> None:
        with tiny20.tiny_sizes():
            assert main(["convert", str(whole), str(tmp_path / "deep" / "made")]) == 0
        out, err = capsys.readouterr()
        assert out.strip().endswith("made: Kandinsky 2.0, for the source of load_decoder")
        assert [line.split(":")[0] for line in err.splitlines()] == [
            *("vae.ckpt", "vae", "text_encoder", "unet", "unet_inpaint")
        ]

    def test_what_is_wrong_is_one_sentence(self, whole: Path, tmp_path: Path, capsys: Any) -> None:
        assert main(["convert", str(tmp_path / "nothing"), str(tmp_path / "made")]) == 2
        assert capsys.readouterr().err.startswith("kandinsky: ")
        assert (
            main(["convert", str(whole), str(tmp_path / "made")]) == 2
        )  # these are tiny, not the real sizes
        (line,) = capsys.readouterr().err.splitlines()
        assert "has the shape" in line and "expected" in line

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_that_cannot_be_written(self, whole: Path, tmp_path: Path, capsys: Any) -> None:
        (tmp_path / "closed").mkdir(mode=0o500)
        assert main(["convert", str(whole), str(tmp_path / "closed" / "made")]) == 2
        assert "cannot be written: Permission denied" in capsys.readouterr().err
