"""The tokenizer: what it cuts, what it does not know, and when it is none."""

import base64
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import CLIPTokenizer

from graph.context import Environment
from graph.files.allowed import Files
from nodes.encoders.tokenizer import Tokenizer, open_tokenizer
from nodes.files.reading import CheckpointError
from nodes.load.load_kandinsky2 import load_prior
from nodes.parts import TextEncoder
from tests.nodes import tiny


def handle(folder: Path) -> TextEncoder:
    return load_prior(source=str(folder), environment=Environment(Files(folder))).text_encoder


@pytest.fixture(scope="module")
def tokenizer(prior_folder: Path) -> Tokenizer:
    return open_tokenizer(handle(prior_folder))


def test_tokens_are_those_of_transformers(tokenizer: Tokenizer, prior_folder: Path) -> None:
    reference = CLIPTokenizer.from_pretrained(prior_folder / "tokenizer")
    texts = ["", "a red cube", "a  RED,cube!", "x" * 300, "红色的立方体", "red " * 500]
    tokens = tokenizer(texts)
    expected = reference(texts, padding="max_length", truncation=True, max_length=77, return_tensors="np")
    assert np.array_equal(tokens.ids, expected["input_ids"])
    assert np.array_equal(tokens.mask, expected["attention_mask"])
    assert tokens.mask.dtype == np.float32


def test_what_was_cut_is_told(tokenizer: Tokenizer) -> None:
    words = " ".join(f"{word} {i % 10}" for i, word in enumerate(["red", "cube"] * 100))
    short, long = tokenizer(["a red cube", words]).cut
    assert short == ""
    kept = tokenizer.length - 2
    assert long == " ".join(words.split()[kept:])


def test_exactly_full_is_not_cut(tokenizer: Tokenizer) -> None:
    assert tokenizer(["red " * 75]).cut == ("",)
    assert tokenizer(["red " * 75 + "cube"]).cut == ("cube",)


def test_ten_thousand_words(tokenizer: Tokenizer) -> None:
    tokens = tokenizer(["green sphere " * 5000])
    assert tokens.ids.shape == (1, 77) and len(tokens.cut[0].split()) == 10_000 - 75


def test_unknown_words_are_told_with_the_nearest(tokenizer: Tokenizer) -> None:
    assert tokenizer.unknown_words("A red cube, on grass!") == {}
    assert tokenizer.unknown_words("a redd elephant cube elephant") == {"redd": "red", "elephant": ""}


def test_a_vocabulary_file_says_what_is_known(tmp_path: Path, prior_folder: Path) -> None:
    folder = Path(shutil.copytree(prior_folder, tmp_path / "prior"))
    (folder / "vocabulary.txt").write_text("a\nred\nhouse\n")
    tokenizer = open_tokenizer(handle(folder))
    assert tokenizer.unknown_words("A red, x cube and houses!") == {
        "x": "",
        "cube": "",
        "and": "",
        "houses": "house",
    }


def test_a_large_vocabulary_has_no_unknown_words(prior_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.encoders.tokenizer.SMALL_VOCABULARY", 10)
    fresh = dataclasses.replace(handle(prior_folder), source="opened for this test alone")
    assert open_tokenizer(fresh).unknown_words("elephant") == {}


def test_vocabulary_and_merges_without_tokenizer_json(tmp_path: Path, prior_folder: Path) -> None:
    folder = Path(shutil.copytree(prior_folder, tmp_path / "prior"))
    model = json.loads((folder / "tokenizer" / "tokenizer.json").read_text())["model"]
    (folder / "tokenizer" / "tokenizer.json").unlink()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "tokenizer" / "merges.txt").write_text("\n".join(merges) + "\n")
    old, new = open_tokenizer(handle(folder)), open_tokenizer(handle(prior_folder))
    assert np.array_equal(old(["a red cube on grass"]).ids, new(["a red cube on grass"]).ids)


class TestBroken:
    @pytest.fixture
    def folder(self, tmp_path: Path, prior_folder: Path) -> Path:
        return Path(shutil.copytree(prior_folder, tmp_path / "prior"))

    def test_an_empty_tokenizer(self, folder: Path) -> None:
        shutil.rmtree(folder / "tokenizer")
        CLIPTokenizer().save_pretrained(folder / "tokenizer")
        with pytest.raises(
            CheckpointError, match=r"did not load properly: it knows \d tokens, the text encoder 106"
        ):
            open_tokenizer(handle(folder))

    def test_no_length(self, folder: Path) -> None:
        path = folder / "tokenizer" / "tokenizer_config.json"
        config = json.loads(path.read_text())
        del config["model_max_length"]
        path.write_text(json.dumps(config))
        with pytest.raises(CheckpointError, match="did not load properly"):
            open_tokenizer(handle(folder))

    def test_another_encoders(self, folder: Path) -> None:
        shutil.rmtree(folder / "tokenizer")
        tiny.tiny_tokenizer((*tiny.WORDS, "elephant")).save_pretrained(folder / "tokenizer")
        with pytest.raises(CheckpointError, match="is for another text encoder"):
            open_tokenizer(handle(folder))

    @pytest.mark.parametrize("content", ["{", '{"model": 3}', "[]"])
    def test_nonsense(self, folder: Path, content: str) -> None:
        (folder / "tokenizer" / "tokenizer.json").write_text(content)
        with pytest.raises(CheckpointError, match="cannot be read"):
            open_tokenizer(handle(folder))

    def test_it_is_opened_once(self, folder: Path) -> None:
        assert open_tokenizer(handle(folder)) is open_tokenizer(dataclasses.replace(handle(folder)))


def test_a_table_in_tokenizer_json_is_checked_before_the_library_sees_it(
    tmp_path: Path, prior_folder: Path
) -> None:
    folder = shutil.copytree(prior_folder, tmp_path / "prior")
    file = folder / "tokenizer" / "tokenizer.json"
    stated = json.loads(file.read_text())
    table = base64.b64encode(b"\xfc\xff\xff\xff" + bytes(8)).decode()  # states 4 GB
    inner = {"type": "Precompiled", "precompiled_charsmap": table}
    stated["normalizer"] = {"type": "Sequence", "normalizers": [inner]}
    file.write_text(json.dumps(stated))
    with pytest.raises(CheckpointError, match="table of characters is damaged"):
        open_tokenizer(handle(folder))
