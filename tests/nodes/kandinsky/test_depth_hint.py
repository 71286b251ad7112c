"""Depth hints: the picture itself, and what an estimator sees, as transformers' own pipeline does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from transformers import DPTForDepthEstimation, DPTImageProcessorPil, pipeline

from graph.context import Environment
from graph.files.allowed import Files
from nodes.kandinsky.depth_hint import depth_hint
from nodes.load.load_kandinsky2 import load_depth_estimator
from nodes.pixels.depth_pixels import depth_pixels
from nodes.wires import Image
from tests.nodes.stages import Recorder, random_array, smooth_picture


def as_pillow(picture: Any) -> Pillow.Image:
    return Pillow.fromarray((picture * 255).round().astype(np.uint8))


def test_without_an_estimator_the_picture_is_the_map() -> None:
    grey = np.repeat(random_array(2, 5, 7, 1), 3, axis=3)
    made = depth_hint(Image(grey), progress=Recorder())
    np.testing.assert_allclose(made.depth_hint.depth_hint, np.moveaxis(grey, 3, 1), atol=1e-6)
    np.testing.assert_allclose(made.preview.image, grey, atol=1e-6)


def test_an_estimator_sees_what_transformers_pipeline_does(depth_folder: Path) -> None:
    picture = smooth_picture(40, 56)
    estimator = load_depth_estimator(
        source=str(depth_folder), environment=Environment(Files(depth_folder, cwd=depth_folder))
    )
    made = depth_hint(Image(picture), estimator, progress=Recorder())
    theirs = pipeline(
        "depth-estimation",
        model=DPTForDepthEstimation.from_pretrained(depth_folder),
        image_processor=DPTImageProcessorPil.from_pretrained(depth_folder),
    )(as_pillow(picture[0]))
    expected = np.asarray(theirs["depth"], np.float32) / 255
    assert made.depth_hint.shape == (1, 3, 40, 56)
    assert float(made.preview.image.min()) == 0 and float(made.preview.image.max()) == 1
    # transformers cuts off what lies between two of 256 greys.
    np.testing.assert_allclose(made.depth_hint.depth_hint[0, 0], expected, atol=1 / 255 + 1e-4)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"size": {"height": 64, "width": 48}},
        {"keep_aspect_ratio": True, "ensure_multiple_of": 32},
        {
            "size": {"height": 50, "width": 50},
            "resample": 2,
            "image_mean": [0.1, 0.2, 0.3],
            "do_rescale": True,
        },
        {"do_resize": False, "do_normalize": False},
    ],
)
@pytest.mark.parametrize("size", [(60, 90), (97, 41)])
def test_pictures_are_prepared_as_transformers_does(config, size) -> None:
    picture = smooth_picture(*size)
    theirs = DPTImageProcessorPil(**config)(as_pillow(picture[0]), return_tensors="np").pixel_values
    np.testing.assert_allclose(depth_pixels(picture, config), np.asarray(theirs), atol=1e-5)


def test_a_saved_config_is_understood(depth_folder: Path) -> None:
    import json

    config = json.loads((depth_folder / "preprocessor_config.json").read_text())
    assert depth_pixels(smooth_picture(20, 30), config).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"do_resise": True}, "unknown field 'do_resise'"),
        ({"do_pad": True}, "do_pad and do_reduce_labels are not supported"),
        ({"size": {"shortest_edge": 3}}, "is not supported"),
        ({"size": {"height": 10**9, "width": 3}}, "is not supported"),
        ({"image_std": [0, 1, 1]}, "is not supported"),
        ({"ensure_multiple_of": 0}, "is not supported"),
    ],
)
def test_unsupported_configs_are_refused(config, message) -> None:
    with pytest.raises(ValueError, match=message):
        depth_pixels(smooth_picture(4, 4), config)
