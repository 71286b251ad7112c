"""An original checkpoint of Kandinsky 2.0 as a folder like those of diffusers.

The original is a folder with Kandinsky-2-0.pt and Kandinsky-2-0-inpainting.pt (or one of them), vae.ckpt,
text_encoder1/ and text_encoder2/.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nodes.conversion import autoencoder_names, original20, unet_names
from nodes.conversion.torch_file import read_tensors
from nodes.conversion.write import Tell, fitted, outline, write_json, write_weights
from nodes.files.reading import MOST_INDEX_BYTES, CheckpointError, read_json

if TYPE_CHECKING:
    from torch import Tensor


def convert(source: Path, target: Path, tell: Tell) -> None:
    """Make the folder `target` from the original in `source`, and `tell` how far it is.

    Nothing is left of a conversion that fails. Raises CheckpointError for an original with missing or damaged
    files, and where `target` exists; OSError where it cannot be written.
    """
    if not source.is_dir():
        raise CheckpointError(f"{source} is not a folder; expected one with the files of Kandinsky 2.0")
    if target.exists():
        raise CheckpointError(f"{target} exists already")
    unets = {
        folder: source / file for folder, (file, _) in original20.UNETS.items() if (source / file).exists()
    }
    if not unets:
        files = " or ".join(file for file, _ in original20.UNETS.values())
        raise CheckpointError(f"{source} holds no {files}: it is no original Kandinsky 2.0 or 3")
    lacking = [
        name
        for name in (original20.AUTOENCODER_FILE, original20.FIRST, original20.SECOND)
        if not (source / name).exists()
    ]
    if lacking:
        raise CheckpointError(f"{source} lacks {', '.join(lacking)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
        made = Path(temporary, "made")
        _tokenizers(source, made)
        _autoencoder(source / original20.AUTOENCODER_FILE, made / "vae", tell)
        _text_encoder(source, made / "text_encoder", tell)
        for folder, file in unets.items():
            _unet(file, made / folder, original20.UNETS[folder][1], tell)
        for folder, config in original20.SCHEDULERS.items():
            write_json(made / folder / "scheduler_config.json", config)
        write_json(made / "recommended.json", original20.RECOMMENDED)
        write_json(made / "model_index.json", original20.INDEX)
        made.rename(target)


def _unet(file: Path, folder: Path, channels: int, tell: Tell) -> None:
    from nodes.systems.kandinsky20 import unet

    config = {**original20.UNET, "in_channels": channels}

    def rename(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        return unet_names.renamed(name, tensor, config["layers_per_block"], config["attention_head_dim"])

    tensors = fitted(outline(unet, config), read_tensors(file), rename, file, tell)
    write_json(folder / "config.json", config)
    write_weights(folder / "diffusion_pytorch_model.safetensors", tensors, tell)


def _autoencoder(file: Path, folder: Path, tell: Tell) -> None:
    from nodes.systems.kandinsky20 import autoencoder

    levels = len(original20.AUTOENCODER["block_out_channels"])

    def rename(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        yield autoencoder_names.renamed(name, tensor, levels)

    tensors = fitted(outline(autoencoder, original20.AUTOENCODER), read_tensors(file), rename, file, tell)
    write_json(folder / "config.json", original20.AUTOENCODER)
    write_weights(folder / "diffusion_pytorch_model.safetensors", tensors, tell)


def _text_encoder(source: Path, folder: Path, tell: Tell) -> None:
    """Both text encoders in one folder: they always read together."""
    from nodes.encoders import multilingual_clip, t5, two_encoders

    files = {
        part: source / name / "pytorch_model.bin"
        for part, name in zip(two_encoders.PARTS, (original20.FIRST, original20.SECOND), strict=True)
    }
    stored = {part: read_tensors(file) for part, file in files.items()}
    fields = (multilingual_clip.FIELDS | multilingual_clip.FIXED.keys(), t5.FIELDS)
    config: dict[str, Any] = {"_class_name": "TwoEncoders", "model_type": two_encoders.MODEL_TYPE}
    for (part, file), known in zip(files.items(), fields, strict=True):
        stated = read_json(file.with_name("config.json"))
        config[part] = {name: value for name, value in stated.items() if name in known}
    clip = two_encoders.PARTS[0]
    head = stored[clip].get("LinearTransformation.weight")
    if head is not None and head.ndim == 2:  # no config says what it pools to
        config[clip] |= {"numDims": head.shape[0], "transformerDimensions": head.shape[1]}
    network = two_encoders.build(config, str(source))

    tensors: dict[str, Tensor] = {}
    for part, file in files.items():
        fits = fitted(network.get_submodule(part), stored[part], _rename_encoder, file, tell)
        tensors |= {f"{part}.{name}": tensor for name, tensor in fits.items()}
    write_json(folder / "config.json", config)
    write_weights(folder / "model.safetensors", tensors, tell)


def _rename_encoder(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """T5's embedding has two names; all others stay."""
    yield ("encoder.embed_tokens.weight" if name == "shared.weight" else name), tensor


def _tokenizers(source: Path, made: Path) -> None:
    for folder, (original, names, special) in original20.TOKENIZERS.items():
        there = [source / original / name for name in names if (source / original / name).is_file()]
        if not there:
            raise CheckpointError(f"{source / original} has no {' or '.join(names)}")
        file = there[0]
        if file.stat().st_size > MOST_INDEX_BYTES:
            raise CheckpointError(f"{file} is larger than {MOST_INDEX_BYTES >> 20} MB, no tokenizer is")
        config = {
            "tokenizer_class": original20.INDEX[folder][1],
            "model_max_length": original20.LENGTH,
            **special,
        }
        write_json(made / folder / "tokenizer_config.json", config)
        shutil.copyfile(file, made / folder / file.name)
