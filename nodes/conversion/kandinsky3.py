"""An original checkpoint of Kandinsky 3 or 3.1 as a folder like those of diffusers.

The original is a folder with kandinsky3.pt, kandinsky3_inpainting.pt and kandinsky3_flash.pt (or some of
them), movq.pt, and flan_ul2_encoder/, which holds the projections that belong to the UNets, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nodes.conversion import autoencoder_names, original3, unet3_names
from nodes.conversion.torch_file import read_tensors
from nodes.conversion.write import Tell, fitted, outline, write_json, write_weights
from nodes.files import tensors
from nodes.files.find_weights import find_weights
from nodes.files.legacy_keys import SECOND_NAMES
from nodes.files.reading import MOST_INDEX_BYTES, CheckpointError, read_json

if TYPE_CHECKING:
    from torch import Tensor


def original_folder(source: Path) -> Path | None:
    """Where in `source` the UNets of an original lie; None where there are none."""
    for folder in (source, source / original3.WEIGHTS):
        if any((folder / file).exists() for file, _, _ in original3.UNETS.values()):
            return folder
    return None


def convert(source: Path, target: Path, tell: Tell) -> None:
    """Make the folder `target` from the original in `source`, and `tell` how far it is.

    Nothing is left of a conversion that fails. Raises CheckpointError for an original with missing or damaged
    files, and where `target` exists; OSError where it cannot be written.
    """
    if target.exists():
        raise CheckpointError(f"{target} exists already")
    text_encoder = source / original3.TEXT_ENCODER
    unets = {folder: parts for folder, parts in original3.UNETS.items() if (source / parts[0]).exists()}
    needed = [source / original3.AUTOENCODER_FILE, *(text_encoder / parts[1] for parts in unets.values())]
    lacking = [str(path.relative_to(source)) for path in needed if not path.exists()]
    if lacking:
        raise CheckpointError(f"{source} lacks {', '.join(lacking)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
        made = Path(temporary, "made")
        _tokenizer(text_encoder, made / "tokenizer")
        _autoencoder(source / original3.AUTOENCODER_FILE, made / "movq", tell)
        for folder, (file, projection, channels) in unets.items():
            _unet(source / file, text_encoder / projection, made / folder, channels, tell)
        _text_encoder(text_encoder, made / "text_encoder", tell)
        for folder, config in original3.SCHEDULERS.items():
            write_json(made / folder / "scheduler_config.json", config)
        write_json(made / "model_index.json", original3.INDEX)
        made.rename(target)


def _unet(file: Path, projection: Path, folder: Path, channels: int, tell: Tell) -> None:
    """The UNet, the token for no prompt, and the projection of the text encoder's states."""
    from nodes.systems.kandinsky3 import unet

    config = {**original3.UNET, "in_channels": channels}

    def rename(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        if name == "null_embedding":
            yield name, tensor.flatten()
        elif name.startswith("unet."):
            yield unet3_names.renamed(name.removeprefix("unet.")), tensor
        else:
            yield unet3_names.projection_renamed(name.removeprefix("projection.")), tensor

    stored = read_tensors(file, nested=True)
    stored |= {f"projection.{name}": tensor for name, tensor in read_tensors(projection).items()}
    found = fitted(outline(unet, config), stored, rename, file, tell)
    write_json(folder / "config.json", config)
    write_weights(folder / "diffusion_pytorch_model.safetensors", found, tell)


def _autoencoder(file: Path, folder: Path, tell: Tell) -> None:
    """MoVQ. Its codebook, which only training needs, is not in the file: a single zero stands for it."""
    import torch

    from nodes.systems.kandinsky22 import movq

    config = original3.AUTOENCODER
    levels, channels = len(config["block_out_channels"]), config["latent_channels"]

    def rename(name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        new, tensor = autoencoder_names.renamed(name, tensor, levels)
        # Both sides have a norm that could look at the latents; the encoder's does not.
        encoder = new.startswith("encoder.")
        replaced = (".norm_layer.", ".") if encoder else (".group_norm.", ".spatial_norm.")
        yield new.replace(*replaced), tensor

    codebook = {"quantize.embedding.weight": torch.zeros(config["num_vq_embeddings"], channels)}
    stored = {**codebook, **read_tensors(file)}
    found = fitted(outline(movq, config), stored, rename, file, tell)
    write_json(folder / "config.json", config)
    write_weights(folder / "diffusion_pytorch_model.safetensors", found, tell)


def _text_encoder(source: Path, folder: Path, tell: Tell) -> None:
    """Safetensors are copied as they are, pickled shards become safetensors one by one."""
    from nodes.encoders import t5

    stated = read_json(source / "config.json")
    known = (*t5.FIELDS, *t5.DERIVED, "model_type")
    config = {name: value for name, value in stated.items() if name in known}
    network = t5.build(config, str(source / "config.json"))
    wanted = network.state_dict().keys()
    write_json(folder / "config.json", {"_class_name": "T5EncoderModel", **config})
    shards = sorted(source.glob("pytorch_model*.bin"))
    if any(source.glob("model*.safetensors")) or not shards:
        for file in find_weights(source, "float16"):
            shutil.copyfile(file, folder / file.name)
        _index(folder)
    else:
        for i, shard in enumerate(shards):
            stored = read_tensors(shard).items()
            kept = {name: tensor for name, tensor in stored if SECOND_NAMES.get(name, name) in wanted}
            name = f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
            write_weights(folder / (name if len(shards) > 1 else "model.safetensors"), kept, tell)
        _index(folder)
    files = find_weights(folder, "float32")
    tensors.check(network, tensors.stored_tensors(files), source)


def _index(folder: Path) -> None:
    """Write which shard holds what, where there are several."""
    from nodes.files.reading import read_header

    shards = sorted(folder.glob("*.safetensors"))
    if len(shards) > 1:
        places: dict[str, Any] = {name: shard.name for shard in shards for name in read_header(shard)}
        write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": places})


def _tokenizer(source: Path, folder: Path) -> None:
    files = [source / name for name in original3.TOKENIZER_FILES if (source / name).is_file()]
    if not files:
        raise CheckpointError(f"{source} has no {' or '.join(original3.TOKENIZER_FILES)}")
    for file in files:
        if file.stat().st_size > MOST_INDEX_BYTES:
            raise CheckpointError(f"{file} is larger than {MOST_INDEX_BYTES >> 20} MB, no tokenizer is")
    write_json(folder / "tokenizer_config.json", original3.TOKENIZER)
    for file in files:
        shutil.copyfile(file, folder / file.name)
