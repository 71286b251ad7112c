"""Handles: what counts in the keys of what is made with them."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from nodes import parts
from nodes.parts import Handle, LatentPreview, Lora

PLAIN: Mapping[str, Any] = {
    **dict.fromkeys(("root", "folder", "tokenizer"), Path("/here")),
    "source": "here",
    "revision": "1",
    "weights": (Path("/here/weights.safetensors"),),
    "system": "2.2",
    "variant": "text2img",
    "dtype": "float32",
    "device": "cpu",
    "offload": "none",
    "fingerprint": "1",
    **{name: {"steps": 1} for name in ("config", "recommended", "image_processor", "scheduler", "others")},
    **dict.fromkeys(("embedding_dim", "latent_channels", "latent_factor"), 4),
    "preview": LatentPreview(((0.0, 0.0, 0.0),), (0.0, 0.0, 0.0)),
    "loras": (Lora(Path("/lora"), 0.5),),
    "code": ("nodes.systems.kandinsky22",),
    "describe": None,
}
OTHER: Mapping[str, Any] = {
    **dict.fromkeys(("root", "folder", "tokenizer"), Path("/there")),
    "source": "there",
    "revision": "2",
    "weights": (Path("/there/weights.safetensors"),),
    "system": "2.1",
    "variant": "inpaint",
    "dtype": "float16",
    "device": "cuda",
    "offload": "model",
    "fingerprint": "2",
    **{name: {"steps": 2} for name in ("config", "recommended", "image_processor", "scheduler", "others")},
    **dict.fromkeys(("embedding_dim", "latent_channels", "latent_factor"), 5),
    "preview": LatentPreview(((0.0, 0.0, 1.0),), (0.0, 0.0, 0.0)),
    "loras": (Lora(Path("/lora"), 0.25),),
    "code": ("nodes.systems.kandinsky21",),
    "describe": lambda _: "a part",
}
WHERE = {"source", "revision", "root", "folder", "tokenizer", "weights", "device", "offload", "describe"}
"""Where a part lies and computes, and the words for it."""

HANDLES = [kind for kind in vars(parts).values() if isinstance(kind, type) and issubclass(kind, Handle)]


@pytest.mark.parametrize("kind", HANDLES[1:], ids=lambda kind: kind.__name__)
def test_every_field_counts_but_where_a_part_lies_and_computes(kind: type[Handle]) -> None:
    names = [field.name for field in fields(kind)]
    plain = kind(**{name: PLAIN[name] for name in names})
    for name in names:
        changed = replace(plain, **{name: OTHER[name]})
        assert (changed.cache_key == plain.cache_key) == (name in WHERE), name


def test_every_kind_of_handle_has_keys_of_its_own() -> None:
    assert len(HANDLES) == 7
    made = [kind(**{field.name: PLAIN[field.name] for field in fields(kind)}) for kind in HANDLES[1:]]
    assert len({handle.cache_key for handle in made}) == 6


def test_a_lora_counts_by_its_content_and_weight() -> None:
    kind = parts.MoVQ
    plain = kind(**{field.name: PLAIN[field.name] for field in fields(kind)})
    assert replace(plain, loras=(Lora(Path("/moved"), 0.5),)).cache_key == plain.cache_key
