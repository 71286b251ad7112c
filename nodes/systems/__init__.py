"""In what the generations of Kandinsky differ: one file each. The stages ask here, by a handle's system.

The file is looked up by name, so that a change in one generation is no change in the results of another: a
handle states the file of its own (`graph.types.Handle.code`).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from nodes.systems.system import System

_FILES = {"2.0": "kandinsky20", "2.1": "kandinsky21", "2.2": "kandinsky22", "3": "kandinsky3"}

NAMES = tuple(_FILES)
"""The generations, oldest first."""


def module_of(name: str) -> str:
    """The module that says in what a generation differs. Raises KeyError for one that is not in NAMES."""
    return f"{__name__}.{_FILES[name]}"


@cache
def system_of(name: str) -> System:
    """In what a generation differs. Raises KeyError for one that is not in NAMES."""
    system: System = import_module(module_of(name)).SYSTEM
    return system
