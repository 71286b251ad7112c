"""Values into safetensors files and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from graph.context import OutputFolder
from graph.problems import InvalidWorkflow
from nodes.output.save_tensors import save_tensors
from nodes.wires import Latents, TextEmbeds, Value
from tests.nodes.stages import run_nodes
from tests.nodes.values.test_batch import values


def saved(folder: Path, value: Any) -> Path:
    outputs = OutputFolder(folder)
    save_tensors(value, name="it", outputs=outputs)
    return outputs.written[0]


def load(folder: Path, path: Path, **outputs: str) -> dict[str, Any]:
    return run_nodes(
        folder, {"it": {"type": "load_tensors", "params": {"path": path.name}}}, value="it.value"
    )


@pytest.mark.parametrize("value", values(0), ids=lambda value: type(value).__name__)
def test_every_value_comes_back_as_it_was(tmp_path: Path, value: Value) -> None:
    path = saved(tmp_path, value)
    back = load(tmp_path, path)["value"]
    assert type(back) is type(value)
    tensors = load_file(path)
    for name in value.arrays:
        np.testing.assert_array_equal(getattr(back, name), getattr(value, name))
        np.testing.assert_array_equal(tensors[name], getattr(value, name))


def test_text_embeds_need_not_know_the_empty_prompt(tmp_path: Path) -> None:
    bare = TextEmbeds(np.ones((1, 4)), np.ones((1, 3, 4)), np.ones((1, 3)), "2.2")
    back = load(tmp_path, saved(tmp_path, bare))["value"]
    assert back.empty_text_embeds is None
    np.testing.assert_array_equal(back.hidden_states, bare.hidden_states)


def test_the_rest_of_a_value_is_in_the_header(tmp_path: Path) -> None:
    back = load(tmp_path, saved(tmp_path, Latents(np.zeros((1, 4, 2, 3)), 23, 15, "2.1")))["value"]
    assert (back.width, back.height, back.system) == (23, 15, "2.1")


@pytest.mark.parametrize("value", ["a text", 3, 0.5, True])
def test_plain_values_too(tmp_path: Path, value: Any) -> None:
    assert load(tmp_path, saved(tmp_path, value))["value"] == value


def test_the_type_is_known_while_planning(tmp_path: Path) -> None:
    path = saved(tmp_path, values(0)[0])
    nodes = {
        "it": {"type": "load_tensors", "params": {"path": path.name}},
        "decode": {"type": "pick", "inputs": {"value": "it.value"}},
        "mix": {"type": "interpolate", "inputs": {"embeds": ["decode.picked"]}},
    }
    with pytest.raises(InvalidWorkflow, match=r"decode\.picked is of type image"):
        run_nodes(tmp_path, nodes)


def test_handles_are_not_saved(tmp_path: Path) -> None:
    nodes = {
        "models": {"type": "load_prior", "params": {"source": "./nowhere"}},
        "save": {"type": "save_tensors", "inputs": {"value": "models.prior"}},
    }
    with pytest.raises(InvalidWorkflow, match="a handle to weights"):
        run_nodes(tmp_path, nodes)


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("hello, this is text")
    with pytest.raises(InvalidWorkflow, match=r"'other\.safetensors' is not a file of this project"):
        load(tmp_path, tmp_path / "other.safetensors")
    with pytest.raises(InvalidWorkflow, match=r"'text\.safetensors' is"):
        load(tmp_path, tmp_path / "text.safetensors")
    with pytest.raises(InvalidWorkflow, match="no file is chosen"):
        run_nodes(tmp_path, {"it": {"type": "load_tensors"}})
