"""The networks that come from transformers, built without data: CLIP for text and pictures, DPT for depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nodes.encoders.transformers_config import read_config, words
from nodes.files.reading import CheckpointError

if TYPE_CHECKING:
    from torch import nn

CLIP = words(
    "hidden_size intermediate_size projection_dim num_hidden_layers num_attention_heads hidden_act "
    "layer_norm_eps"
)
CLIP_FIXED: dict[str, tuple[Any, ...]] = {"attention_dropout": (0.0,)}
CLIP_TEXT = CLIP | {"vocab_size", "max_position_embeddings", "pad_token_id", "bos_token_id", "eos_token_id"}
CLIP_VISION = CLIP | {"image_size", "patch_size", "num_channels"}
DPT = words(
    "hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act layer_norm_eps "
    "image_size patch_size num_channels qkv_bias backbone_out_indices readout_type reassemble_factors "
    "neck_hidden_sizes fusion_hidden_size head_in_index use_batch_norm_in_fusion_residual "
    "use_bias_in_fusion_residual add_projection backbone_featmap_shape neck_ignore_stages "
    "pooler_output_size pooler_act hidden_dropout_prob attention_probs_dropout_prob"
)
DPT_NOTES = words(
    "use_auxiliary_head auxiliary_loss_weight semantic_loss_ignore_index semantic_classifier_dropout"
)
DPT_FIXED: dict[str, tuple[Any, ...]] = {
    "is_hybrid": (False,),  # a hybrid, or any other backbone, would be another network
    "expand_channels": (False,),
    "embedding_type": ("vit",),
    "backbone_config": (None,),
    "backbone": (None,),
    "use_pretrained_backbone": (False, None),
    "use_timm_backbone": (False, None),
    "backbone_kwargs": (None, {}),
}
IGNORED = ("embeddings.position_ids",)  # a buffer that old releases of transformers saved


def text_encoder(config: Mapping[str, Any], where: str) -> nn.Module:
    """CLIP's text encoder, on the meta device. Raises CheckpointError for another config."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    return _build(CLIPTextModelWithProjection, CLIPTextConfig, config, where, CLIP_TEXT, CLIP_FIXED)


def image_encoder(config: Mapping[str, Any], where: str) -> nn.Module:
    """CLIP's image encoder, on the meta device. Raises CheckpointError for another config."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return _build(CLIPVisionModelWithProjection, CLIPVisionConfig, config, where, CLIP_VISION, CLIP_FIXED)


def depth_estimator(config: Mapping[str, Any], where: str) -> nn.Module:
    """DPT for depth, on the meta device. Raises CheckpointError for another config."""
    from transformers import DPTConfig, DPTForDepthEstimation

    return _build(DPTForDepthEstimation, DPTConfig, config, where, DPT | DPT_NOTES, DPT_FIXED)


def _build(
    network: Any,
    kind: Any,
    config: Mapping[str, Any],
    where: str,
    fields: frozenset[str],
    fixed: Mapping[str, Any],
) -> nn.Module:
    import torch

    sizes = read_config(kind, config, where, fields, fixed)
    try:
        with torch.device("meta"):
            built: nn.Module = network(sizes)
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
        message = f"{type(error).__name__} {error}"[:200]
        raise CheckpointError(f"{where} describes no {network.__name__}: {message}") from None
    return built
