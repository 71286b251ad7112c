"""Workflows as endpoints: `gradio_client` and curl get what the canvas and the command line get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image as Pillow

import graph.program
from graph.cache.memory_tier import MemoryCache
from graph.cache.results import MEMORY_LIMIT
from graph.nodetypes.catalogue import installed
from tests.ui.browser import Browser
from tests.ui.serving import places, served, toys_and_pictures
from ui.command.main import main
from ui.server.accounts import Accounts
from ui.studio.studio import Studio
from ui.studio.templates import FOLDER, templates

Json = dict[str, Any]

SMALL = {"steps": 2, "width": 64, "height": 64}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    made = Studio(installed(), places(tmp_path_factory.mktemp("api")))
    made.places.workflows.mkdir()
    (made.places.workflows / "My 2 cubes.json").write_text(json.dumps(scalar_workflow()))
    return made


@pytest.fixture(scope="module")
def url(studio: Studio) -> Iterator[str]:
    with served(studio) as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("got")))


def scalar_workflow() -> Json:
    """A saved workflow whose interface has odd names, and gives back a number and a picture nobody saves."""
    nodes = {
        "load": {"type": "load_image", "params": {"path": "scene.png"}},
        "sized": {"type": "resize", "inputs": {"image": "load.image"}, "params": {"width": 8, "height": 8}},
        "dice": {"type": "seed", "params": {"value": 3}},
    }
    interface = {
        "inputs": {
            "the picture": "load.path",
            "class": "sized.width",
            "fit": "sized.fit",
            "dice": "dice.value",
        },
        "outputs": {"small": "sized.image", "dice": "dice.value"},
    }
    return {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, "interface": interface}


def pixels(path: str | Path) -> np.ndarray[Any, Any]:
    return np.array(Pillow.open(path))


def test_every_template_and_saved_workflow_is_an_endpoint(client: Client) -> None:
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert {f"/{template.id}" for template in templates()} <= set(named)
    assert {"/my_2_cubes", "/run_workflow"} <= set(named)
    assert not any("apply" in name or "choose" in name for name in named)
    asked = {item["parameter_name"]: item for item in named["/text_to_image"]["parameters"]}
    assert list(asked)[:3] == ["prompt", "seed", "width"]
    assert asked["seed"]["parameter_default"] == 7
    assert asked["seed"]["type"] == {"type": "integer"}
    assert asked["width"]["parameter_default"] is None
    shape = {item["parameter_name"]: item for item in named["/inpainting"]["parameters"]}["shape"]
    assert shape["type"]["enum"][0] == "painted"
    assert "What the picture shows." in named["/text_to_image"]["description"]
    assert all("--allow-origin" in named[path]["description"] for path in ("/text_to_image", "/run_workflow"))


def test_the_same_pixels_from_canvas_api_and_command_line(
    client: Client,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {**SMALL, "seed": 11, "prompt": "a blue ball"}
    from_api = pixels(client.predict(**given, api_name="/text_to_image"))

    monkeypatch.setattr(graph.program, "_memory", MemoryCache(MEMORY_LIMIT))
    sets = [f"--set={name}={value}" for name, value in given.items()]
    file = str(FOLDER / "text_to_image.json")
    assert main(["run", file, *sets, "--no-cache", "--output", str(tmp_path / "cli")]) == 0
    capsys.readouterr()
    from_cli = pixels(tmp_path / "cli" / "image.png")

    workflow = json.loads(Path(file).read_text())
    workflow["nodes"]["prompt"]["params"]["text"] = given["prompt"]
    workflow["nodes"]["prior"]["params"] |= {"seed": given["seed"]}
    workflow["nodes"]["denoise"]["params"] |= {"seed": given["seed"], **SMALL}
    browser = Browser(url).enter()
    events = browser.run(workflow, base="template")
    (saved,) = [event for event in events if event["event"] == "finished" and event["node"] == "save"]
    (tmp_path / "canvas.png").write_bytes(browser.http.get(saved["outputs"]["image"]["urls"][0]).content)
    from_canvas = pixels(tmp_path / "canvas.png")

    assert from_cli.std() > 1
    np.testing.assert_array_equal(from_api, from_cli)
    np.testing.assert_array_equal(from_canvas, from_cli)


def test_files_go_in_and_pictures_and_numbers_come_out(client: Client, tmp_path: Path) -> None:
    Pillow.new("RGB", (32, 16), (200, 30, 10)).save(tmp_path / "mine.png")
    mine = handle_file(tmp_path / "mine.png")
    small, dice = client.predict(mine, 4, "stretch", api_name="/my_2_cubes")
    assert pixels(small).shape == (8, 4, 3)
    assert pixels(small)[0, 0].tolist() == [200, 30, 10]
    assert dice == 3


def test_what_is_left_out_is_as_the_workflow_has_it(client: Client) -> None:
    small, dice = client.predict(api_name="/my_2_cubes", dice=12)
    assert pixels(small).shape == (8, 8, 3)
    assert dice == 12


def test_any_workflow_by_name_or_as_text(client: Client) -> None:
    back = client.predict("My 2 cubes", '{"class": 5}', api_name="/run_workflow")
    assert pixels(back["small"]).shape == (8, 5, 3)
    back = client.predict(json.dumps(scalar_workflow()), '{"dice": 9}', api_name="/run_workflow")
    assert back["dice"] == 9
    back = client.predict("image_variations", json.dumps({**SMALL, "count": 2}), api_name="/run_workflow")
    assert [pixels(path).shape for path in back["images"]] == [(64, 64, 3)] * 2


@pytest.mark.parametrize(
    ("endpoint", "given", "message"),
    [
        ("/text_to_image", {"steps": 5000}, "denoise.steps: 5000 is out of range"),
        ("/text_to_image", {"prompt": 3}, "expected a text"),
        ("/image_to_image", {"picture": "/etc/passwd"}, "upload it"),
        ("/image_to_image", {"picture": {"path": "/etc/passwd"}}, "not a file that you uploaded"),
        ("/text_to_image", {"prior_source": "/etc"}, "prior_models"),
        ("/run_workflow", {"workflow": "nothing"}, "no saved workflow called 'nothing'"),
        ("/run_workflow", {"workflow": "{"}, "not JSON"),
        ("/run_workflow", {"workflow": "{}"}, "not a workflow"),
        ("/run_workflow", {"workflow": "text_to_image", "inputs": '{"pompt": ""}'}, "did you mean 'prompt'"),
        ("/run_workflow", {"workflow": "text_to_image", "inputs": "[]"}, "JSON object"),
    ],
)
def test_wrong_calls_are_refused_in_a_sentence(
    client: Client, endpoint: str, given: Json, message: str
) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(**given, api_name=endpoint)


def test_curl_can_call(url: str) -> None:
    nobody = Browser(url).http
    started = nobody.post("/gradio_api/call/v2/my_2_cubes", json={"dice": 5}).json()
    stream = nobody.get(f"/gradio_api/call/my_2_cubes/{started['event_id']}").text
    assert "event: complete" in stream
    small, dice = json.loads(stream.partition("data: ")[2])
    assert dice == 5
    picture = nobody.get(f"/gradio_api/file={small['path']}")
    assert picture.headers["content-type"] == "image/png"


def test_with_a_login(studio: Studio, tmp_path: Path) -> None:
    with served(studio, Accounts({"anna": "eins", "bert": "zwei"})) as url:
        with pytest.raises(Exception, match=r"401|[Aa]uth|credentials|login"):
            Client(url, verbose=False)
        with pytest.raises(Exception, match=r"400|[Aa]uth|credentials|login"):
            Client(url, auth=("anna", "zwei"), verbose=False)
        anna = Client(url, auth=("anna", "eins"), verbose=False, download_files=str(tmp_path / "a"))
        small, dice = anna.predict(api_name="/my_2_cubes", dice=1)
        assert (pixels(small).shape, dice) == ((8, 8, 3), 1)
        assert list((studio.places.output / "anna").glob("*.png"))
        bert = Client(url, auth=("bert", "zwei"), verbose=False, download_files=False)
        theirs, _ = bert.predict(api_name="/my_2_cubes", dice=2)
        assert bert.cookies is not None
        for name, status in (("anna", 404), ("bert", 200)):
            browser = Browser(url)
            browser.login(name, {"anna": "eins", "bert": "zwei"}[name])
            assert browser.http.get(f"/gradio_api/file={theirs['path']}").status_code == status


def test_a_param_of_words_and_switches_is_called_with_either(tmp_path: Path) -> None:
    nodes = {
        "load": {"type": "load_image", "params": {"path": "scene.png"}},
        "save": {"type": "save_image", "inputs": {"image": "load.image"}},
    }
    interface = {"inputs": {"carry": "save.metadata"}, "outputs": {"image": "save.image"}}
    data = {"format": "kandinsky-workflow", "version": 1, "nodes": nodes, "interface": interface}
    studio = Studio(toys_and_pictures(), places(tmp_path))
    studio.places.workflows.mkdir()
    (studio.places.workflows / "Carry.json").write_text(json.dumps(data))
    with served(studio) as url:
        client = Client(url, verbose=False)
        carried = [
            Path(client.predict(value, api_name="/carry")).read_bytes() for value in (True, "prompt", False)
        ]
    assert [b"kandinsky-workflow" in content for content in carried] == [True, False, False]
    assert [b"kandinsky-prompt" in content for content in carried] == [False, True, False]
