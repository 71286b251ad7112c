"""The networks that read prompts: one file each, chosen by `model_type` in the encoder's config.json.

The file is looked up by name, so that a change in one network is no change in what another reads: a handle
states the file of its own (`graph.types.Handle.code`).
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from nodes.encoders.encoder import Encoder
from nodes.files.reading import CheckpointError
from nodes.parts import TextEncoder

_FILES = {
    "clip_text_model": "clip",
    "xlm-roberta": "multilingual_clip",
    "M-CLIP": "multilingual_clip",  # what diffusers writes when it saves one again
    "t5": "t5",
    "kandinsky-2.0": "two_encoders",
}


def module_of(config: Mapping[str, Any]) -> str | None:
    """The module of the encoder with this config.json; None for one that no Kandinsky has."""
    kind = config.get("model_type", "clip_text_model")
    file = _FILES.get(kind) if isinstance(kind, str) else None
    return f"{__name__}.{file}" if file is not None else None


def encoder_of(handle: TextEncoder) -> Encoder:
    """How the encoder that `handle` names works. Raises CheckpointError for one that no Kandinsky has."""
    module = module_of(handle.config)
    if module is None:
        kind = handle.config.get("model_type")
        raise CheckpointError(
            f"{handle.folder}/config.json: model_type is {kind!r:.80}, expected one of {', '.join(_FILES)}"
        )
    encoder: Encoder = import_module(module).ENCODER
    return encoder
