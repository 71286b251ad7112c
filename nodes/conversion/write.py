"""Write the parts of a checkpoint as safetensors and JSON, once every tensor has been seen to fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nodes.files.reading import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn

SHOWN = 3  # of a list of names in a message
Rename = Callable[[str, "Tensor"], Iterable[tuple[str, "Tensor"]]]
"""What becomes of a tensor of the original: new names and tensors."""
Tell = Callable[[str], None]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a config, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_weights(path: Path, tensors: Mapping[str, Tensor], tell: Tell) -> None:
    """Write tensors, each in its own precision, making their folder. Some may lie in the same memory."""
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    taken: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in taken else tensor.contiguous()
        taken.add(place)
    save_file(apart, path, metadata={"format": "pt"})
    tell(f"{path.parent.name}: {len(tensors)} tensors, {path.stat().st_size / 1e9:.2f} GB")


def outline(network: Callable[[Mapping[str, Any]], nn.Module], config: Mapping[str, Any]) -> nn.Module:
    """The network of a config, without data."""
    import torch

    with torch.device("meta"):
        return network(config)


def fitted(
    network: nn.Module, tensors: Mapping[str, Tensor], rename: Rename, file: Path, tell: Tell
) -> dict[str, Tensor]:
    """The tensors of `file` under the names of `network`, which is built on the meta device.

    Those that it has no use for are left out, and told. Raises CheckpointError for tensors that are missing,
    of another shape, or no floats.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found: dict[str, Tensor] = {}
    left_out = []
    for name, tensor in tensors.items():
        shapes = _shapes(rename, name, tensor, file)
        if not shapes.keys() <= wanted.keys():
            left_out.append(name)
            continue
        for new, shape in shapes.items():
            if shape != wanted[new]:
                raise CheckpointError(
                    f"{file}: {name} has the shape {tuple(tensor.shape)}, which makes {new} {shape}, "
                    f"expected {wanted[new]}"
                )
        if not tensor.is_floating_point():
            raise CheckpointError(f"{file}: {name} holds whole numbers ({tensor.dtype}), expected floats")
        for new, part in rename(name, tensor):
            found.setdefault(new, part)
    missing = [name for name in wanted if name not in found]
    if missing:
        raise CheckpointError(f"{file} lacks what becomes {_some(missing)}{_instead(left_out)}")
    if left_out:
        tell(f"{file.name}: left out {_some(left_out)}, which the network does not use")
    return found


def _shapes(rename: Rename, name: str, tensor: Tensor, file: Path) -> dict[str, tuple[int, ...]]:
    """What `rename` would make of a tensor: seen without its data, which a wrong shape could blow up."""
    try:
        return {new: tuple(part.shape) for new, part in rename(name, tensor.to("meta"))}
    except (RuntimeError, IndexError):
        raise CheckpointError(
            f"{file}: {name} has the shape {tuple(tensor.shape)}, which no such tensor has"
        ) from None


def _instead(names: list[str]) -> str:
    return f"; it has {names[0]:.80} instead" if names else ""


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
