"""The templates in workflows/: well-formed, explained, and each runs on tiny random checkpoints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graph
from graph.catalogue import installed
from graph.context import Environment
from graph.events import Event
from graph.files import Files
from graph.overrides import override
from graph.plan import check
from graph.workflow import Workflow, load, save
from nodes.checkpoints.residency import residency
from tests.nodes import tiny

FOLDER = Path(__file__).parents[1] / "workflows"
TEMPLATES = sorted(path.stem for path in FOLDER.glob("*.json"))
VARIANTS = {
    "inpainting": "inpaint",
    "controlnet_text_to_image": "controlnet_depth",
    "controlnet_image_to_image": "controlnet_depth",
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A prior, and a decoder of each variant."""
    root = tmp_path_factory.mktemp("checkpoints")
    made = {"prior": tiny.tiny_prior(root / "prior")}
    for variant in ("text2img", "inpaint", "controlnet_depth"):
        made[variant] = tiny.tiny_decoder(root / variant, variant, scheduler_options={"clip_sample": True})
    return made


@pytest.fixture(params=TEMPLATES)
def template(request: pytest.FixtureRequest) -> str:
    """The name of each template."""
    return str(request.param)


def test_there_is_one_for_every_task() -> None:
    assert {
        "text_to_image",
        "image_to_image",
        "inpainting",
        "controlnet_text_to_image",
        "controlnet_image_to_image",
        "emb2emb",
        "interpolation",
        "negative_prompt",
        "variations",
        "prompt_list",
        "image_variations",
        "repaint",
    } == set(TEMPLATES)


def test_a_template_is_as_save_writes_it(template: str) -> None:
    path = FOLDER / f"{template}.json"
    assert save(load(path), installed()) == path.read_text()


def test_a_template_passes_every_check(template: str, checkpoints: dict[str, Path]) -> None:
    workflow, files = load(FOLDER / f"{template}.json"), Files(FOLDER, cwd=FOLDER)
    variant = VARIANTS.get(template, "text2img")
    sources = {"prior_source": str(checkpoints["prior"]), "decoder_source": str(checkpoints[variant])}
    workflow = override(workflow, installed(), sources, files)
    assert check(workflow, installed(), Environment(files)) == []


def test_a_template_explains_itself(template: str) -> None:
    workflow = load(FOLDER / f"{template}.json")
    assert workflow.name and workflow.description.endswith(".")
    assert {"seed", "prior_source", "decoder_source"} <= workflow.inputs.keys()
    assert workflow.outputs
    for entry in workflow.inputs.values():
        assert entry.title and entry.help.endswith("."), entry.name
    assert all("position" in node["ui"] for node in workflow.data["nodes"].values())
    places = [tuple(node["ui"]["position"]) for node in workflow.data["nodes"].values()]
    assert len(set(places)) == len(places)  # nothing lies on top of another


def small(workflow: Workflow, checkpoints: dict[str, Path], variant: str) -> dict[str, Any]:
    """Inputs for a quick run of 48 x 32 pixels."""
    denoiser = "denoise"
    inputs: dict[str, Any] = {
        "prior_source": str(checkpoints["prior"]),
        "decoder_source": str(checkpoints[variant]),
        f"{denoiser}.steps": 3,
    }
    inputs |= {f"{id}.steps": 3 for id, node in workflow.nodes.items() if node.type.startswith("prior")}
    sized = workflow.inputs.keys() & {"width", "height"}
    size = {"width": 48, "height": 32}
    return inputs | {name if sized else f"{denoiser}.{name}": value for name, value in size.items()}


def test_a_template_runs_and_all_of_it_is_kept(
    template: str, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    events: list[Event] = []
    program = graph.load(
        FOLDER / f"{template}.json",
        output=tmp_path / "out",
        cache=tmp_path / "cache",
        listener=events.append,
    )
    inputs = small(program.workflow, checkpoints, VARIANTS.get(template, "text2img"))
    made = program.run(**inputs)
    assert made.keys() == program.workflow.outputs.keys()
    shapes = {value.image.shape for value in made.values()}
    assert any(height % 32 == 0 and width % 48 == 0 for _, height, width, _ in shapes)
    for value in made.values():
        assert np.isfinite(value.image).all() and value.image.std() > 0.01
    assert list((tmp_path / "out").glob("*.png"))

    events.clear()
    residency.clear()
    again = program.run(**inputs)
    for name, value in again.items():
        np.testing.assert_array_equal(value.image, made[name].image)
    assert residency.names() == []  # no weights were opened
    ran = {event["node"] for event in events if event["event"] == "started"}
    assert ran <= {"prior_models", "decoder", "save"}


def test_another_seed_is_another_picture(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    program = graph.load(FOLDER / "text_to_image.json", output=tmp_path, no_cache=True)
    inputs = small(program.workflow, checkpoints, "text2img")
    one, two = (program.run(**inputs, seed=seed)["image"].image for seed in (1, 2))
    assert np.abs(one - two).max() > 0.01


def test_only_what_is_stale_runs_again(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    events: list[Event] = []
    program = graph.load(
        FOLDER / "text_to_image.json", output=tmp_path, cache=tmp_path / "cache", listener=events.append
    )
    inputs = small(program.workflow, checkpoints, "text2img")
    program.run(**inputs)
    events.clear()
    residency.clear()
    program.run(**inputs, **{"denoise.seed": 77})
    ran = {event["node"] for event in events if event["event"] == "started"}
    assert {"denoise", "pixels", "save"} <= ran <= {"denoise", "pixels", "save", "prior_models", "decoder"}
    assert set(residency.names()) == {"unet", "movq"}


def test_without_guidance_no_image_encoder_is_opened(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    program = graph.load(FOLDER / "text_to_image.json", output=tmp_path, no_cache=True)
    residency.clear()
    program.run(**small(program.workflow, checkpoints, "text2img"), guidance=1.0, seed=99)
    assert "image_encoder" not in residency.names()
