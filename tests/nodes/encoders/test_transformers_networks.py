"""The encoders of the real checkpoints, built without data, have the sizes that their weights have."""

from typing import Any

import pytest
from torch import nn

from nodes.encoders import transformers_networks as encoders
from tests.nodes.real_encoders import CLIP_G_TEXT, CLIP_G_VISION, CLIP_L_TEXT, CLIP_L_VISION


def count(network: nn.Module) -> tuple[int, int]:
    """The number of tensors, and of thousands of parameters."""
    assert all(parameter.is_meta for parameter in network.parameters())
    return len(network.state_dict()), round(sum(p.numel() for p in network.parameters()) / 1000)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (CLIP_L_TEXT, (197, 123_650)),
        (CLIP_G_TEXT, (517, 694_660)),
    ],
    ids=["2.1", "2.2"],
)
def test_text_encoders(config: dict[str, Any], expected: tuple[int, int]) -> None:
    assert count(encoders.text_encoder(config, "config.json")) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (CLIP_L_VISION, (392, 303_966)),
        (CLIP_G_VISION, (776, 1_844_907)),
    ],
    ids=["2.1", "2.2"],
)
def test_image_encoders(config: dict[str, Any], expected: tuple[int, int]) -> None:
    assert count(encoders.image_encoder(config, "config.json")) == expected


def test_depth_estimator() -> None:
    config = {
        "model_type": "dpt",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "hidden_act": "gelu",
        "image_size": 384,
        "patch_size": 16,
        "backbone_out_indices": [5, 11, 17, 23],
        "neck_hidden_sizes": [256, 512, 1024, 1024],
        "reassemble_factors": [4, 2, 1, 0.5],
        "readout_type": "project",
        "expand_channels": False,
        "use_auxiliary_head": True,
        "semantic_loss_ignore_index": 255,
        "torch_dtype": "float32",
    }
    assert count(encoders.depth_estimator(config, "config.json")) == (462, 343_030)


def test_what_todays_transformers_writes_is_read() -> None:
    from transformers import CLIPTextConfig, CLIPVisionConfig, DPTConfig

    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 8}
    assert encoders.text_encoder(CLIPTextConfig(**small).to_dict(), "config.json")
    assert encoders.image_encoder(CLIPVisionConfig(**small).to_dict(), "config.json")
    depth = DPTConfig(**small | {"num_hidden_layers": 4}, backbone_out_indices=[0, 1, 2, 3])
    assert encoders.depth_estimator(depth.to_dict(), "config.json")
