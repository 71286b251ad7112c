"""Train the depth estimator, a small DPT, on the exact depth of the renders.

    python -m nodes.miniature.training.train_depth --minutes 20

It sees what the product shows it: a picture squeezed to 64 x 64. Its transformer begins with the layers of
the CLIP vision encoder that ships, which know a thing from its ground already. It learns from the sharp
renders, brighter or darker, blurred or noisy, as pictures from people and from the MoVQ are.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import DPTConfig, DPTForDepthEstimation

from nodes.miniature import WEIGHTS
from nodes.miniature.scenes.data import Data
from nodes.miniature.training.train_judge import worn
from nodes.miniature.training.train_movq import differences
from nodes.miniature.training.training import Stage, run_stage, to_unit

SEEN = 64  # pixels along each side of what the network sees
CONFIG: dict[str, Any] = {
    "model_type": "dpt",
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 384,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "image_size": SEEN,
    "patch_size": 8,
    "num_channels": 3,
    "qkv_bias": True,
    "backbone_out_indices": [0, 1, 2, 3],
    "readout_type": "ignore",
    "reassemble_factors": [2, 1, 0.5, 0.25],
    "neck_hidden_sizes": [32, 32, 48, 48],
    "fusion_hidden_size": 32,
    "head_in_index": -1,
    "use_batch_norm_in_fusion_residual": False,
    "add_projection": False,
    "is_hybrid": False,
}
IMAGE_PROCESSOR: dict[str, Any] = {
    "image_processor_type": "DPTImageProcessor",
    "do_resize": True,
    "size": {"height": SEEN, "width": SEEN},
    "keep_aspect_ratio": False,
    "ensure_multiple_of": 1,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
BATCH = 32
EMBEDDED_SPREAD = 0.23  # of CLIP's embedded patches, on 64 renders
LAYER = {  # a part of DPT's layers: the same of CLIP's
    "attention.attention.query": "self_attn.q_proj",
    "attention.attention.key": "self_attn.k_proj",
    "attention.attention.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
    "layernorm_before": "layer_norm1",
    "layernorm_after": "layer_norm2",
}


def build() -> DPTForDepthEstimation:
    """The untrained network; it must not begin below zero, where its last ReLU lets no gradient through."""
    model = DPTForDepthEstimation(DPTConfig(**CONFIG))
    torch.nn.init.constant_(model.head.head[-2].bias, 0.4)
    return model.to(memory_format=torch.channels_last)


@torch.no_grad()
def begin() -> DPTForDepthEstimation:
    """The network with CLIP's layers. CLIP normalises its embedded patches once more before them: that is
    folded into the embeddings, as if all patches had the same spread."""
    clip = load_file(WEIGHTS / "prior" / "image_encoder" / "model.safetensors")
    theirs = {name.removeprefix("vision_model."): value.float() for name, value in clip.items()}
    model = build()
    patches = theirs["embeddings.patch_embedding.weight"]
    places = theirs["embeddings.position_embedding.weight"]
    scale = theirs["pre_layrnorm.weight"] / EMBEDDED_SPREAD
    embeddings = model.dpt.embeddings
    embeddings.patch_embeddings.projection.weight.copy_(patches * scale[:, None, None, None])
    embeddings.position_embeddings.copy_(places * scale + theirs["pre_layrnorm.bias"])
    embeddings.cls_token.copy_(theirs["embeddings.class_embedding"] * scale)
    own = {}
    for number in range(CONFIG["num_hidden_layers"]):
        for ours, name in LAYER.items():
            for kind in ("weight", "bias"):
                own[f"layer.{number}.{ours}.{kind}"] = theirs[f"encoder.layers.{number}.{name}.{kind}"]
    model.dpt.encoder.load_state_dict(own)
    return model


def matrices(model: DPTForDepthEstimation) -> list[nn.Parameter]:
    """All weights that are matrices, but for the first and the last."""
    ends = ("dpt.embeddings", "head")
    return [p for name, p in model.named_parameters() if p.ndim > 1 and not name.startswith(ends)]


def depth_of(model: DPTForDepthEstimation, images: Tensor) -> Tensor:
    """How near each pixel is (B, 64, 64), about 0..1, for pictures (B, 3, H, W) in -1..1."""
    small = F.interpolate(images, (SEEN, SEEN), mode="bicubic", antialias=True, align_corners=False)
    depth: Tensor = model(pixel_values=small).predicted_depth
    return depth


def truth_of(near: NDArray[np.uint8]) -> Tensor:
    """The depth maps (B, 128, 128) as the network is to see them: (B, 64, 64) in 0..1."""
    return F.avg_pool2d(torch.from_numpy(np.array(near)).float() / 255, near.shape[-1] // SEEN)


def correlation(seen: Tensor, truth: Tensor) -> Tensor:
    """Correlation (B,) of the pixels of maps (B, H, W)."""
    a, b = (maps.flatten(1) - maps.flatten(1).mean(1, keepdim=True) for maps in (seen, truth))
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-9)


def error(seen: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of depth maps (B, H, W), and of the differences between their neighbours."""
    x, y = seen[:, None], truth[:, None]
    edges = [(a - b).abs().mean() for a, b in zip(differences(x), differences(y), strict=True)]
    return (x - y).abs().mean() + torch.stack(edges).sum()


@torch.no_grad()
def held_out(model: DPTForDepthEstimation, data: Data, count: int = 256) -> dict[str, float]:
    """Mean absolute error and correlation on renders that nothing was trained on."""
    rows = slice(data.training, data.training + count)
    truth = truth_of(data.near[rows])
    seen = torch.cat([depth_of(model, part) for part in to_unit(data.images[rows]).split(64)])
    return {
        "absolute_error": round(float((seen - truth).abs().mean()), 4),
        "correlation": round(float(correlation(seen, truth).mean()), 4),
    }


def train(
    folder: Path, data: Data, minutes: float, seed: int = 33, max_steps: int | None = None
) -> DPTForDepthEstimation:
    """Train, or go on training; returns the network with averaged weights."""
    torch.manual_seed(seed)
    model = begin()
    model.train()
    stage = Stage(
        "depth",
        model,
        folder,
        minutes=minutes,
        peak=1e-3,
        seed=seed,
        decay=0.02,
        warm_up=0.05,
        matrices=matrices(model),
        max_steps=max_steps,
    )
    for rng in stage.steps():
        chosen = np.sort(rng.integers(0, data.training, BATCH))
        images, truth = to_unit(data.images[chosen]), truth_of(data.near[chosen])
        if rng.random() < 0.5:
            images, truth = images.flip(3), truth.flip(2)
        with torch.autocast("cpu", torch.bfloat16):
            seen = depth_of(model, worn(images, rng)).float()
        loss = error(seen, truth)
        stage.learn(loss, BATCH, error=loss, absolute=(seen - truth).abs().mean())
        if stage.step % 500 == 0:
            with stage.averaged_weights():
                print(held_out(model, data), flush=True)
    stage.finish()
    stage.finish(held_out=held_out(model, data))
    return model


def main() -> None:
    """Command line: train the depth estimator."""
    run_stage(__doc__, 20, train)


if __name__ == "__main__":
    main()
