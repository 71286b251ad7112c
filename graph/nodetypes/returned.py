"""What a node's function returned, taken apart and checked against what its annotations promise."""

from __future__ import annotations

from typing import Any

from graph.nodetypes.node_type import NodeType
from graph.types import WireType
from graph.values.arrays import SCALARS, freeze


class WrongOutput(TypeError):
    """A node returned something that its annotation does not promise."""


def named(node_type: NodeType, returned: Any) -> dict[str, Any]:
    """The outputs by port.

    Raises:
        WrongOutput: when there are not as many as there are ports.
    """
    if not node_type.returns_tuple:
        return dict.fromkeys(node_type.outputs, returned)
    if not isinstance(returned, tuple) or len(returned) != len(node_type.outputs):
        count = len(node_type.outputs)
        raise WrongOutput(f"it returned a {type(returned).__name__}, not its {count} outputs")
    return dict(zip(node_type.outputs, returned, strict=True))


def checked(port: str, wire: WireType, value: Any) -> Any:
    """The value of an output in its type and frozen, so that nobody can change what others read.

    Raises:
        WrongOutput: when it is of another type.
    """
    value = wire.adapt(value)
    wanted, kind = wire.python, type(value)
    if not isinstance(value, wanted) or (wanted is int and kind is bool):
        raise WrongOutput(f"it returned a {kind.__name__} as {port}, not a {wanted.__name__}")
    if wanted in SCALARS:
        return value if kind is wanted else wanted(value)  # NumPy has a float and a str of its own
    return freeze(value)
