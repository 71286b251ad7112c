"""What the loader nodes share: the params that say which checkpoint and how, and the way to find it."""

from collections.abc import Sequence
from typing import Annotated

from graph.node import Choices, Environment, Fixed, Wanted
from nodes.checkpoints.devices import resolve_device, resolve_dtype
from nodes.checkpoints.handles import Placement
from nodes.checkpoints.locate import Checkpoint, locate

Source = Annotated[
    str,
    Fixed(),
    "miniature, a folder or a .safetensors file (./my-checkpoint), its name in the models folder, or a hub "
    "id (owner/name).",
]
Revision = Annotated[str, Fixed(), "Branch, tag or commit of a hub checkpoint; empty is its main branch."]
DType = Annotated[
    str,
    Choices("auto", "float32", "float16", "bfloat16"),
    Fixed(),
    "Precision of the weights; auto is float16 on an accelerator and float32 on a CPU.",
]
Device = Annotated[str, Fixed(), "auto, cpu, cuda, mps, or cuda:N for GPU number N."]
Offload = Annotated[
    str,
    Choices("none", "model", "sequential"),
    Fixed(),
    "Saves device memory: model keeps a network there only while it works, sequential only layer by layer.",
]

Folders = dict[str, Sequence[Sequence[str]]]  # part -> the folders it needs, each with its alternative names


def place(environment: Environment, dtype: str, device: str, offload: str) -> Placement:
    """What these params mean on this machine."""
    resolved = resolve_device(device, environment.device)
    return Placement(resolve_dtype(dtype, resolved), resolved, offload)


def find(
    source: str,
    revision: str,
    environment: Environment,
    placement: Placement,
    kind: str,
    folders: Folders,
    wanted: Wanted,
) -> Checkpoint:
    """The checkpoint that `source` means, with the folders that the wanted parts need."""
    needed = [names for part, groups in folders.items() if part in wanted for names in groups]
    return locate(source, revision, environment, kind=kind, folders=needed, dtype=placement.dtype)
