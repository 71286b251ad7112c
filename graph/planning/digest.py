"""What code a node's result depends on, as one sha256: sources are read, nothing is imported."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

PROJECT = ("graph", "nodes", "ui")
"""The top-level packages of this project; they count as one. A pack is its top-level package alone."""

_SPACE = r"(?:[ \t]|\\\n)*"
# Found so, import statements take far less time than with a parser. What only looks like one (in a docstring)
# at worst names a module too many.
_IMPORT = re.compile(
    rf"\b(?:from\b{_SPACE}([.\w]+){_SPACE}import\b{_SPACE}(\((?:[^)#]|#[^\n]*\n)*\)|(?:[\w., \t]|\\\n)*)"
    r"|import\b((?:[\w., \t]|\\\n)*))"
)
_COMMENT = re.compile(r"#[^\n]*")
_NAME = re.compile(r"\s*([.\w]+)")


@cache
def code_digest(module: str) -> str:
    """The sha256 (hex) of a module's source and of all it imports from its project or pack, at any depth.

    Neither line endings nor where the code is installed count. Raises ModuleNotFoundError without a source.
    """
    if _source(module) is None:
        raise ModuleNotFoundError(f"the source of {module} is not on this machine", name=module)
    found = {module}
    around: set[str] = set()
    waiting = [module]
    while waiting:
        named, packages = _imports(waiting.pop())
        around |= packages
        waiting += named - found
        found |= named
    digest = hashlib.sha256()
    for name in sorted(found | around):
        digest.update(f"{name}\0{_source_digest(name)}\0".encode())
    return digest.hexdigest()


@cache
def function_digest(function: Callable[..., Any]) -> str:
    """The `code_digest` of the module that defines a function.

    One that was made inside another function, or has no source file (in a notebook), counts with its byte
    code and with the constants that it closes over.
    """
    inner = inspect.unwrap(function)
    module = inner.__module__
    located = module is not None and _source(module) is not None
    if located and "<locals>" not in getattr(inner, "__qualname__", ""):
        return code_digest(module)
    digest = hashlib.sha256((code_digest(module) if located else "").encode())
    for part in _function_parts(inner, set()):
        digest.update(part.encode("utf-8", "backslashreplace") + b"\0")
    return digest.hexdigest()


@cache
def _imports(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """What a module imports from its own project or pack: the modules it names, and the packages around them.

    A package that is only around a named module counts with its own source and no more: what it imports for
    others (this project's `nodes` imports every node) would tie everything to everything.
    """
    source = _source(module)
    assert source is not None
    package = module if _is_package(module) else module.rpartition(".")[0]
    named = frozenset(_imported(source.decode("utf-8", "replace"), package, _group(module)))
    names = (name.split(".") for name in (module, *named))
    around = {".".join(parts[:length]) for parts in names for length in range(1, len(parts))}
    return named, frozenset(name for name in around if _source(name) is not None)


def _imported(text: str, package: str, group: str) -> Iterator[str]:
    """The modules of a group that a source text imports."""
    for base, items in _statements(text, package):
        if not base:
            yield from (item for item in items if _group(item) == group and _source(item) is not None)
        elif _group(base) == group and _source(base) is not None:
            modules = [name for item in items if _source(name := f"{base}.{item}") is not None]
            yield from modules
            if not items or len(modules) < len(items):  # something that the base itself defines
                yield base


def _statements(text: str, package: str) -> Iterator[tuple[str, list[str]]]:
    """The import statements of a source text: what stands after "from" ("" without it), and the names."""
    for base, names, plain in _IMPORT.findall(text):
        listed = _COMMENT.sub("", (names or plain).replace("\\\n", " ")).strip(" \t()")
        items = [match[1] for item in listed.split(",") if (match := _NAME.match(item))]
        level = len(base) - len(base.lstrip("."))
        if level:
            above = package.split(".")[: len(package.split(".")) - level + 1]
            base = ".".join([*above, *filter(None, [base[level:]])])
        yield base, items


def _group(module: str) -> str:
    top = module.partition(".")[0]
    return PROJECT[0] if top in PROJECT else top


@cache
def _source(module: str) -> bytes | None:
    """A module's source with "\\n" as line ends; None where there is none."""
    path = _path(module)
    try:
        return path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n") if path else None
    except OSError:
        return None


@cache
def _source_digest(module: str) -> str:
    return hashlib.sha256(_source(module) or b"").hexdigest()


def _is_package(module: str) -> bool:
    path = _path(module)
    return path is not None and path.name == "__init__.py"


@cache
def _path(module: str) -> Path | None:
    top, *rest = module.split(".")
    for folder in _folders(top):
        place = folder.joinpath(*rest)
        for path in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if path.is_file():
                return path
    # What no package path leads to: a script, a test, a module made from a file.
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(file) if file and file.endswith(".py") and Path(file).is_file() else None


@cache
def _folders(top: str) -> tuple[Path, ...]:
    """Where the modules of a top-level package lie."""
    if top in PROJECT:
        return (Path(__file__).parents[2] / top,)
    loaded = getattr(sys.modules.get(top), "__path__", None)
    if loaded is None:
        try:
            spec = find_spec(top)
        except (ImportError, ValueError):
            return ()
        if spec is None:
            return ()
        loaded = spec.submodule_search_locations
        if loaded is None:  # a single file
            return (Path(spec.origin).with_suffix(""),) if spec.origin else ()
    return tuple(map(Path, loaded))


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
