"""Files of strangers: JSON and safetensors headers are read whole, or refused in one clear sentence."""

import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from nodes.files.find_weights import find_weights
from nodes.files.reading import MOST_CONFIG_BYTES, CheckpointError, read_header, read_json


def write(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(content) if length is None else length) + content + data)
    return path


def entry(shape: list, offsets: list, dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_a_header_tells_names_shapes_and_dtypes(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros((), np.float16)}, path, {"format": "pt"})
    stored = read_header(path)
    assert {name: (s.dtype, s.shape) for name, s in stored.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("F16", ()),
    }


@pytest.mark.parametrize("keep", [0, 4, 8, 20, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": np.zeros(100, np.float32)}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"cut off|not a safetensors file"):
        read_header(path)


def test_pickles_are_refused_by_content_and_by_name(tmp_path: Path) -> None:
    disguised = tmp_path / "diffusion_pytorch_model.safetensors"
    for content in (pickle.dumps({"a": 1}), None):
        if content is None:
            torch.save({"a": torch.zeros(3)}, disguised)
        else:
            disguised.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"weights must be safetensors: .* is a pickle"):
            read_header(disguised)
    disguised.rename(tmp_path / "diffusion_pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"weights must be safetensors: .*diffusion_pytorch_model\.bin"):
        find_weights(tmp_path, "float32")


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        ({"a": entry([2], [0, 8])}, b"12345678x", "data that no tensor owns"),
        ({"a": entry([2], [0, 4])}, b"1234", "which its shape"),
        ({"a": entry([1], [4, 8])}, b"12345678", "starts at 4, not at 0"),
        ({"a": entry([1], [0, 4]), "b": entry([1], [0, 4])}, b"1234", "starts at 0, not at 4"),
        ({"a": entry([1], [0, 4], "PICKLE")}, b"1234", "unknown dtype 'PICKLE'"),
        ({"a": entry([-1], [0, -4])}, b"", "no proper shape"),
        ({"a": entry([True], [0, 4])}, b"1234", "no proper shape"),
        ({"a": {"dtype": "F32"}}, b"", "broken safetensors header"),
        ({"a": 3}, b"", "broken safetensors header"),
        ([1, 2], b"", "broken safetensors header"),
        (b"{" * 90_000, b"", "broken safetensors header"),
        (b"\xff\xfe{}", b"", "broken safetensors header"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: object, data: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_header(write(tmp_path / "a.safetensors", header, data))


def test_an_absurd_header_length_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for length in (2**63, 101 << 20, 0):
        with pytest.raises(CheckpointError, match="not a safetensors file"):
            read_header(write(tmp_path / "a.safetensors", b"{}", length=length))


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200))
def test_noise_never_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_header(path)
    path.write_bytes(struct.pack("<Q", len(content)) + content)
    try:
        assert all(stored.shape is not None for stored in read_header(path).values())
    except CheckpointError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"[1]", "must hold a JSON object, got a list"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff\xff", "not valid JSON"),
        (b" " * (MOST_CONFIG_BYTES + 1), "larger than 1 MB"),
    ],
)
def test_json_that_is_none_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_json(path)


def test_missing_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        read_json(tmp_path / "config.json")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_json(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (read_json, read_header):
        with pytest.raises(CheckpointError, match="not a regular file"):
            read(tmp_path / "pipe")


def test_read_json_is_read_only(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": 1}')
    with pytest.raises(TypeError):
        read_json(tmp_path / "a.json")["a"] = 2  # type: ignore[index]


class TestFindWeights:
    def test_the_precision_that_suits_is_preferred(self, tmp_path: Path) -> None:
        whole, half = tmp_path / "model.safetensors", tmp_path / "model.fp16.safetensors"
        half.touch()
        assert find_weights(tmp_path, "float32") == (half,)
        whole.touch()
        assert find_weights(tmp_path, "float32") == find_weights(tmp_path, "bfloat16") == (whole,)
        assert find_weights(tmp_path, "float16") == (half,)

    @pytest.mark.parametrize("half", ["", ".fp16"])
    def test_shards_come_from_the_index(self, tmp_path: Path, half: str) -> None:
        names = [f"model{half}-0000{i}-of-00002.safetensors" for i in (1, 2)]
        index = {"weight_map": {"a": names[1], "b": names[0], "c": names[0]}}
        (tmp_path / f"model.safetensors.index{half}.json").write_text(json.dumps(index))
        (tmp_path / names[0]).touch()
        with pytest.raises(CheckpointError, match=f"lacks 1 of 2 shards: {names[1]}"):
            find_weights(tmp_path, "float16")
        (tmp_path / names[1]).touch()
        assert [path.name for path in find_weights(tmp_path, "float16")] == names

    @pytest.mark.parametrize(
        "name", ["../x.safetensors", "/etc/x.safetensors", "x.bin", "a\\b.safetensors", 3]
    )
    def test_an_index_cannot_lead_elsewhere(self, tmp_path: Path, name: object) -> None:
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
        with pytest.raises(CheckpointError, match="expected the name of a safetensors file"):
            find_weights(tmp_path, "float32")

    def test_nothing_there_is_an_error_that_says_what_is(self, tmp_path: Path) -> None:
        (tmp_path / "other.safetensors").touch()
        with pytest.raises(CheckpointError, match=r"no weights: expected .*; it holds other\.safetensors"):
            find_weights(tmp_path, "float32")
        (tmp_path / "model.safetensors.index.json").write_text("{}")
        with pytest.raises(CheckpointError, match="no weight_map"):
            find_weights(tmp_path, "float32")
