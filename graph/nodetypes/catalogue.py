"""Every node type by id: this project's, and those of installed packs."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import ModuleType

from graph.nodetypes.node_type import NodeType, Wiring

_BARE = re.compile(r"[a-z][a-z0-9_]*")
_PACKED = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z_][A-Za-z0-9_]*")

PROJECT = "kandinsky"
"""The entry point whose node types have bare ids."""


class Catalogue(Mapping[str, NodeType]):
    """Node types by id.

    A second type with a known id is refused, never silently preferred.
    """

    def __init__(self, node_types: Iterable[NodeType] = ()) -> None:
        self._types: dict[str, NodeType] = {}
        for node_type in node_types:
            self.add(node_type)

    def add(self, node_type: NodeType) -> None:
        """Add a node type.

        Raises:
            ValueError: when the id is taken or is not of the form `name` or `pack/name`, or when something is
                declared unused that the node does not have or that has no default.
        """
        if not (_BARE.fullmatch(node_type.id) or _PACKED.fullmatch(node_type.id)):
            raise ValueError(f"node type id {node_type.id!r} is not of the form name or pack/name")
        known = self._types.get(node_type.id)
        if known is not None and known is not node_type:
            raise ValueError(
                f"node type {node_type.id!r} is declared twice: in {known.function.__module__} "
                f"and in {node_type.function.__module__}"
            )
        _try_unused(node_type)
        self._types[node_type.id] = node_type

    def __getitem__(self, id: str) -> NodeType:
        return self._types[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)


def _try_unused(node_type: NodeType) -> None:
    """Ask what is unused where nothing is linked, and where every input is; planning checks each answer."""
    for linked in (frozenset[str](), frozenset(node_type.inputs)):
        wiring = Wiring(node_type.defaults, {}, linked)
        for port in node_type.outputs:
            node_type.used_for(port, wiring)


def node_types_of(module: ModuleType) -> Iterator[NodeType]:
    """The node types among a module's public names."""
    for value in vars(module).values():
        declared = getattr(value, "node_type", None)
        if isinstance(declared, NodeType):
            yield declared


@cache
def installed() -> Catalogue:
    """The node types of every pack that names its module in the entry-point group `kandinsky.nodes`.

    Raises:
        ValueError: when two packs declare the same id, or a third-party pack declares a bare one.
        ImportError: when a pack cannot be imported; the message names it.
    """
    points = sorted(
        importlib.metadata.entry_points(group="kandinsky.nodes"), key=lambda p: (p.name != PROJECT, p.name)
    )
    catalogue = Catalogue()
    for point in points:
        try:
            module = importlib.import_module(point.value)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a pack is somebody else's code: it may even leave
            raise ImportError(f"pack {point.name!r} cannot be imported: {error}") from error
        for node_type in node_types_of(module):
            if catalogue.get(node_type.id) is node_type:
                continue  # a pack may import a node of another's to call it
            if point.name != PROJECT and "/" not in node_type.id:
                raise ValueError(
                    f"pack {point.name!r} declares the bare node type {node_type.id!r}: expected pack/name"
                )
            catalogue.add(node_type)
    return catalogue
