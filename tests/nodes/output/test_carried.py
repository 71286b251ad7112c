"""What saved pictures carry: no paths, and what is needed to find the files again."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import nodes
from graph.context import Environment
from graph.files.allowed import Files
from graph.nodetypes.catalogue import Catalogue, node_types_of
from graph.planning.plan import plan
from graph.planning.record import record
from graph.program import assemble
from graph.workflow.embedded import extract
from graph.workflow.file import from_json, loads
from ui.studio.portable import with_pictures

Json = dict[str, Any]

SAVE = {"type": "save_image", "inputs": {"image": "load.image"}}
CATALOGUE = Catalogue(node_types_of(nodes))


def workflow(found: Json, **more: Any) -> Json:
    return {"format": "kandinsky-workflow", "version": 1, "nodes": found, **more}


def picture(path: Path, tag: int = 1, **more: Any) -> str:
    """Write a picture; its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(np.full((4, 6, 3), tag, np.uint8)).save(path, **more)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Anna's folder, which is the current one, with models/ and pictures."""
    folder = tmp_path / "home" / "anna"
    (folder / "work").mkdir(parents=True)
    monkeypatch.chdir(folder / "work")
    monkeypatch.setenv("KANDINSKY_MODELS", str(folder / "models"))
    return folder


def files(home: Path, *allow: Path, **more: Any) -> Files:
    return Files(home / "work", allow, **more)


def recorded(data: Json, reads: Files) -> Json:
    """What a picture would carry of a run."""
    made = plan(from_json(data), CATALOGUE, Environment(reads))
    kept = record(made, reads)
    again = json.loads(json.dumps(kept))
    assert kept == again
    return kept


def check_nothing_is_told(carried: Json | str, home: Path) -> None:
    text = carried if isinstance(carried, str) else json.dumps(carried)
    for private in (str(home), "anna", "home", os.sep + "work"):
        assert private not in text, private


def test_paths_are_named_by_content_and_keep_their_keys(home: Path) -> None:
    sha256 = picture(home / "pictures" / "photo.png")
    path = str(home / "pictures" / "photo.png")
    reads = files(home, home / "pictures")
    data = workflow({"load": {"type": "load_image", "params": {"path": path}, "ui": {"x": 1}}, "save": SAVE})
    kept = recorded(data, reads)
    check_nothing_is_told(kept, home)
    assert kept["nodes"]["load"]["params"] == {"path": f"sha256:{sha256}"}
    assert kept["nodes"]["load"]["ui"] == {"x": 1, "files": {f"sha256:{sha256}": "photo.png"}}
    assets = {sha256: base64.b64encode(Path(path).read_bytes()).decode()}
    again = plan(from_json(kept), CATALOGUE, Environment(files(home, assets=assets)))
    first = plan(from_json(data), CATALOGUE, Environment(reads))
    assert again.steps["load"].keys == first.steps["load"].keys


def test_every_place_where_a_path_can_stand_is_rewritten(home: Path) -> None:
    """In constants, through others and bypassed nodes; unused beside a link; in muted nodes; in masks."""
    sha256 = picture(home / "pictures" / "photo.png")
    path, gone = str(home / "pictures" / "photo.png"), str(home / "pictures" / "gone.png")
    data = workflow(
        {
            "first": {"type": "text", "params": {"value": path}},
            "second": {"type": "text", "inputs": {"value": "first.value"}, "params": {"value": gone}},
            "by": {"type": "pick", "mode": "bypassed", "inputs": {"value": "second.value"}},
            "load": {"type": "load_image", "inputs": {"path": "by.picked"}, "params": {"path": gone}},
            "muted": {"type": "load_image", "mode": "muted", "params": {"path": path}},
            "lost": {"type": "load_image", "mode": "muted", "params": {"path": gone}},
            "mask": {"type": "mask", "inputs": {"image": "load.image"}, "params": {"painted": path}},
            "save": SAVE,
        }
    )
    kept = recorded(data, files(home, home / "pictures"))
    check_nothing_is_told(kept, home)
    ref = f"sha256:{sha256}"
    params = {id: node.get("params", {}) for id, node in kept["nodes"].items()}
    assert params["first"] == {"value": ref}
    assert params["second"] == {"value": ""}
    assert params["load"] == {"path": ""}
    assert params["muted"] == {"path": ref}
    assert params["lost"] == {"path": ""}
    assert params["mask"]["painted"] == ref
    names = from_json(kept).file_names
    assert names == {ref: "photo.png"}


def test_a_text_that_is_linked_to_prompts_alone_stays(home: Path) -> None:
    data = workflow({"text": {"type": "text", "params": {"value": "/a/b"}}})
    assert recorded(data, files(home))["nodes"] == data["nodes"]


@pytest.mark.parametrize(
    ("source", "carried"),
    [
        ("miniature", "miniature"),
        ("owner/name", "owner/name"),
        ("{home}/models/tuned/prior", "tuned/prior"),
        ("{home}/elsewhere/best", "best"),
        ("./here", "here"),
        ("../work/here/", "here"),
        ("{home}/gone/lost", "lost"),
        ("./", "work"),
    ],
)
def test_sources_are_written_as_the_models_folder_has_them(home: Path, source: str, carried: str) -> None:
    for folder in ("models/tuned/prior", "elsewhere/best", "work/here"):
        (home / folder).mkdir(parents=True)
    node = {"type": "load_prior", "mode": "muted", "params": {"source": source.format(home=home)}}
    kept = recorded(workflow({"prior": node}), files(home, home / "elsewhere"))
    assert kept["nodes"]["prior"]["params"]["source"] == carried


def test_a_source_that_is_not_here_says_what_to_set(home: Path) -> None:
    data = workflow({"decoder": {"type": "load_decoder", "params": {"source": "tuned"}}})
    with pytest.raises(ValueError, match=r"source 'tuned' is not .*; --set decoder\.source=\.\.\. names"):
        plan(from_json(data), CATALOGUE, Environment(files(home)))


# On the command line


def run(path: Path, index: Path, *, allow: tuple[Path, ...] = (), **given: Any) -> Path:
    """Run a workflow file or picture; the picture that it saved."""
    started = assemble(
        loads(path.read_bytes(), path.parent),
        CATALOGUE,
        output=Path("outputs"),
        cache=index,
        allow=list(allow),
    ).start(given)
    return started.execute().files["save"][0].absolute()


def test_a_picture_runs_again_where_its_files_are_known(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graph.files.fingerprints.SETTLED_NS", 0)
    sha256 = picture(home / "pictures" / "photo.png")
    (home / "work" / "flow.json").write_text(
        json.dumps(workflow({"load": {"type": "load_image"}, "save": SAVE}))
    )
    cache, path = home / "cache", home / "pictures" / "photo.png"
    made = run(home / "work" / "flow.json", cache, **{"load.path": str(path)})
    check_nothing_is_told(extract(made.read_bytes()) or "", home)
    # The path was set, so that one file could be read: its folder cannot.
    message = rf"'photo\.png' \(sha256:{sha256}\) is neither .*; --set load\.path=FILE supplies it"
    with pytest.raises(ValueError, match=message):
        run(made, cache)
    again = run(made, cache, allow=(home / "pictures",))
    assert extract(again.read_bytes()) == extract(made.read_bytes())
    assert not (home / "work" / "inputs").exists()  # nothing is copied here
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match=message):
        run(made, cache, allow=(home / "pictures",))


def test_what_lies_in_inputs_is_found_by_content_whatever_its_name(home: Path) -> None:
    sha256 = picture(home / "work" / "inputs" / "holiday.png")
    (home / "work" / "inputs" / "folder").mkdir()
    assert Files(None).file(f"sha256:{sha256}").name == "holiday.png"


def test_what_lies_beside_the_workflow_under_its_old_name_is_found(home: Path) -> None:
    sha256 = picture(home / "work" / "photo.png")
    ref = f"sha256:{sha256}"
    for name, there in (("photo.png", True), ("other.png", False), ("../work/photo.png", True), ("", False)):
        (home / "work" / "other.png").write_bytes(b"another")
        reads = Files(home / "work", names={ref: name})
        if there:
            assert reads.file(ref).read() == (home / "work" / "photo.png").read_bytes()
        else:
            with pytest.raises(ValueError, match="neither in"):
                reads.file(ref)


def test_assets_lose_their_metadata_and_links_follow(home: Path) -> None:
    sha256 = picture(home / "photo.jpg", exif=_exif())
    content = (home / "photo.jpg").read_bytes()
    ref = f"sha256:{sha256}"
    data = workflow(
        {"load": {"type": "load_image", "params": {"path": ref}}, "save": SAVE},
        assets={sha256: base64.b64encode(content).decode()},
    )
    (home / "work" / "flow.json").write_text(json.dumps(data))
    carried = loads(run(home / "work" / "flow.json", home / "cache").read_bytes())
    ((name, text),) = carried.assets.items()
    cut = base64.b64decode(text)
    assert b"Anna" in content and b"Anna" not in cut
    assert name == hashlib.sha256(cut).hexdigest() != sha256
    assert carried.nodes["load"].params["path"] == f"sha256:{name}"


def test_a_file_with_its_pictures_has_them_without_metadata(home: Path) -> None:
    picture(home / "work" / "photo.jpg", exif=_exif())
    data = workflow({"load": {"type": "load_image", "params": {"path": "photo.jpg"}}, "save": SAVE})
    carried = with_pictures(from_json(data), CATALOGUE, files(home))
    ((name, text),) = carried.assets.items()
    cut = base64.b64decode(text)
    assert b"Anna" not in cut
    with Pillow.open(BytesIO(cut)) as opened:
        assert dict(opened.getexif()) == {0x0112: 3}
    assert (
        carried.nodes["load"].params["path"]
        == f"sha256:{name}"
        == f"sha256:{hashlib.sha256(cut).hexdigest()}"
    )
    assert carried.file_names == {f"sha256:{name}": "photo.jpg"}
    again = with_pictures(carried, CATALOGUE, Files(None, assets=carried.assets))
    assert again.data == carried.data


def test_too_many_bytes_are_refused_before_they_are_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.studio.portable.LARGEST", 300)
    nodes_: Json = {}
    for number in range(3):
        picture(home / "work" / f"{number}.bmp", number)
        nodes_[f"load{number}"] = {"type": "load_image", "params": {"path": f"{number}.bmp"}}
    with pytest.raises(ValueError, match="too large to be carried"):
        with_pictures(from_json(workflow(nodes_)), CATALOGUE, files(home))
    del nodes_["load2"]
    assert len(with_pictures(from_json(workflow(nodes_)), CATALOGUE, files(home)).assets) == 2


def test_odd_files_are_carried_as_they_are(home: Path) -> None:
    odd = workflow({"a": {"type": "load_image", "params": 3}, "b": 5, "c": {"type": "load_image", "ui": 2}})
    assert with_pictures(from_json(odd), CATALOGUE, files(home)).data == odd


def _exif() -> bytes:
    tags = Pillow.Exif()
    tags[0x013B] = "Anna"
    tags[0x0112] = 3
    return tags.tobytes()
