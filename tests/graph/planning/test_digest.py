"""The digest of a node's code changes with all the code it uses, with nothing else, and imports nothing."""

import ast
import importlib
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.planning import digest
from graph.planning.digest import code_digest, function_digest

SOURCES = {
    "__init__.py": "from . import setting\n",
    "setting.py": "X = 1\n",
    "node.py": "from pack.lower import helper\n\n\ndef run(x):\n    from .late import late\n    return x\n",
    "lower/__init__.py": "",
    "lower/helper.py": "import math\nfrom ..far import (  # a ) in a comment\n    VALUE,\n)\n",
    "far.py": "VALUE = 1\n",
    "late.py": "def late(): pass\n",
    "unrelated.py": "import pack.node\n",
}


OTHERS = ("unrelated.py", "setting.py")
"""What `node.py` does not import: the second is imported by the package around it only."""


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "pack"
    for name, source in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        del sys.modules[name]
    forget()


def forget() -> None:
    """Be as new as in another process."""
    for name in (
        "code_digest",
        "function_digest",
        "_imports",
        "_source",
        "_source_digest",
        "_path",
        "_folders",
    ):
        getattr(digest, name).cache_clear()
    importlib.invalidate_caches()


def names_in(text: str, package: str) -> set[str]:
    """Every dotted name that may be a module in the import statements of a text."""
    found = set()
    for base, items in digest._statements(text, package):
        found |= {base, *(f"{base}.{item}" for item in items)} if base else set(items)
    return found


def covered(module: str) -> set[str]:
    """The modules that a module imports, and the packages around them."""
    return set().union(*digest._imports(module))


def fresh(module: str) -> str:
    forget()
    return code_digest(module)


@pytest.mark.parametrize("name", [name for name in SOURCES if name not in OTHERS])
def test_every_module_that_is_imported_counts(pack: Path, name: str) -> None:
    before = fresh("pack.node")
    (pack / name).write_text(SOURCES[name] + "Y = 2\n")
    assert fresh("pack.node") != before


def test_what_is_not_imported_does_not_count(pack: Path) -> None:
    before = fresh("pack.node")
    for name in OTHERS:
        (pack / name).write_text("")
    (pack / "new.py").write_text("")
    assert fresh("pack.node") == before


def test_line_endings_and_the_place_do_not_count(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fresh("pack.node")
    for name, source in SOURCES.items():
        (pack / name).write_bytes(source.replace("\n", "\r\n").encode())
    assert fresh("pack.node") == before
    pack.rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved").rename(tmp_path / "elsewhere" / "pack")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    assert fresh("pack.node") == before


def test_a_pack_that_uses_the_engine_counts_alone(pack: Path) -> None:
    (pack / "far.py").write_text("import graph.node\nimport numpy\n")
    forget()
    assert covered("pack.far") == {"pack"}


def test_circles_end(pack: Path) -> None:
    (pack / "far.py").write_text("import pack.node\n")
    assert len(fresh("pack.node")) == 64


def test_a_pack_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "lonely_pack.py").write_text("X = 1\n")
    before = fresh("lonely_pack")
    (tmp_path / "lonely_pack.py").write_text("X = 2\n")
    assert fresh("lonely_pack") != before


def test_a_module_without_a_source() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
        code_digest("nothing_of_that_name")


def test_nothing_is_imported(pack: Path) -> None:
    (pack / "far.py").write_text("raise RuntimeError('imported')\n")
    fresh("pack.node")
    assert "pack.far" not in sys.modules
    root = Path(digest.__file__).parents[2]
    code = (
        "import sys, types; graph = types.ModuleType('graph');"
        "graph.__path__ = ['graph']; sys.modules['graph'] = graph;"
        "from graph.planning.digest import code_digest; code_digest('graph.node');"
        "unwanted = {'graph.node', 'graph.values.arrays', 'numpy', 'torch'};"
        "assert not unwanted & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)


def test_the_project_counts_as_one() -> None:
    assert {"graph.values.arrays", "graph"} <= covered("graph.values.codec")
    assert digest._group("nodes.kandinsky.prior") == digest._group("graph.node") != digest._group("pack.node")


def test_every_import_statement_of_this_project_and_of_the_library_is_found() -> None:
    package = "a.b.c.d.e.f"
    paths = [
        *Path(digest.__file__).parents[2].glob("[gn][ro][ad][pe]*/**/*.py"),
        *Path(ast.__file__).parent.glob("*.py"),
    ]
    assert len(paths) > 100
    for path in paths[::2]:
        text = path.read_text(encoding="utf-8", errors="replace")
        found = names_in(text, package)
        for item in ast.walk(ast.parse(text)):
            if isinstance(item, ast.Import):
                assert {name.name for name in item.names} <= found, path
            elif isinstance(item, ast.ImportFrom):
                above = package.split(".")[: 7 - item.level] if item.level else []
                base = ".".join([*above, *filter(None, [item.module])])
                assert {base, *(f"{base}.{n.name}" for n in item.names if n.name != "*")} <= found, path


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a.b as c, d ; import e # f", {"a.b", "d", "e"}),
        ("if x: from a import b", {"a", "a.b"}),
        ("from a import \\\n    b, \\\n    c", {"a", "a.b", "a.c"}),
        (
            "from . import b\nfrom .c import *\nfrom ..d import (e as f,)",
            {"p.q", "p.q.b", "p.q.c", "p.d", "p.d.e"},
        ),
        ("\timport a\r", {"a"}),
        ("important = 1\nfromage = 2", set()),
    ],
)
def test_forms_of_import(text: str, names: set[str]) -> None:
    assert names_in(text, "p.q") == names


# Functions


def test_a_function_counts_as_its_module(pack: Path) -> None:
    forget()
    node = importlib.import_module("pack.node")
    assert function_digest(node.run) == code_digest("pack.node")
    (pack / "far.py").write_text("VALUE = 2\n")
    before = function_digest(node.run)
    forget()
    assert function_digest(node.run) != before


def made(constant: Any, helper: Callable[..., Any] | None = None) -> Callable[..., Any]:
    def run(x: int) -> Any:
        return (x, constant, helper)

    return run


def test_functions_made_in_functions_count_with_what_they_close_over() -> None:
    def one(x: int) -> int:
        return x + 1

    def two(x: int) -> int:
        return x + 2

    different: list[Callable[..., Any]] = [one, two, made(1), made(1.0), made(True), made("1"), made((1,))]
    different += [made(1, one), made(1, two), lambda x: x, lambda x: -x]
    assert len({function_digest(function) for function in different}) == len(different)
    assert function_digest(made(1)) == function_digest(made(1))
    assert function_digest(made({"a", "b", "c"})) == function_digest(made({"c", "b", "a"}))


def test_functions_that_close_over_themselves() -> None:
    def run(x: int) -> int:
        return run(x - 1) if x else 0

    assert len(function_digest(run)) == 64


def test_functions_of_a_notebook() -> None:
    def defined(body: str) -> Callable[..., Any]:
        module = types.ModuleType("notebook")
        exec(f"def run(x):\n    return {body}", module.__dict__)
        return module.run  # type: ignore[no-any-return]

    assert function_digest(defined("x + 1")) == function_digest(defined("x + 1"))
    assert function_digest(defined("x + 1")) != function_digest(defined("x + 2"))
    assert function_digest(defined("x in {'a', 'b'}")) != function_digest(defined("x in {'a', 'c'}"))
    assert function_digest(defined("(lambda: 1)()")) != function_digest(defined("(lambda: 2)()"))


def test_keys_are_the_same_in_every_process() -> None:
    code = (
        "from graph.planning.digest import function_digest, code_digest\n"
        "def make(s):\n def run(x): return x in {'a', 'b', 'c'}, s\n return run\n"
        "print(function_digest(make({'x', 'y', 'z'})), code_digest('graph.values.codec'))"
    )
    root = Path(digest.__file__).parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
