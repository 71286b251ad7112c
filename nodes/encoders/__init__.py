"""The networks that read prompts: one file each, chosen by `model_type` in the encoder's config.json."""

from nodes.encoders.clip import CLIP
from nodes.encoders.encoder import Encoder
from nodes.encoders.multilingual_clip import MULTILINGUAL_CLIP
from nodes.encoders.t5 import T5
from nodes.encoders.two_encoders import MODEL_TYPE, TWO_ENCODERS
from nodes.files.reading import CheckpointError
from nodes.parts import TextEncoder

ENCODERS: dict[str, Encoder] = {
    "clip_text_model": CLIP,
    "xlm-roberta": MULTILINGUAL_CLIP,
    "M-CLIP": MULTILINGUAL_CLIP,  # what diffusers writes when it saves one again
    "t5": T5,
    MODEL_TYPE: TWO_ENCODERS,
}


def encoder_of(handle: TextEncoder) -> Encoder:
    """How the encoder that `handle` names works. Raises CheckpointError for one that no Kandinsky has."""
    kind = handle.config.get("model_type", "clip_text_model")
    if kind not in ENCODERS:
        raise CheckpointError(
            f"{handle.folder}/config.json: model_type is {kind!r:.80}, expected one of {', '.join(ENCODERS)}"
        )
    return ENCODERS[kind]
