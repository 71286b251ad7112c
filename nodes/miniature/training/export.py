"""Write the trained stages as a checkpoint: folders in the diffusers layout, float16 safetensors.

python -m nodes.miniature.training.export
python -m nodes.miniature.training.export --only judge depth unet_inpaint

The first writes everything anew. The second puts single stages into the checkpoint that is there; those that
begin with what ships (see `tables`) need no other stage's state.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nodes.miniature import METRICS, WEIGHTS
from nodes.miniature.scenes import tokens
from nodes.miniature.scenes.captions import VOCABULARY
from nodes.miniature.scenes.data import WORK, Data, load
from nodes.miniature.training import train_depth, train_movq, train_prior, train_unet, train_variant
from nodes.miniature.training.judge_net import JudgeNet
from nodes.miniature.training.train_clip import VISION_SIZE, ClipPair
from nodes.miniature.training.training import load_averaged

STAGES = (
    "movq", "movq_decoder", "clip", "prior", "prior_further", "unet", "unet_text2img",
    "unet_inpaint", "unet_controlnet_depth", "depth", "judge",
)  # fmt: skip

PRIOR_INDEX = {
    "_class_name": "KandinskyV22PriorPipeline",
    "_diffusers_version": "0.42.1",
    "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
    "image_processor": ["transformers", "CLIPImageProcessor"],
    "prior": ["diffusers", "PriorTransformer"],
    "scheduler": ["diffusers", "UnCLIPScheduler"],
    "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
}
DECODER_INDEX = {
    "_class_name": "KandinskyV22Pipeline",
    "_diffusers_version": "0.42.1",
    "movq": ["diffusers", "VQModel"],
    "scheduler": ["diffusers", "DDPMScheduler"],
    "unet": ["diffusers", "UNet2DConditionModel"],
}
IMAGE_PROCESSOR = {
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": VISION_SIZE},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": VISION_SIZE, "width": VISION_SIZE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "do_convert_rgb": True,
}
PRIOR_RECOMMENDED = {"steps": 25, "guidance": 3.0}
DECODER_RECOMMENDED = {"width": 128, "height": 128, "steps": 15, "guidance": 1.5, "scheduler": "ddim"}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a config, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def write_weights(path: Path, model: nn.Module) -> None:
    """Write a network's parameters as float16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = {name: value.half().contiguous() for name, value in model.state_dict().items() if _is_kept(name)}
    save_file(halves, path, metadata={"format": "pt"})


def _is_kept(name: str) -> bool:
    return not name.endswith("position_ids")


def preview_map(latents: Tensor, images: Tensor) -> dict[str, list[Any]]:
    """The linear map from latents (N, 4, h, w) to colours 0..1 that fits pictures (N, 3, h, w) best."""
    inputs = latents.transpose(0, 1).flatten(1).T
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    solution = torch.linalg.lstsq(inputs, images.transpose(0, 1).flatten(1).T).solution
    rows = [[round(float(v), 5) for v in row] for row in solution]
    return {"matrix": rows[:-1], "bias": rows[-1]}


def fit_preview(folder: Path, data: Data, count: int = 500) -> dict[str, list[Any]]:
    """The preview map of the trained MoVQ."""
    latents = torch.from_numpy(np.load(folder / "latents.npy")[:count]).float()
    images = torch.from_numpy(data.images[:count].copy()).permute(0, 3, 1, 2).float() / 255
    return preview_map(latents, torch.nn.functional.avg_pool2d(images, images.shape[-1] // latents.shape[-1]))


def export_prior(folder: Path, root: Path) -> None:
    """CLIP, tokenizer, image processor and prior."""
    pair = ClipPair()
    load_averaged(pair, folder / "clip.state")
    write_json(root / "model_index.json", PRIOR_INDEX)
    for name, model in (("text_encoder", pair.text), ("image_encoder", pair.vision)):
        write_weights(root / name / "model.safetensors", model)
        config = {**model.config.to_dict(), "architectures": [type(model).__name__], "dtype": "float16"}
        write_json(root / name / "config.json", config)
    tokens.save(root / "tokenizer")
    write_json(root / "image_processor" / "preprocessor_config.json", IMAGE_PROCESSOR)
    prior = load_averaged(train_prior.build(), folder / "prior.state")
    write_weights(root / "prior" / "diffusion_pytorch_model.safetensors", prior)
    write_json(root / "prior" / "config.json", train_prior.CONFIG)
    write_json(root / "scheduler" / "scheduler_config.json", train_prior.SCHEDULER)
    write_json(root / "recommended.json", PRIOR_RECOMMENDED)
    (root / "vocabulary.txt").write_text("\n".join(VOCABULARY) + "\n")


def export_decoder(folder: Path, root: Path, data: Data) -> None:
    """UNet and MoVQ, as they are after their first training."""
    movq = train_movq.build()
    movq.load_state_dict(load_file(folder / "movq_whitened.safetensors"))
    unet = load_averaged(train_unet.build(), folder / "unet.state")
    write_json(root / "model_index.json", DECODER_INDEX)
    for name, model, config in (("movq", movq, train_movq.CONFIG), ("unet", unet, train_unet.CONFIG)):
        write_weights(root / name / "diffusion_pytorch_model.safetensors", model)
        write_json(root / name / "config.json", config)
    write_json(root / "scheduler" / "scheduler_config.json", train_unet.SCHEDULER)
    write_json(root / "recommended.json", {**DECODER_RECOMMENDED, "preview": fit_preview(folder, data)})


def export_prior_further(folder: Path, root: Path) -> None:
    """The prior that went on training."""
    model = load_averaged(train_prior.build(), folder / "prior_further.state")
    write_weights(root / "prior" / "prior" / "diffusion_pytorch_model.safetensors", model)


def export_movq_decoder(folder: Path, root: Path) -> None:
    """The MoVQ with a decoder that went on training."""
    model = load_averaged(train_movq.shipped(), folder / "movq_decoder.state")
    write_weights(root / "decoder" / "movq" / "diffusion_pytorch_model.safetensors", model)


def export_variant(folder: Path, root: Path, variant: str) -> None:
    """The UNet of a variant, beside the text-to-image one or in its place."""
    model = train_variant.finished(folder, variant)
    name = "unet" if variant == "text2img" else f"unet_{variant}"
    write_weights(root / "decoder" / name / "diffusion_pytorch_model.safetensors", model)
    write_json(root / "decoder" / name / "config.json", train_variant.CONFIGS[variant])


def export_depth(folder: Path, root: Path) -> None:
    """The depth estimator and how it wants its pictures."""
    model = load_averaged(train_depth.build(), folder / "depth.state")
    write_weights(root / "depth_estimator" / "model.safetensors", model)
    config = {"architectures": [type(model).__name__], **train_depth.CONFIG, "dtype": "float16"}
    write_json(root / "depth_estimator" / "config.json", config)
    write_json(root / "depth_estimator" / "preprocessor_config.json", train_depth.IMAGE_PROCESSOR)


def export_judge(folder: Path, root: Path) -> None:
    """The judge."""
    judge = load_averaged(JudgeNet(), folder / "judge.state")
    write_weights(root / "judge" / "model.safetensors", judge)


ADDITIONS: dict[str, Callable[[Path, Path], None]] = {
    "judge": export_judge,
    "depth": export_depth,
    "prior_further": export_prior_further,
    "movq_decoder": export_movq_decoder,
    **{f"unet_{variant}": partial(export_variant, variant=variant) for variant in train_variant.CONFIGS},
}


def export(folder: Path, data: Data, target: Path = WEIGHTS) -> int:
    """Write everything beside `target`, then put it in its place; returns the size in bytes."""
    beside = target.with_name(target.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    export_prior(folder, beside / "prior")
    export_decoder(folder, beside / "decoder", data)
    for stage, write in ADDITIONS.items():
        if (folder / f"{stage}.state").exists():
            write(folder, beside)
    old = target.with_name(target.name + ".old")
    if target.exists():
        target.rename(old)
    beside.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return sum(file.stat().st_size for file in target.rglob("*") if file.is_file())


def copy_metrics(folder: Path, target: Path = METRICS) -> None:
    """Copy what each stage measured."""
    target.mkdir(exist_ok=True)
    for stage in STAGES:
        if (folder / f"{stage}.json").exists():
            shutil.copyfile(folder / f"{stage}.json", target / f"{stage}.json")


def main() -> None:
    """Command line: export the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, default=WEIGHTS)
    parser.add_argument(
        "--only", nargs="+", choices=tuple(ADDITIONS), help="these stages, into what is there"
    )
    arguments = parser.parse_args()
    if arguments.only:
        for stage in arguments.only:
            ADDITIONS[stage](WORK, arguments.target)
    else:
        print(f"{export(WORK, load(), arguments.target) / 1e6:.2f} MB in {arguments.target}")
    copy_metrics(WORK)


if __name__ == "__main__":
    main()
