"""What code a node's result depends on, as one sha256: sources are read, nothing is imported.

    code(module) = H(sorted (module, essence of its source)) over the modules that its imports can reach,
                   at any depth, in its own pack and in this project

The engine takes no part: it counts by a layout number (`graph.cache.layout`).
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from graph.cache.layout import PRIVATE
from graph.files.fingerprints import FingerprintIndex
from graph.planning import sources
from graph.planning.essence import KIND, Essence, Import, read
from graph.planning.sources import source_of

PROJECT = "nodes"
"""The top-level package of this project's nodes. A pack is its top-level package alone."""


@dataclass(frozen=True)
class Code:
    """The code of a function or a module with all that it can import."""

    digest: str
    """64 hexadecimal digits, with "private-" in front where a file changed after this process started."""
    modules: frozenset[str]
    changed: frozenset[str]
    """Those of the modules whose files changed after this process started."""


_essences: dict[str, Essence] = {}
_codes: dict[str, Code] = {}


def look_again() -> None:
    """Look whether the sources are as they were when they were read; to be called before keys are made."""
    if sources.look_again():
        _codes.clear()


def forget() -> None:
    """Be as new as in another process."""
    sources.forget()
    _essences.clear()
    _codes.clear()
    _function_text.cache_clear()


def code_of(module: str, memory: FingerprintIndex | None = None) -> Code:
    """A module's code and that of all it imports from its pack and this project, at any depth.

    Neither line endings nor where the code is installed count. `memory` remembers what was read of a text.

    Raises:
        ModuleNotFoundError: without a source.
    """
    if source_of(module) is None:
        raise ModuleNotFoundError(f"the source of {module} is not on this machine", name=module)
    if module not in _codes:
        _codes[module] = _Walk(module, memory).code()
    return _codes[module]


def code_of_function(function: Callable[..., Any], memory: FingerprintIndex | None = None) -> Code:
    """The code of the module that defines a function.

    One that was made inside another function, or has no source file (in a notebook), counts with its byte
    code and with the constants that it closes over.
    """
    inner = inspect.unwrap(function)
    module = inner.__module__
    located = module is not None and source_of(module) is not None
    around = code_of(module, memory) if located else Code("", frozenset(), frozenset())
    if located and "<locals>" not in getattr(inner, "__qualname__", ""):
        return around
    digest = hashlib.sha256((around.digest + _function_text(inner)).encode()).hexdigest()
    return Code(_private(digest, around.changed), around.modules, around.changed)


def _private(digest: str, changed: frozenset[str]) -> str:
    """The digest under a name of this process's own, where the files are not the code that runs."""
    return f"{PRIVATE}{digest}" if changed else digest


class _Walk:
    """The modules that imports can reach from one."""

    def __init__(self, start: str, memory: FingerprintIndex | None) -> None:
        self._memory = memory
        self._tops = {start.partition(".")[0], PROJECT}
        self._found = {start}
        self._waiting = [start]
        self._through: dict[str, str] = {}
        """Names that a package takes from elsewhere ("pack.name pack.module name") -> the package."""

    def code(self) -> Code:
        self._reach_around(self._waiting[0])
        while self._waiting:
            module = self._waiting.pop()
            for item in self._essence(module).imports:
                self._follow(_base(module, item), item.name)
        read = {*self._found, *self._through.values()}
        changed = frozenset(name for name in read if (source := source_of(name)) and source.changed)
        digest = hashlib.sha256()
        for name in sorted(self._found):
            digest.update(f"{name}\0{self._essence(name).digest}\0".encode())
        for line in sorted(self._through):
            digest.update(f"{line}\0".encode())
        return Code(_private(digest.hexdigest(), changed), frozenset(self._found), changed)

    def _follow(self, base: str, name: str) -> None:
        """`import base` (without a name) or `from base import name`."""
        if base.partition(".")[0] not in self._tops:
            return
        if not name:
            self._reach(base)
            return
        is_module = self._reach(f"{base}.{name}")
        if source_of(base) is None:
            return
        listed = self._listed(base, name)
        if listed is not None:
            line = f"{base}.{name} {listed[0]} {listed[1]}"
            if line not in self._through:
                self._through[line] = base
                self._reach_around(base)
                self._follow(*listed)
        elif not is_module:
            self._reach(base)

    def _listed(self, base: str, name: str) -> tuple[str, str] | None:
        """Where a name comes from that a package's `__init__` only passes on."""
        source, essence = source_of(base), self._essence(base)
        if source is None or not source.is_package or not essence.only_imports:
            return None
        found = [item for item in essence.imports if item.bound == name and item.name not in ("", "*")]
        return (_base(base, found[-1]), found[-1].name) if found else None

    def _reach(self, module: str) -> bool:
        """Count a module; whether there is one of this name."""
        if source_of(module) is None:
            return False
        if module not in self._found:
            self._found.add(module)
            self._waiting.append(module)
            self._reach_around(module)
        return True

    def _reach_around(self, module: str) -> None:
        """Count the packages around a module; what their `__init__` imports for others would tie everything
        to everything, so one that does nothing else does not count.
        """
        package = module.rpartition(".")[0]
        while package:
            if source_of(package) is not None and not self._essence(package).only_imports:
                self._reach(package)
            package = package.rpartition(".")[0]

    def _essence(self, module: str) -> Essence:
        source = source_of(module)
        assert source is not None
        if source.sha256 not in _essences:
            _essences[source.sha256] = self._remembered(source.sha256, source.text)
        return _essences[source.sha256]

    def _remembered(self, sha256: str, text: bytes) -> Essence:
        fact = self._memory.recall(sha256, KIND) if self._memory is not None else None
        if fact is not None:
            try:
                return Essence.from_json(fact)
            except (ValueError, TypeError):  # damaged
                pass
        essence = read(text)
        if self._memory is not None:
            self._memory.remember(sha256, KIND, essence.to_json())
        return essence


def _base(module: str, item: Import) -> str:
    """The absolute name of what an import statement in a module takes from."""
    if not item.level:
        return item.base
    source = source_of(module)
    package = module if source is not None and source.is_package else module.rpartition(".")[0]
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - item.level + 1], *filter(None, [item.base])])


@cache
def _function_text(function: Any) -> str:
    text = "\0".join(_function_parts(function, set()))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _function_parts(function: Any, seen: set[int]) -> Iterator[str]:
    """What a function does and what it closes over, as texts."""
    seen.add(id(function))
    code = getattr(function, "__code__", None)
    if code is None:
        yield repr(type(function))
        return
    yield from _code_parts(code)
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:  # not filled yet
            continue
        yield name
        if isinstance(value, FunctionType):
            if id(value) not in seen:
                yield from _function_parts(value, seen)
        else:
            yield _constant(value)


def _code_parts(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_flags))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_parts(constant)
        else:
            yield _constant(constant)


def _constant(value: Any) -> str:
    """A text that is the same for the same constant in every process."""
    if isinstance(value, frozenset | set):
        return f"{type(value).__name__}({sorted(map(_constant, value))})"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__}({[_constant(item) for item in value]})"
    if value is None or value is ... or isinstance(value, str | bytes | int | float | complex):
        return repr(value)
    return f"{type(value).__module__}.{type(value).__qualname__}"
