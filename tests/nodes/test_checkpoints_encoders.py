"""The encoders of the real checkpoints, built without data, have the sizes that their weights have."""

from typing import Any

import pytest
from torch import nn

from nodes.checkpoints import encoders

# As old releases of transformers wrote them, with fields that today's do not know.
NOTES = {
    "_name_or_path": "kandinsky-community/kandinsky-2-2-prior",
    "attention_dropout": 0.0,
    "dropout": 0.0,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-05,
    "torch_dtype": "float16",
    "transformers_version": "4.31.0.dev0",
}
TEXT = {
    "architectures": ["CLIPTextModelWithProjection"],
    "model_type": "clip_text_model",
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
    "max_position_embeddings": 77,
    "vocab_size": 49408,
}
VISION = {
    "architectures": ["CLIPVisionModelWithProjection"],
    "model_type": "clip_vision_model",
    "image_size": 224,
    "num_channels": 3,
    "patch_size": 14,
}


def sizes(
    width: int, inner: int, layers: int, heads: int, projection: int, activation: str
) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "projection_dim": projection,
        "hidden_act": activation,
    }


def count(network: nn.Module) -> tuple[int, int]:
    """The number of tensors, and of thousands of parameters."""
    assert all(parameter.is_meta for parameter in network.parameters())
    return len(network.state_dict()), round(sum(p.numel() for p in network.parameters()) / 1000)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (sizes(768, 3072, 12, 12, 768, "quick_gelu"), (197, 123_650)),
        (sizes(1280, 5120, 32, 20, 1280, "gelu"), (517, 694_660)),
    ],
    ids=["2.1", "2.2"],
)
def test_text_encoders(config: dict[str, Any], expected: tuple[int, int]) -> None:
    assert count(encoders.text_encoder(NOTES | TEXT | config, "config.json")) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (sizes(1024, 4096, 24, 16, 768, "quick_gelu"), (392, 303_966)),
        (sizes(1664, 8192, 48, 16, 1280, "gelu"), (776, 1_844_907)),
    ],
    ids=["2.1", "2.2"],
)
def test_image_encoders(config: dict[str, Any], expected: tuple[int, int]) -> None:
    assert count(encoders.image_encoder(NOTES | VISION | config, "config.json")) == expected


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
