"""Kandinsky 2.1's decoder reads with multilingual CLIP: as diffusers' own class does, and strictly."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.kandinsky.text_encoder import MultilingualCLIP
from safetensors.torch import load_file, save_file
from transformers import XLMRobertaTokenizer

from nodes.encoders import encoder_of, multilingual_clip
from nodes.files.reading import CheckpointError
from nodes.kandinsky.text_encode import text_encode
from tests.nodes.real_encoders import XLM_R
from tests.nodes.stages import Recorder, decoder_parts
from tests.nodes.tiny21 import tiny_decoder21

LAYER = 16  # tensors of a layer of XLM-R


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder21(tmp_path_factory.mktemp("k21") / "decoder")


def read(folder: Path, text: str, **params: Any) -> Any:
    return text_encode(decoder_parts(folder).text_encoder, text=text, progress=Recorder(), **params)


def test_real_sizes_have_the_real_parameters() -> None:
    network = multilingual_clip.build(XLM_R, "config.json")
    state = network.state_dict()
    assert len(state) == 393 == 24 * LAYER + 9
    assert round(sum(value.numel() for value in state.values()) / 1000) == 560_678
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    assert shapes["transformer.embeddings.word_embeddings.weight"] == (250_002, 1024)
    assert shapes["transformer.embeddings.position_embeddings.weight"] == (514, 1024)
    assert shapes["transformer.pooler.dense.weight"] == (1024, 1024)
    assert shapes["transformer.encoder.layer.23.output.LayerNorm.bias"] == (1024,)
    assert shapes["LinearTransformation.weight"] == (768, 1024)


@torch.no_grad()
def test_it_reads_as_diffusers_does(folder: Path) -> None:
    prompts = ["", "a red cube on grass", "sand, sand! " * 60, "зелёный куб"]
    tokenizer = XLMRobertaTokenizer.from_pretrained(folder / "tokenizer")
    inputs = tokenizer(prompts, padding="max_length", truncation=True, max_length=77, return_tensors="pt")
    pooled, hidden = MultilingualCLIP.from_pretrained(folder / "text_encoder").eval()(
        inputs.input_ids, inputs.attention_mask
    )
    for i, prompt in enumerate(prompts):
        made = read(folder, prompt)
        assert (made.system, made.batch) == ("2.1", 1)
        for ours, theirs in (
            (made.text_embeds, pooled[i : i + 1]),
            (made.hidden_states, hidden[i : i + 1]),
            (made.attention_mask, inputs.attention_mask[i : i + 1].float()),
            (made.empty_text_embeds, pooled[:1]),
            (made.empty_hidden_states, hidden[:1]),
        ):
            torch.testing.assert_close(torch.tensor(ours), theirs, rtol=0, atol=1e-5)
    assert (pooled[1] - pooled[2]).abs().max() > 0.1  # the prompts are told apart


def test_lines_become_a_batch(folder: Path) -> None:
    made = read(folder, "a red cube\n\nsand", lines=True)
    assert made.hidden_states.shape[:2] == (2, 77) and made.text_embeds.shape[0] == 2


def test_what_is_cut_is_told_and_no_word_is_unknown(folder: Path) -> None:
    progress = Recorder()
    text_encode(decoder_parts(folder).text_encoder, text="elephant " + "sand " * 80, progress=progress)
    assert len(progress.warnings) == 1 and "cut off: 'sand sand" in progress.warnings[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "bert"}, "model_type is 'bert', expected one of clip_text_model, xlm-roberta"),
        ({"numDims": 0}, "numDims is 0, expected 1 to"),
        ({"numDims": True}, "numDims is True, expected 1 to"),
        ({"transformerDimensions": 25}, "transformerDimensions is 25, expected hidden_size, 24"),
        ({"num_hidden_layers": 100_000}, "num_hidden_layers is 100000"),
        ({"num_attention_heads": 5}, "describes no multilingual CLIP"),
        ({"hidden_sise": 24}, "unknown field 'hidden_sise'.*did you mean 'hidden_size'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"numDims": 31}, "LinearTransformation.* expected \\(31"),
    ],
)
def test_a_config_is_read_strictly(folder: Path, tmp_path: Path, change: Any, message: str) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "decoder"))
    path = copy / "text_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match=message):
        read(copy, "a red cube")


def test_both_names_of_its_kind_are_known(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "decoder"))
    path = copy / "text_encoder" / "config.json"
    config = json.loads(path.read_text())
    assert config["model_type"] == "M-CLIP"
    path.write_text(json.dumps(config | {"model_type": "xlm-roberta"}))
    assert encoder_of(decoder_parts(copy).text_encoder) is encoder_of(decoder_parts(folder).text_encoder)
    torch.testing.assert_close(
        torch.tensor(read(copy, "sand").text_embeds), torch.tensor(read(folder, "sand").text_embeds)
    )


def test_positions_that_old_files_hold_are_ignored(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "decoder"))
    file = copy / "text_encoder" / "model.safetensors"
    positions = {"transformer.embeddings.position_ids": torch.arange(514)[None]}
    save_file(load_file(file) | positions, file, metadata={"format": "pt"})
    torch.testing.assert_close(
        torch.tensor(read(copy, "sand").text_embeds), torch.tensor(read(folder, "sand").text_embeds)
    )


def test_a_tokenizer_without_padding_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "decoder"))
    path = copy / "tokenizer" / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["pad_token"]
    path.write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="no pad_token"):
        read(copy, "a red cube")
