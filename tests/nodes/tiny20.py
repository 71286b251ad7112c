"""Tiny random checkpoints of Kandinsky 2.0: the original's files, and what `convert` makes of them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
from torch import Tensor
from transformers import MT5Config, MT5EncoderModel

from nodes.conversion import original20
from nodes.conversion.kandinsky20 import convert
from tests.nodes.original20 import Shapes, autoencoder_shapes, unet_shapes
from tests.nodes.tiny import randomise
from tests.nodes.tiny3 import sentencepiece_model, tiny_pieces
from tests.nodes.tiny21 import tiny_xlm_tokenizer

FIRST, SECOND, POOLED = 24, 20, 12  # sizes of the encoders' states and of the pooled text; all differ
UNET: dict[str, Any] = {
    "block_out_channels": [32, 64],
    "down_block_types": ["ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"],
    "up_block_types": ["SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"],
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "cross_attention_dim": 16,
    "encoder_hid_dim": FIRST,
    "second_encoder_hid_dim": SECOND,
    "text_embed_dim": POOLED,
    "pooling_heads": 4,
}
AUTOENCODER: dict[str, Any] = {
    "block_out_channels": [32, 32, 64, 64],
    "layers_per_block": 1,
}
TASKS = ("text2img", "inpaint")


@contextmanager
def tiny_sizes() -> Iterator[None]:
    """As long as this lasts, the converter takes the original for as small as the tiny one."""
    with patch.dict(original20.UNET, UNET), patch.dict(original20.AUTOENCODER, AUTOENCODER):
        yield


def random_state(shapes: Shapes, seed: int) -> dict[str, Tensor]:
    """Random tensors that keep signals near one; convolutions in float16, as the original stores them."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        if len(shape) == 1:
            state[name] = float(name.endswith("weight")) + 0.1 * noise
        else:
            state[name] = noise / noise[0].numel() ** 0.5
        if len(shape) == 4:
            state[name] = state[name].half()
    return state


def tiny_multilingual_clip(vocab_size: int, seed: int) -> MultilingualCLIP:
    """Multilingual CLIP of two layers."""
    config = MCLIPConfig(
        transformerDimSize=FIRST,
        imageDimSize=POOLED,
        vocab_size=vocab_size,
        hidden_size=FIRST,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        max_position_embeddings=514,
        layer_norm_eps=1e-5,
        type_vocab_size=1,
    )
    return randomise(MultilingualCLIP(config), seed)


def tiny_mt5(seed: int) -> MT5EncoderModel:
    """mT5's encoder of two layers."""
    sizes = {"d_model": SECOND, "d_kv": 8, "d_ff": 37, "num_heads": 4, "num_layers": 2}
    return randomise(MT5EncoderModel(MT5Config(vocab_size=len(tiny_pieces()) + 3, **sizes)), seed)


def original(path: Path, tasks: Iterable[str] = TASKS, seed: int = 0) -> Path:
    """An original checkpoint with the UNets of `tasks`; returns `path`."""
    files = dict(zip(TASKS, original20.UNETS.values(), strict=True))
    path.mkdir(parents=True)
    with tiny_sizes():
        for number, task in enumerate(TASKS):
            file, channels = files[task]
            shapes = unet_shapes({**original20.UNET, "in_channels": channels})
            if task in tasks:
                torch.save(random_state(shapes, seed + number), path / file)
        state = random_state(autoencoder_shapes(original20.AUTOENCODER), seed + 2)
    state |= {"loss.logvar": torch.zeros(()), "loss.discriminator.main.0.weight": torch.ones(4, 3, 2, 2)}
    torch.save({"epoch": 3, "state_dict": state}, path / original20.AUTOENCODER_FILE)
    tokenizer = tiny_xlm_tokenizer()
    save_encoder(path / original20.FIRST, tiny_multilingual_clip(len(tokenizer), seed + 3), "xlm-roberta")
    tokenizer.save_pretrained(path / original20.FIRST)
    save_encoder(path / original20.SECOND, tiny_mt5(seed + 4), "mt5")
    (path / original20.SECOND / "spiece.model").write_bytes(sentencepiece_model(tiny_pieces()))
    return path


def save_encoder(folder: Path, network: Any, kind: str) -> None:
    """A network of transformers as its older releases saved it; nothing says what it pools to."""
    folder.mkdir()
    network.config.save_pretrained(folder)
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"M-CLIP"', f'"{kind}"').replace("numDims", "_pooled"))
    torch.save(network.state_dict(), folder / "pytorch_model.bin")


def tiny_decoder20(path: Path, tasks: Iterable[str] = TASKS, seed: int = 0) -> Path:
    """A converted checkpoint; returns `path`."""
    with tiny_sizes():
        convert(original(path.with_name(f"{path.name}-original"), tasks, seed), path, lambda _: None)
    return path


def original_state(path: Path, file: str) -> Mapping[str, Tensor]:
    """The tensors of an original file in float32."""
    stored = torch.load(path / file, weights_only=True)
    return {name: tensor.float() for name, tensor in stored.get("state_dict", stored).items()}
