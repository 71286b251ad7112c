"""CLIP's pixel values, bit for bit those of transformers' Pillow backend."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from nodes.pixels.clip_pixels import UnsupportedPreprocessing, clip_pixels
from nodes.pixels.pictures import PictureError, from_bytes

RANDOM = np.random.default_rng(1)
CONFIGS = (
    {},
    {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
    {"size": 30, "crop_size": 33},
    {"size": {"height": 20, "width": 48}, "crop_size": {"height": 31, "width": 40}},
    {"do_resize": False, "crop_size": 64},
    {"do_resize": False, "do_center_crop": False},
    {"size": 32, "crop_size": 32, "do_normalize": False},
    {
        "size": 32,
        "crop_size": 32,
        "do_rescale": False,
        "image_mean": [100.0, 90.0, 80.0],
        "image_std": [50, 60, 70],
    },
    {"size": 32, "crop_size": 32, "resample": 2, "rescale_factor": 0.01},
    {"size": 32, "crop_size": 32, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.5, 0.25]},
)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("size", [(224, 224), (70, 45), (45, 71), (300, 517), (33, 33)])
def test_equal_to_transformers(config: dict, size: tuple[int, int]) -> None:
    pixels = RANDOM.integers(0, 256, (*size, 3), dtype=np.uint8)
    theirs = CLIPImageProcessorPil(**config)(Image.fromarray(pixels), return_tensors="np")["pixel_values"]
    ours = clip_pixels(from_bytes(pixels)[None], config)
    assert ours.dtype == np.float32
    assert np.array_equal(ours, theirs)


def test_saved_configs_can_be_read(tmp_path) -> None:
    """What transformers writes into `preprocessor_config.json`, and what stands in the 2.2 checkpoint."""
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "preprocessor_config.json").read_text())
    shipped = {
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_processor_type": "CLIPImageProcessor",
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3,
        "rescale_factor": 0.00392156862745098,
        "size": {"shortest_edge": 224},
    }
    image = RANDOM.random((2, 40, 50, 3), dtype=np.float32)
    assert clip_pixels(image, saved).shape == (2, 3, 32, 32)
    assert np.array_equal(clip_pixels(image, shipped), clip_pixels(image, {}))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"sise": 3}, "unknown field 'sise'; nearest is 'size'"),
        ({"size": {"longest_edge": 3}}, "expected height and width, or shortest_edge"),
        ({"size": 10**9}, "size is 1000000000"),
        ({"size": True}, "size is True"),
        ({"crop_size": 0}, "crop_size is 0"),
        ({"crop_size": {"shortest_edge": 4}}, "crop_size is"),
        ({"resample": 77}, "resample is 77, supported are 0 (NEAREST)"),
        ({"do_resize": "yes"}, "do_resize is 'yes'"),
        ({"do_convert_rgb": False}, "do_convert_rgb is False, supported is True"),
        ({"image_mean": [1, 2]}, "image_mean is [1, 2], expected 3 numbers"),
        ({"image_std": [0.1, 0.1, 0]}, "image_std"),
        ({"rescale_factor": float("nan")}, "rescale_factor is nan"),
    ],
)
def test_what_is_not_supported_is_named(config: dict, message: str) -> None:
    with pytest.raises(UnsupportedPreprocessing) as error:
        clip_pixels(np.zeros((1, 4, 4, 3), np.float32), config)
    assert message in str(error.value)


def test_a_thread_of_a_picture_is_refused() -> None:
    with pytest.raises(PictureError, match="too thin"):
        clip_pixels(np.zeros((1, 1, 10_000, 3), np.float32), {})
