"""Pictures into files and out of them."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import nodes as all_nodes
from graph.context import Environment
from graph.events import Event
from graph.files.allowed import Files
from graph.nodetypes.catalogue import Catalogue, node_types_of
from graph.nodetypes.catalogue_json import describe_param
from graph.planning.plan import plan
from graph.planning.record import prompts_and_numbers
from graph.problems import InvalidWorkflow
from graph.program import RunFailed
from graph.workflow import json_text
from graph.workflow.embedded import extract
from graph.workflow.file import from_json, load
from graph.workflow.literals import WrongLiteral, parse
from graph.workflow.schema import schema
from tests.nodes.stages import run_nodes, smooth_picture


def picture_file(folder: Path, name: str = "picture.png", size: tuple[int, int] = (12, 20)) -> Any:
    picture = (smooth_picture(*size)[0] * 255).round().astype(np.uint8)
    Pillow.fromarray(picture).save(folder / name)
    return picture


def save(folder: Path, count: int = 1, **params: Any) -> list[Path]:
    """Load a picture and save it, `count` times as one batch; the files that were written."""
    nodes = {
        "picture": {"type": "load_image", "params": {"path": "picture.png"}},
        "many": {"type": "batch", "inputs": {"values": ["picture.image"] * count}},
        "save": {"type": "save_image", "inputs": {"image": "many.batch"}, "params": params},
    }
    before = set(folder.rglob("*"))
    run_nodes(folder, nodes)
    return sorted(path for path in set(folder.rglob("*")) - before if path.is_file())


@pytest.mark.parametrize("format", ["png", "webp"])
def test_pixels_come_back_as_they_were(tmp_path: Path, format: str) -> None:
    picture = picture_file(tmp_path)
    (path,) = save(tmp_path, format=format)
    assert path == tmp_path / "out" / f"image.{format}"
    np.testing.assert_array_equal(np.asarray(Pillow.open(path).convert("RGB")), picture)


def test_jpeg_stays_close(tmp_path: Path) -> None:
    picture = picture_file(tmp_path)
    (path,) = save(tmp_path, format="jpeg", name="deep/in/here")
    assert path == tmp_path / "out" / "deep" / "in" / "here.jpeg"
    assert np.abs(np.asarray(Pillow.open(path), int) - picture).mean() < 4


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_a_picture_carries_its_workflow(tmp_path: Path, format: str) -> None:
    picture_file(tmp_path)
    (path,) = save(tmp_path, format=format)
    workflow = load(path)
    assert workflow.nodes["save"].params["format"] == format
    assert workflow.nodes["save"].params["metadata"] is True  # a default that was used
    text = extract(path.read_bytes())
    assert text is not None and json_text.read(text) == workflow.data


def test_a_picture_need_not_carry_it(tmp_path: Path) -> None:
    picture_file(tmp_path)
    (path,) = save(tmp_path, metadata=False)
    assert extract(path.read_bytes()) is None


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_a_picture_may_carry_prompts_and_numbers_alone(tmp_path: Path, format: str) -> None:
    picture_file(tmp_path)
    nodes = {
        "picture": {"type": "load_image", "params": {"path": "picture.png"}},
        "columns": {"type": "integer", "params": {"value": 7}},
        "all": {"type": "grid", "inputs": {"images": ["picture.image"], "columns": "columns.value"}},
        "other": {"type": "resize", "inputs": {"image": "picture.image"}, "params": {"width": 8}},
        "save": {
            "type": "save_image",
            "inputs": {"image": "all.image"},
            "params": {"metadata": "prompt", "format": format},
        },
    }
    run_nodes(tmp_path, nodes)
    content = (tmp_path / "out" / f"image.{format}").read_bytes()
    assert extract(content) is None
    assert b'"all.columns": 7' in content.replace(b"&quot;", b'"')
    assert not any(word in content for word in (b"picture.png", b"load_image", b"kandinsky-workflow"))


def test_prompts_and_numbers_are_those_of_what_was_saved() -> None:
    nodes = {
        "size": {"type": "integer", "params": {"value": 9}},
        "picture": {"type": "load_image", "params": {"path": f"sha256:{'0' * 64}"}, "mode": "muted"},
        "words": {"type": "text", "params": {"value": "a cone"}},
        "text": {
            "type": "text_encode",
            "inputs": {"text_encoder": "models.text_encoder", "text": "words.value"},
        },
        "models": {"type": "load_prior"},
        "prior": {
            "type": "prior",
            "inputs": {"prior": "models.prior", "positive": "text.text_embeds"},
            "params": {"seed": 5, "steps": 3},
        },
        "aside": {"type": "prior", "inputs": {"prior": "models.prior", "positive": "text.text_embeds"}},
        "save": {"type": "save_tensors", "inputs": {"value": "prior.image_embeds"}},
    }
    data = {"format": "kandinsky-workflow", "version": 1, "nodes": nodes}
    made = plan(from_json(data), Catalogue(node_types_of(all_nodes)), Environment(Files(None)))
    kept = prompts_and_numbers(made, "save")
    assert kept["text.text"] == "a cone" and kept["prior.seed"] == 5 and kept["prior.steps"] == 3
    assert all(type(value) in (int, float) for name, value in kept.items() if name != "text.text")
    assert {name.partition(".")[0] for name in kept} == {"text", "prior"}


@pytest.mark.parametrize("written", ["promt", 1, "true", None])
def test_metadata_is_one_of_three_values(tmp_path: Path, written: Any) -> None:
    picture_file(tmp_path)
    with pytest.raises(InvalidWorkflow, match="expected one of true, 'prompt', false") as invalid:
        save(tmp_path, metadata=written)
    assert ("did you mean 'prompt'" in str(invalid.value)) is (written == "promt")


def test_metadata_can_be_set_as_text() -> None:
    from nodes.output.save_image import save_image

    param = save_image.node_type.params["metadata"]  # type: ignore[attr-defined]
    texts = {"prompt": "prompt", "true": True, "False": False}
    assert {text: parse(param, text) for text in texts} == texts
    with pytest.raises(WrongLiteral):
        parse(param, "maybe")
    schema_of = schema({"save_image": save_image.node_type})["$defs"]  # type: ignore[attr-defined]
    assert schema_of["type:save_image"]["properties"]["params"]["properties"]["metadata"]["enum"] == [
        True,
        "prompt",
        False,
    ]
    described = describe_param(param)
    assert described["choices"] == [True, "prompt", False] and len(described["labels"]) == 3


def test_nothing_is_overwritten_and_batches_are_numbered(tmp_path: Path) -> None:
    picture_file(tmp_path)
    assert [path.name for path in save(tmp_path)] == ["image.png"]
    assert [path.name for path in save(tmp_path)] == ["image-2.png"]
    assert [path.name for path in save(tmp_path, 3, name="many")] == [
        "many-1.png",
        "many-2.png",
        "many-3.png",
    ]


@pytest.mark.parametrize("name", ["../up", "/abs", "", "a/../b"])
def test_files_stay_in_the_output_folder(tmp_path: Path, name: str) -> None:
    picture_file(tmp_path)
    with pytest.raises(RunFailed, match="name"):
        save(tmp_path, name=name)


def test_load_image_gives_what_is_transparent_as_a_mask(tmp_path: Path) -> None:
    pixels = np.full((4, 6, 4), 255, np.uint8)
    pixels[:, 3:] = (255, 0, 0, 0)
    Pillow.fromarray(pixels).save(tmp_path / "cut.png")
    picture_file(tmp_path)
    nodes = {
        "cut": {"type": "load_image", "params": {"path": "cut.png"}},
        "whole": {"type": "load_image", "params": {"path": "picture.png"}},
    }
    made = run_nodes(tmp_path, nodes, image="cut.image", mask="cut.mask", opaque="whole.mask")
    np.testing.assert_array_equal(made["mask"].mask[0, 0], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(made["image"].image, np.ones((1, 4, 6, 3)))
    assert made["opaque"].mask.sum() == 0


def test_load_image_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(RunFailed, match=r"text\.png: the picture is not a picture in one of the formats"):
        run_nodes(tmp_path, {"it": {"type": "load_image", "params": {"path": "text.png"}}})
    with pytest.raises(InvalidWorkflow, match="no picture is chosen"):
        run_nodes(tmp_path, {"it": {"type": "load_image"}})
    with pytest.raises(InvalidWorkflow, match="does not exist"):
        run_nodes(tmp_path, {"it": {"type": "load_image", "params": {"path": "tixt.png"}}})


def test_preview_shows_small_pictures_and_saves_nothing(tmp_path: Path) -> None:
    picture_file(tmp_path, size=(600, 1200))
    events: list[Event] = []
    nodes = {
        "picture": {"type": "load_image", "params": {"path": "picture.png"}},
        "many": {"type": "batch", "inputs": {"values": ["picture.image"] * 20}},
        "look": {"type": "preview", "inputs": {"image": "many.batch"}},
    }
    from nodes.output.preview import preview
    from nodes.wires import Image
    from tests.nodes.stages import Recorder

    run_nodes(tmp_path, nodes, events.append)
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
    recorder = Recorder()
    preview(Image(smooth_picture(600, 1200, rows=20)), progress=recorder)
    assert len(recorder.thumbnails) == 16
    shown = Pillow.open(BytesIO(recorder.thumbnails[0]))
    assert (shown.format, shown.size) == ("JPEG", (512, 256))
