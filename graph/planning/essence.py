"""What of a source text can change a result, as one sha256, and the modules that it imports.

Left out are positions, docstrings, annotations of functions, `if TYPE_CHECKING`, module-level aliases
`X = Annotated[...]` (ranges and help of shared params), the arguments of `@node` other than `version` and
`unused`, and the strings inside `raise`. The walk is an own one because the text of `ast.dump` differs
between versions of Python: fields that are empty do not count, so a version may add some.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

KIND = f"code 1 {sys.version_info[0]}.{sys.version_info[1]}"
"""Under what an essence is remembered; the first number counts up when this file reads a text differently."""

_KEPT_OF_NODE = ("version", "unused")
_NOT_READ = ("annotation", "returns", "type_comment", "kind", "type_ignores", "ctx")


class Import(NamedTuple):
    """One name that an import statement binds."""

    level: int
    """The dots in front of `base`."""
    base: str
    name: str
    """What is taken from `base`, "*" for everything; "" for a plain `import base`."""
    bound: str


class Essence(NamedTuple):
    """What counts of a source text."""

    digest: str
    only_imports: bool
    """It defines nothing of its own: a package's `__init__` that lists what it offers."""
    imports: tuple[Import, ...]

    def to_json(self) -> str:
        """As a text that `from_json` reads."""
        return json.dumps(self)

    @classmethod
    def from_json(cls, text: str) -> Essence:
        """Raises ValueError or TypeError for a text that `to_json` did not make."""
        digest, only_imports, imports = json.loads(text)
        return cls(digest, only_imports, tuple(Import(*item) for item in imports))


def read(source: bytes) -> Essence:
    """The essence of a module's source text. One that is no Python of this version counts byte for byte."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Essence(hashlib.sha256(source).hexdigest(), False, ())
    digest = hashlib.sha256("\0".join(_tokens(tree)).encode())
    return Essence(digest.hexdigest(), _only_imports(tree), tuple(_imports(tree)))


def _tokens(tree: ast.Module) -> Iterator[str]:
    """The tree as texts, without recursion: a sum of a thousand terms is a thousand levels deep."""
    tree.body = [statement for statement in tree.body if not _is_alias(statement)]
    stack: list[tuple[Any, bool]] = [(tree, False)]
    while stack:
        item, raised = stack.pop()
        if isinstance(item, ast.JoinedStr) and raised:
            yield "string"
        elif isinstance(item, ast.AST):
            yield type(item).__name__
            raised = raised or isinstance(item, ast.Raise)
            for name, value in reversed(list(_fields(item))):
                stack += [(value, raised), (name, False)]
        elif isinstance(item, list):
            yield f"[{len(item)}]"
            stack.extend((value, raised) for value in reversed(item))
        elif isinstance(item, _Constant):
            yield "string" if raised and isinstance(item.value, str) else item.text()
        else:
            yield str(item)


class _Constant(NamedTuple):
    value: Any

    def text(self) -> str:
        # Python refuses to write very long numbers in decimal.
        value = hex(self.value) if type(self.value) is int else repr(self.value)
        return f"{type(self.value).__name__} {value}"


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """The fields of a node that count, by name."""
    if isinstance(node, ast.Constant):
        yield "value", _Constant(node.value)
        return
    for name, value in ast.iter_fields(node):
        if name in _NOT_READ and not (name == "annotation" and isinstance(node, ast.AnnAssign)):
            continue
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            value = list(_statements(value))
        elif isinstance(node, ast.JoinedStr):
            value = list(_merged(value))
        elif isinstance(node, ast.Call) and name == "keywords" and _is_node(node.func):
            value = [keyword for keyword in value if keyword.arg in _KEPT_OF_NODE]
        if value is not None and value != []:
            yield name, value


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Without texts that nothing reads and without what only a type checker reads."""
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            if isinstance(statement.value.value, str):
                continue
        elif isinstance(statement, ast.If) and _is_for_checkers(statement):
            yield from _statements(statement.orelse)
            continue
        yield statement


def _merged(parts: Iterable[ast.expr]) -> Iterator[ast.expr]:
    """The parts of an f-string, however its constant ones were split."""
    text = ""
    for part in parts:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield part
    if text:
        yield ast.Constant(text)


def _is_for_checkers(condition: ast.If) -> bool:
    return _named(condition.test) == "TYPE_CHECKING"


def _is_alias(statement: ast.stmt) -> bool:
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    return isinstance(value, ast.Subscript) and _named(value.value) == "Annotated"


def _is_node(function: ast.expr) -> bool:
    return _named(function) == "node"


def _named(expression: ast.expr) -> str:
    """The last part of a dotted name, "" for any other expression."""
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""


def _only_imports(tree: ast.Module) -> bool:
    return all(
        isinstance(statement, ast.Import | ast.ImportFrom) or _is_about_itself(statement)
        for statement in _statements(tree.body)
    )


def _is_about_itself(statement: ast.stmt) -> bool:
    """`__all__ = [...]`, `__version__ = "1.0"`."""
    if not isinstance(statement, ast.Assign):
        return False
    try:
        ast.literal_eval(statement.value)
    except ValueError:
        return False
    return all(isinstance(t, ast.Name) and t.id.startswith("__") for t in statement.targets)


def _imports(tree: ast.Module) -> Iterator[Import]:
    """Every import that can happen, inside functions too."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Import):
            for name in node.names:
                yield Import(0, name.name, "", name.asname or name.name.partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield Import(node.level, node.module or "", name.name, name.asname or name.name)
        elif isinstance(node, ast.If) and _is_for_checkers(node):
            stack += reversed(node.orelse)
        else:
            stack += reversed(list(ast.iter_child_nodes(node)))
