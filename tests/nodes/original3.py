"""A tiny original of Kandinsky 3, in the words of ai-forever/Kandinsky-3: names, files, and how they nest."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
from torch import Tensor

from nodes.conversion import original3
from tests.nodes import tiny, tiny3

SIZES = {
    "time_embedding_dim": 16,
    "groups": 2,
    "attention_head_dim": 8,
    "layers_per_block": 2,
    "block_out_channels": [32, 64],
    "cross_attention_dim": 24,
    "encoder_hid_dim": tiny3.STATES,
}
AUTOENCODER = {"block_out_channels": [32, 32, 64, 64], "layers_per_block": 1}
PROJECTION = {
    "projection_linear.weight": "0.weight",
    "projection_norm.weight": "1.weight",
    "projection_norm.bias": "1.bias",
}
WORDS = (
    ("time_embedding.linear_1.", "to_time_embed.1."),
    ("time_embedding.linear_2.", "to_time_embed.3."),
    ("add_time_condition.", "feature_pooling."),
    ("conv_in.", "in_layer."),
    ("conv_norm_out.", "out_layer.0."),
    ("conv_out.", "out_layer.2."),
    ("down_blocks.", "down_samples."),
    ("up_blocks.", "up_samples."),
    ("to_q.", "to_query."),
    ("to_k.", "to_key."),
    ("to_v.", "to_value."),
    ("to_out.0.", "output_layer."),
    ("attentions.0.", "self_attention_block."),
)


def original_unet_name(name: str) -> str:
    """What the original calls a parameter of diffusers' UNet."""
    for theirs, original in WORDS:
        name = name.replace(theirs, original)
    name = re.sub(r"attentions\.(\d+)\.", lambda m: f"resnet_attn_blocks.{int(m[1]) - 1}.1.", name)
    name = re.sub(r"resnets_in\.(\d+)\.", r"resnet_attn_blocks.\1.0.", name)
    return re.sub(r"resnets_out\.(\d+)\.", r"resnet_attn_blocks.\1.2.", name)


def original_movq(name: str, tensor: Tensor, levels: int = 4) -> tuple[str, Tensor]:
    """What the original calls a parameter of diffusers' MoVQ, and the shape it has there."""
    side, _, rest = name.partition(".")
    if side not in ("encoder", "decoder"):
        return name, tensor
    if re.search(r"attentions\.\d+\.to_\w+(\.0)?\.weight", name):
        tensor = tensor[:, :, None, None]
    rest = re.sub(r"up_blocks\.(\d+)\.", lambda m: f"up.{levels - 1 - int(m[1])}.", rest)
    rest = rest.replace("down_blocks.", "down.").replace("mid_block.resnets.0", "mid.block_1")
    rest = rest.replace("mid_block.resnets.1", "mid.block_2").replace("mid_block.attentions.0", "mid.attn_1")
    rest = (
        rest.replace("resnets.", "block.")
        .replace("attentions.", "attn.")
        .replace("conv_norm_out", "norm_out")
    )
    rest = rest.replace("downsamplers.0", "downsample").replace("upsamplers.0", "upsample")
    rest = rest.replace("conv_shortcut", "nin_shortcut").replace("to_out.0", "proj_out")
    rest = (
        re.sub(r"\.to_([qkv])\.", r".\1.", rest).replace("group_norm", "norm").replace("spatial_norm", "norm")
    )
    if side == "encoder":  # its norms are of the decoder's class, without latents
        rest = re.sub(r"(norm\d?|norm_out)\.(weight|bias)$", r"\1.norm_layer.\2", rest)
    return f"{side}.{rest}", tensor


@contextmanager
def tiny_sizes() -> Iterator[None]:
    """As long as this lasts, the converter takes the original for as small as the tiny one."""
    groups = {"norm_num_groups": 8}
    with patch.dict(original3.UNET, SIZES), patch.dict(original3.AUTOENCODER, {**AUTOENCODER, **groups}):
        yield


def original(path: Path, folders: Iterable[str] = tuple(original3.UNETS), safe: bool = False) -> Path:
    """An original with the UNets that become `folders`; returns `path`."""
    text_encoder = path / original3.TEXT_ENCODER
    text_encoder.mkdir(parents=True)
    for seed, (folder, (file, projection, channels)) in enumerate(original3.UNETS.items()):
        state = tiny3.tiny_unet3(seed, in_channels=channels).state_dict()
        inside = {name: state.pop(f"encoder_hid_proj.{name}") for name in PROJECTION}
        if folder in folders:
            unet = {original_unet_name(name): tensor.half() for name, tensor in state.items()}
            token = torch.randn(1, 24, generator=torch.Generator().manual_seed(seed))
            torch.save({"unet": unet, "null_embedding": token}, path / file)
            torch.save(
                {PROJECTION[name]: tensor for name, tensor in inside.items()}, text_encoder / projection
            )
    movq = tiny.tiny_movq().state_dict()
    movq.pop("quantize.embedding.weight")
    torch.save(dict(original_movq(*pair) for pair in movq.items()), path / original3.AUTOENCODER_FILE)
    encoder = tiny3.tiny_t5()
    encoder.save_pretrained(text_encoder)
    if not safe:
        (text_encoder / "model.safetensors").unlink()
        tensors = list(encoder.state_dict().items())
        for i, part in enumerate((tensors[:9], tensors[9:])):
            torch.save(dict(part), text_encoder / f"pytorch_model-{i + 1:05}-of-00002.bin")
    (text_encoder / "spiece.model").write_bytes(tiny3.sentencepiece_model(tiny3.tiny_pieces()))
    return path
