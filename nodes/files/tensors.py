"""Put the tensors of safetensors files into a network: strictly, lazily, without holding anything twice."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from nodes.files.legacy_keys import SECOND_NAMES, current_key
from nodes.files.reading import CheckpointError, Stored, read_header

if TYPE_CHECKING:
    from torch import Tensor, nn

SHOWN = 3  # of a list of names in a message


def load(
    network: nn.Module,
    files: Sequence[Path],
    dtype: str,
    device: str = "cpu",
    ignored: Collection[str] = (),
    wide: Collection[str] = (),
) -> None:
    """Fill `network`, built on the meta device, with the tensors in `files`, in `dtype` and on `device`.

    Tensors that stay on the CPU in their own dtype are mapped to the file, not copied. `ignored` are endings
    of names that old files have and the network does not, `wide` endings of names that float16 is too narrow
    for: they become float32 then.

    Raises CheckpointError where a tensor is missing, not known, stored twice, or of another shape.
    """
    stored = stored_tensors(files, ignored)
    check(network, stored, files[0].parent)
    fill(network, stored, dtype, device, wide)
    _materialise_buffers(network, device)


def fill(
    module: nn.Module,
    stored: Mapping[str, tuple[str, Stored]],
    dtype: str,
    device: str,
    wide: Collection[str] = (),
) -> None:
    """Put the tensors `stored` (by their names within `module`) into it; others stay as they are."""
    module.load_state_dict(dict(_read(stored, dtype, device, wide)), strict=False, assign=True)
    module.requires_grad_(False).eval()


def stored_tensors(files: Sequence[Path], ignored: Collection[str] = ()) -> dict[str, tuple[str, Stored]]:
    """What the files hold, by the present names of the tensors: name -> (name in the file, entry)."""
    stored: dict[str, tuple[str, Stored]] = {}
    for file in files:
        for name, entry in read_header(file).items():
            if ignored and name.endswith(tuple(ignored)):
                continue
            present = current_key(name)
            if present in stored:
                raise CheckpointError(f"{file} has the tensor {present} a second time")
            stored[present] = (name, entry)
    for second, first in SECOND_NAMES.items():
        if second in stored:
            stored.setdefault(first, stored.pop(second))
    return stored


def stored_bytes(files: Sequence[Path], dtype: str, wide: Collection[str] = ()) -> int:
    """Bytes that the tensors of these files take in `dtype`; `wide` as for `load`."""
    tensors = [item for file in files for item in read_header(file).items()]
    return sum(
        math.prod(entry.shape) * (2 if _kind(name, dtype, wide) != "float32" else 4)
        for name, entry in tensors
    )


def _kind(name: str, dtype: str, wide: Collection[str]) -> str:
    """The dtype that a tensor gets."""
    return "float32" if dtype == "float16" and name.endswith(tuple(wide)) else dtype


def check(network: nn.Module, stored: Mapping[str, tuple[str, Stored]], folder: Path) -> None:
    """Raise CheckpointError unless the files in `folder` hold exactly the tensors that `network` has."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    missing = [name for name in wanted if name not in stored]
    unknown = [name for name in stored if name not in wanted]
    if missing:
        near = get_close_matches(missing[0], unknown, n=1)
        hint = f"; it has {near[0]} instead" if near else ""
        raise CheckpointError(f"the weights in {folder} lack {_some(missing)}{hint}")
    if unknown:
        near = get_close_matches(unknown[0], wanted, n=1)
        hint = f"; the nearest known name is {near[0]}" if near else ""
        raise CheckpointError(
            f"the weights in {folder} hold {_some(unknown)}, which its config does not know{hint}"
        )
    whole = [name for name, (_, entry) in stored.items() if entry.dtype[0] in "IU" or entry.dtype == "BOOL"]
    if whole:
        dtype = stored[whole[0]][1].dtype
        raise CheckpointError(
            f"the weights in {folder} hold whole numbers ({dtype}) in {_some(whole)}, expected floats"
        )
    wrong = [name for name, shape in wanted.items() if stored[name][1].shape != shape]
    if wrong:
        first = wrong[0]
        raise CheckpointError(
            f"the weights in {folder} have another shape than its config says in {_some(wrong)}: "
            f"{first} is {stored[first][1].shape}, expected {wanted[first]}"
        )


def _read(
    stored: Mapping[str, tuple[str, Stored]], dtype: str, device: str, wide: Collection[str]
) -> Iterator[tuple[str, Tensor]]:
    import torch
    from safetensors import SafetensorError, safe_open

    kinds = {name: getattr(torch, _kind(name, dtype, wide)) for name in stored}

    for file in {entry.file: None for _, entry in stored.values()}:
        try:
            with safe_open(file, framework="pt", device="cpu") as opened:
                for name, (original, entry) in stored.items():
                    if entry.file == file:
                        tensor = opened.get_tensor(original)
                        yield name, tensor.to(device, kinds[name] if tensor.is_floating_point() else None)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file} cannot be read: {str(error).splitlines()[0]}") from None


def _materialise_buffers(network: nn.Module, device: str) -> None:
    """Give constant buffers of encoders their values: no file has them, and they were built without data."""
    import torch

    for name, buffer in list(network.named_buffers()):
        if buffer.is_meta:
            owner, _, leaf = name.rpartition(".")
            if leaf == "position_ids":
                values = torch.arange(buffer.shape[-1], device=device).expand(buffer.shape)
            elif leaf == "token_type_ids":
                values = torch.zeros(buffer.shape, dtype=buffer.dtype, device=device)
            else:
                raise NotImplementedError(f"the buffer {name} has no value in any file")
            network.get_submodule(owner).register_buffer(leaf, values, persistent=False)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
