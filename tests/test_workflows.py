"""The templates in workflows/: well-formed, explained, and each runs on tiny random checkpoints."""

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import graph
from graph.context import Environment
from graph.events import Event
from graph.files.allowed import Files
from graph.nodetypes.catalogue import installed
from graph.planning.digest import code_of, code_of_function
from graph.planning.plan import check
from graph.planning.step import Step, handles_of
from graph.running.call import call
from graph.workflow.file import Workflow, load, save
from graph.workflow.overrides import override
from nodes.miniature.judge.thumbnails import LONGEST_SIDE, templates, thumbnail
from nodes.weights.residency import residency
from tests.template_checkpoints import TEMPLATES, sources

FOLDER = Path(__file__).parents[1] / "workflows"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tiny checkpoints are made."""
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(params=sorted(TEMPLATES))
def template(request: pytest.FixtureRequest) -> str:
    """The name of each template."""
    return str(request.param)


def test_there_is_one_for_every_task() -> None:
    assert TEMPLATES.keys() == {path.stem for path in FOLDER.glob("*.json")}


def test_a_template_is_as_save_writes_it(template: str) -> None:
    path = FOLDER / f"{template}.json"
    assert save(load(path), installed()) == path.read_text()


def test_a_template_passes_every_check(template: str, root: Path) -> None:
    workflow, files = load(FOLDER / f"{template}.json"), Files(FOLDER, cwd=FOLDER)
    workflow = override(workflow, installed(), sources(template, root), files)
    assert check(workflow, installed(), Environment(files)) == []


def test_a_template_explains_itself(template: str, root: Path) -> None:
    workflow = load(FOLDER / f"{template}.json")
    assert workflow.name and workflow.description.endswith(".")
    assert {"seed", *sources(template, root)} <= workflow.inputs.keys()
    assert workflow.outputs
    for entry in workflow.inputs.values():
        assert entry.title and entry.help.endswith("."), entry.name
    assert all("position" in node["ui"] for node in workflow.data["nodes"].values())
    places = [tuple(node["ui"]["position"]) for node in workflow.data["nodes"].values()]
    assert len(set(places)) == len(places)  # nothing lies on top of another


def small(template: str, workflow: Workflow, root: Path) -> dict[str, Any]:
    """Inputs for a quick run of 48 x 32 pixels."""
    inputs: dict[str, Any] = {**sources(template, root), "denoise.steps": 3}
    inputs |= {f"{id}.steps": 3 for id, node in workflow.nodes.items() if node.type.startswith("prior")}
    sized = workflow.inputs.keys() & {"width", "height"}
    size = {"width": 48, "height": 32}
    return inputs | {name if sized else f"denoise.{name}": value for name, value in size.items()}


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Node type -> the modules whose functions its runs execute, and that its keys leave out."""
    found: dict[str, set[str]] = {}

    def watched(step: Step, *more: Any) -> Any:
        executed: set[str] = set()

        def note(frame: FrameType, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_name != "<module>":
                executed.add(str(frame.f_globals.get("__name__")))

        threading.setprofile(note)
        sys.setprofile(note)
        try:
            return call(step, *more)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            counted = set(code_of_function(step.type.function).modules)
            for handle in handles_of(step):
                counted.update(*(code_of(module).modules for module in handle.code))
            ours = {name for name in executed if name.partition(".")[0] in ("nodes", "ui")}
            assert step.type.function.__module__ in ours
            found.setdefault(step.type.id, set()).update(ours - counted)

    monkeypatch.setattr("graph.running.step_runner.call", watched)
    return found


def test_a_template_runs_and_all_of_it_is_kept(
    template: str, root: Path, tmp_path: Path, uncounted: dict[str, set[str]]
) -> None:
    events: list[Event] = []
    program = graph.load(
        FOLDER / f"{template}.json",
        output=tmp_path / "out",
        cache=tmp_path / "cache",
        listener=events.append,
    )
    inputs = small(template, program.workflow, root)
    made = program.run(**inputs)
    assert made.keys() == program.workflow.outputs.keys()
    shapes = {value.image.shape for value in made.values()}
    assert any(height % 32 == 0 and width % 48 == 0 for _, height, width, _ in shapes)
    for value in made.values():
        assert np.isfinite(value.image).all() and value.image.std() > 0.01
    assert list((tmp_path / "out").glob("*.png"))
    assert len(uncounted) >= 3
    assert not any(uncounted.values()), uncounted

    events.clear()
    residency.clear()
    again = program.run(**inputs)
    for name, value in again.items():
        np.testing.assert_array_equal(value.image, made[name].image)
    assert residency.names() == []  # no weights were opened
    ran = {event["node"] for event in events if event["event"] == "started"}
    free = ("load_prior", "load_decoder", "load_kandinsky3", "load_lora", "save_image")
    assert {program.workflow.nodes[id].type for id in ran} <= {*free}


@pytest.mark.parametrize("path", sorted((FOLDER / "thumbnails").iterdir()), ids=lambda path: path.stem)
def test_a_template_has_a_small_picture_of_what_it_makes(path: Path) -> None:
    with Image.open(path) as picture:
        assert picture.format == "WEBP"
        assert 64 <= max(picture.size) <= LONGEST_SIDE


def test_there_is_no_other_thumbnail() -> None:
    assert {path.stem for path in (FOLDER / "thumbnails").iterdir()} == {path.stem for path in templates()}


@pytest.mark.parametrize("template", ["inpainting", "controlnet_text_to_image"])
def test_a_thumbnail_is_what_its_template_makes(template: str) -> None:
    with Image.open(FOLDER / "thumbnails" / f"{template}.webp") as picture:
        kept = np.asarray(picture.convert("RGB"), np.float32)
    made = np.asarray(thumbnail(FOLDER / f"{template}.json"), np.float32)
    assert kept.shape == made.shape
    assert np.abs(kept - made).mean() < 4  # WebP loses a little


def test_another_seed_is_another_picture(root: Path, tmp_path: Path) -> None:
    program = graph.load(FOLDER / "text_to_image.json", output=tmp_path, no_cache=True)
    inputs = small("text_to_image", program.workflow, root)
    one, two = (program.run(**inputs, seed=seed)["image"].image for seed in (1, 2))
    assert np.abs(one - two).max() > 0.01


def test_only_what_is_stale_runs_again(root: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    program = graph.load(
        FOLDER / "text_to_image.json", output=tmp_path, cache=tmp_path / "cache", listener=events.append
    )
    inputs = small("text_to_image", program.workflow, root)
    program.run(**inputs)
    events.clear()
    residency.clear()
    program.run(**inputs, **{"denoise.seed": 77})
    ran = {event["node"] for event in events if event["event"] == "started"}
    assert {"denoise", "pixels", "save"} <= ran <= {"denoise", "pixels", "save", "prior_models", "decoder"}
    assert set(residency.names()) == {"unet", "movq"}


def test_without_guidance_no_image_encoder_is_opened(root: Path, tmp_path: Path) -> None:
    program = graph.load(FOLDER / "text_to_image.json", output=tmp_path, no_cache=True)
    residency.clear()
    program.run(**small("text_to_image", program.workflow, root), guidance=1.0, seed=99)
    assert "image_encoder" not in residency.names()
