"""Masks: shapes, files, sizes and what planning says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from graph.events import Event
from graph.problems import InvalidWorkflow
from tests.nodes.stages import run_nodes


def draw(folder: Path, image: bool = True, events: list[Event] | None = None, **params: Any) -> Any:
    """Run a mask node, on a picture of 20 x 10 pixels unless told otherwise."""
    nodes: dict[str, Any] = {"area": {"type": "mask", "params": params}}
    if image:
        columns = np.linspace(0, 255, 20).round().astype(np.uint8)
        Pillow.fromarray(np.tile(columns, (10, 1))).convert("RGB").save(folder / "grey.png")
        nodes["picture"] = {"type": "load_image", "params": {"path": "grey.png"}}
        nodes["area"]["inputs"] = {"image": "picture.image"}
    listener = events.append if events is not None else None
    return run_nodes(folder, nodes, listener, mask="area.mask", preview="area.preview")


def test_a_rectangle_in_the_pictures_size(tmp_path: Path) -> None:
    made = draw(tmp_path, shape="rectangle", x=0.5, y=0.0, w=0.25, h=1.0)
    expected = np.zeros((1, 10, 20), np.float32)
    expected[:, :, 10:15] = 1
    np.testing.assert_array_equal(made["mask"].mask, expected)
    assert made["preview"].shape == (1, 10, 20, 3)
    red, green = made["preview"].image[0, 5, 12, :2]
    assert red > green + 0.2


def test_an_ellipse_of_its_own_size_turned_inside_out(tmp_path: Path) -> None:
    made = draw(tmp_path, image=False, shape="ellipse", invert=True, width=41, height=21)
    assert made["mask"].shape == (1, 21, 41)
    assert made["mask"].mask[0, 10, 20] == 0
    assert made["mask"].mask[0, 0, 0] == 1
    np.testing.assert_array_equal(made["preview"].image[..., 1], made["mask"].mask)


def test_luminance_is_the_pictures_brightness(tmp_path: Path) -> None:
    mask = draw(tmp_path, shape="luminance")["mask"].mask
    np.testing.assert_allclose(mask[0, 3], np.linspace(0, 255, 20).round() / 255, atol=1e-6)


def test_feather_softens_the_edge(tmp_path: Path) -> None:
    mask = draw(tmp_path, shape="rectangle", x=0.5, y=0.0, w=0.5, h=1.0, feather=4)["mask"].mask
    assert mask[0, 5, 5] == 0 and mask[0, 5, 19] == 1
    assert 0 < mask[0, 5, 8] < 0.5 < mask[0, 5, 11] < 1


def test_painted_takes_white_and_alpha_takes_what_is_transparent(tmp_path: Path) -> None:
    paint = np.zeros((10, 20, 4), np.uint8)
    paint[:, :5] = 255  # white, opaque
    paint[:, 5:10] = (0, 0, 0, 255)
    Pillow.fromarray(paint).save(tmp_path / "paint.png")  # the rest is transparent
    painted = draw(tmp_path, painted="paint.png")["mask"].mask[0]
    np.testing.assert_array_equal(painted[0], [1] * 5 + [0] * 15)
    alpha = draw(tmp_path, painted="paint.png", shape="alpha")["mask"].mask[0]
    np.testing.assert_array_equal(alpha[0], [0] * 10 + [1] * 10)
    resized = draw(tmp_path, painted="paint.png", image=False, width=40, height=4)["mask"].mask
    assert resized.shape == (1, 4, 40)


def test_nothing_painted_is_an_empty_mask_and_a_warning(tmp_path: Path) -> None:
    events: list[Event] = []
    assert draw(tmp_path, events=events)["mask"].mask.sum() == 0
    warnings = [event["message"] for event in events if event["event"] == "warning"]
    assert warnings == ["nothing is painted yet: the mask is empty"]


def test_a_mask_without_a_picture_needs_a_size(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkflow) as refused:
        draw(tmp_path, image=False, shape="ellipse")
    assert {problem.param for problem in refused.value.problems} == {"width", "height"}


@pytest.mark.parametrize(("shape", "where"), [("alpha", "painted"), ("luminance", "image")])
def test_a_mask_needs_what_it_is_taken_from(tmp_path: Path, shape: str, where: str) -> None:
    with pytest.raises(InvalidWorkflow) as refused:
        draw(tmp_path, image=False, shape=shape, width=4, height=4)
    (problem,) = refused.value.problems
    assert where in (problem.param, problem.port)
