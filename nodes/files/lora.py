"""LoRA files: which layers they change, and by how much. Reads headers only.

LoRA: Low-Rank Adaptation of Large Language Models, Hu et al. 2021 (arXiv 2106.09685). The names are those
that peft and all releases of diffusers have given to the two matrices of a layer.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodes.files.reading import CheckpointError, Stored, read_header, read_json, read_metadata

NAMES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
SETTINGS = "adapter_config.json"  # peft's, beside the weights
METADATA = "lora_adapter_metadata"  # the same, where diffusers keeps it: in the header
ENDINGS = {
    "down": re.compile(
        r"(\.lora_A(\.\w+)?|\.lora_down|\.lora\.down|\.lora_linear_layer\.down|_lora\.down)\.weight$"
    ),
    "up": re.compile(r"(\.lora_B(\.\w+)?|\.lora_up|\.lora\.up|\.lora_linear_layer\.up|_lora\.up)\.weight$"),
    "alpha": re.compile(r"\.alpha$"),
}
OTHER_KINDS = {
    "lora_magnitude_vector": "DoRA",
    ".lokr_": "LoKr",
    ".hada_": "LoHa",
    "lora_B.bias": "LoRA with biases",
    ".oft_": "OFT",
}


@dataclass(frozen=True)
class Change:
    """What a file does to one layer: `scale` times up @ down is added to its weight."""

    down: str  # names of tensors in the file
    up: str
    alpha: str | None  # of a single number: the scale is that over the rank, whatever `scale` says
    rank: int
    scale: float


def read_changes(file: Path, part: str) -> dict[str, Change]:
    """What a file changes, by the names of the layers of `part` ("unet", "prior").

    Raises CheckpointError for a file that is no LoRA, is of a kind that is not supported, or has none for
    that part.
    """
    header, settings = read_header(file), _settings(file, part)
    if settings.get("use_dora"):
        raise CheckpointError(f"{file} is a DoRA, expected a LoRA")
    found: dict[str, dict[str, str]] = {}
    others = set()
    for name in header:
        layer, role = _place(name, file)
        owner, dot, rest = layer.partition(".")
        if owner in ("unet", "prior", "transformer", "text_encoder", "text_encoder_2") and dot:
            if owner != part:
                others.add(owner)
                continue
            layer = rest
        found.setdefault(layer, {})[role] = name
    if not found:
        held = f"only for {', '.join(sorted(others))}" if others else "nothing"
        raise CheckpointError(f"{file} holds {held}, expected a LoRA for a {part}")
    return {layer: _change(layer, roles, header, settings, file) for layer, roles in found.items()}


def _place(name: str, file: Path) -> tuple[str, str]:
    """The layer that a tensor belongs to, and its role in it."""
    for mark, kind in OTHER_KINDS.items():
        if mark in name:
            raise CheckpointError(f"{file} is a {kind} ({name:.80}), expected a LoRA")
    for role, ending in ENDINGS.items():
        match = ending.search(name)
        if match:
            layer = name[: match.start()].removeprefix("base_model.model.").replace(".processor.", ".")
            return (f"{layer}.0" if layer.endswith(".to_out") else layer), role
    raise CheckpointError(f"{file} is no LoRA: it holds {name:.80}")


def _change(
    layer: str,
    roles: Mapping[str, str],
    header: Mapping[str, Stored],
    settings: Mapping[str, Any],
    file: Path,
) -> Change:
    missing = {"down", "up"} - roles.keys()
    if missing:
        raise CheckpointError(f"{file} lacks the {missing.pop()} matrix of {layer}")
    shape = header[roles["down"]].shape
    if not shape or not shape[0]:
        raise CheckpointError(f"{file}: {roles['down']} has the shape {shape}, which no LoRA has")
    rank = shape[0]
    alpha = _of_layer(settings.get("alpha_pattern"), layer, settings.get("lora_alpha", rank), file)
    if type(alpha) not in (int, float) or not math.isfinite(alpha):
        raise CheckpointError(f"{file}: the alpha of {layer} is {alpha!r:.80}, expected a number")
    scale = alpha / math.sqrt(rank) if settings.get("use_rslora") else alpha / rank
    return Change(roles["down"], roles["up"], roles.get("alpha"), rank, scale)


def _of_layer(patterns: Any, layer: str, default: Any, file: Path) -> Any:
    """The value that peft's patterns give to a layer: names, or their ends; `^` begins a whole name."""
    for pattern, value in patterns.items() if isinstance(patterns, dict) else ():
        if not re.fullmatch(r"\^?[\w.]+", pattern):  # a stranger's regular expression could run for ever
            raise CheckpointError(f"{file}: alpha_pattern has {pattern!r:.80}, expected the name of a layer")
        end = pattern.removeprefix("^")
        if layer == end or (layer.endswith(f".{end}") and not pattern.startswith("^")):
            return value
    return default


def _settings(file: Path, part: str) -> Mapping[str, Any]:
    """What rank and alpha are, as diffusers keeps it in the header, or peft beside the file; {} without."""
    stated = read_metadata(file).get(METADATA)
    if stated is not None:
        try:
            settings = json.loads(stated)
        except (ValueError, TypeError, RecursionError):
            settings = None
        if not isinstance(settings, dict):
            raise CheckpointError(f"{file}: {METADATA} in its header is not a JSON object")
        return {name.removeprefix(f"{part}."): value for name, value in settings.items()}
    beside = file.with_name(SETTINGS)
    return read_json(beside) if beside.exists() else {}
