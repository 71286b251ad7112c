"""A port that is computed alone equals the port that is computed with the others."""

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from graph.cache.results import Results
from graph.context import Environment, Wanted
from graph.files.allowed import Files
from graph.nodetypes.catalogue import installed
from graph.program import Program
from graph.workflow.file import from_json

LOADED: dict[str, Any] = {
    "models": {"type": "load_prior"},
    "words": {
        "type": "text_encode",
        "inputs": {"text_encoder": "models.text_encoder"},
        "params": {"text": "red"},
    },
    "away": {
        "type": "text_encode",
        "inputs": {"text_encoder": "models.text_encoder"},
        "params": {"text": "blue"},
    },
    "picture": {"type": "load_image", "params": {"path": "picture.png"}},
    "zero": {"type": "zero_embeds", "inputs": {"image_encoder": "models.image_encoder"}},
}
SAMPLED = {
    "prior": "models.prior",
    "positive": "words.text_embeds",
    "image": "zero.image_embeds",
    "image_encoder": "models.image_encoder",
}
EXAMPLES: dict[str, list[dict[str, Any]]] = {
    id: [{"inputs": inputs}, {"inputs": {**inputs, "negative": "away.text_embeds"}}]
    for id, inputs in (
        ("prior", {name: link for name, link in SAMPLED.items() if name != "image"}),
        ("prior_emb2emb", SAMPLED),
    )
}
EXAMPLES["mask"] = [{"inputs": {"image": "picture.image"}, "params": {"feather": 2}}]


def test_there_is_an_example_of_every_type_that_computes_a_port_at_a_time() -> None:
    several = {id: node_type for id, node_type in installed().items() if len(node_type.outputs) > 1}
    apart = {id for id, node_type in several.items() if Wanted in node_type.wants.values()}
    apart |= {id for id, node_type in several.items() if node_type.unused is not None}
    assert {id for id in apart if not installed()[id].makes_handles} == EXAMPLES.keys()


@pytest.mark.parametrize(
    ("id", "node"), [(id, example) for id, examples in EXAMPLES.items() for example in examples]
)
def test_a_port_alone_equals_the_port_with_others(
    id: str, node: dict[str, Any], tmp_path: Path, prior_folder: Path
) -> None:
    PIL.Image.linear_gradient("L").resize((40, 30)).save(tmp_path / "picture.png")
    node_type = installed()[id]
    params = node.get("params", {"steps": 2, "guidance": 4.0, "seed": 7})
    models = {"type": "load_prior", "params": {"source": str(prior_folder)}}
    nodes = {**LOADED, "models": models, "n": {"type": id, "inputs": node["inputs"], "params": params}}

    def made(*ports: str) -> dict[str, Any]:
        interface = {"inputs": {}, "outputs": {port: f"n.{port}" for port in ports}}
        data = {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, "interface": interface}
        workflow, environment = from_json(data, tmp_path), Environment(Files(tmp_path, [prior_folder]))
        return Program(workflow, installed(), environment, Results(), tmp_path).run()

    together = made(*node_type.outputs)
    for port in node_type.outputs:
        np.testing.assert_array_equal(made(port)[port].array, together[port].array)
