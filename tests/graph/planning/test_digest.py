"""The digest of a node's code changes with all the code it uses, with nothing else, and imports nothing."""

import importlib
import os
import shutil
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graph.cache.layout import PRIVATE
from graph.files.fingerprints import FingerprintIndex
from graph.planning import digest, essence, sources
from graph.planning.digest import code_of, code_of_function
from graph.planning.essence import read

ROOT = Path(digest.__file__).parents[2]

NODE = """import math
from typing import Annotated
from graph.node import Range, node
from pack.lower import helper
from pack.offered import offer
from pack.params import Amount
import nodes.batches

STEP = 0.5


class Table:
    width = 3


@node(title="Run", group="Pack", version=1)
def run(x: int, *, amount: Amount = 1.0) -> float:
    \"\"\"Runs.\"\"\"
    from .late import late

    if x < 0:
        raise ValueError(f"{x} is below 0")
    return late(x) * STEP * Table.width * helper.half(amount) + sum([1, 2])
"""

SOURCES = {
    "__init__.py": "from . import setting\n",
    "setting.py": "X = 1\n",
    "node.py": NODE,
    "lower/__init__.py": "",
    "lower/helper.py": "import math\nfrom ..far import (  # a ) in a comment\n    VALUE,\n)\n\n\n"
    "def half(x: float) -> float:\n    return x / 2\n",
    "far.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack import hints\nVALUE = 1\n",
    "late.py": "def late(x): return x\n",
    "params.py": "from typing import Annotated\nfrom graph.node import Range\n\n"
    'Amount = Annotated[float, Range(0.0, 1.0, 0.1), "How much."]\n',
    "offered/__init__.py": "from pack.offered.mine import offer\nfrom pack.offered.other import second\n",
    "offered/mine.py": "def offer(): pass\n",
    "offered/other.py": "def second(): pass\ndef offer(): pass\n",
    "hints.py": "H = 1\n",
    "unrelated.py": "import pack.node\n",
}


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "pack"
    for name, source in SOURCES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sources, "STARTED_NS", time.time_ns() + 10**12)
    digest.forget()
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "pack"]:
        del sys.modules[name]
    digest.forget()


def fresh(module: str = "pack.node") -> str:
    """The digest that another process would find."""
    digest.forget()
    importlib.invalidate_caches()
    return code_of(module).digest


MUST_CHANGE = [
    ("a constant", "node.py", "STEP = 0.5", "STEP = 0.25"),
    ("the type of a constant", "node.py", "sum([1, 2])", "sum([1, 2.0])"),
    ("a default", "node.py", "= 1.0)", "= 2.0)"),
    ("an operator", "node.py", "* STEP", "/ STEP"),
    ("the order of terms", "node.py", "[1, 2]", "[2, 1]"),
    ("a class attribute", "node.py", "width = 3", "width = 4"),
    ("the version of the node", "node.py", "version=1", "version=2"),
    ("what is unused", "node.py", "version=1", "version=1, unused=lambda port, wiring: ('amount',)"),
    ("what is raised", "node.py", "ValueError", "TypeError"),
    ("when it is raised", "node.py", "x < 0", "x < 1"),
    ("a helper", "lower/helper.py", "x / 2", "x / 3"),
    ("what a helper imports", "far.py", "VALUE = 1", "VALUE = 2"),
    ("a module that is imported lazily", "late.py", "return x", "return -x"),
    ("a function that a package passes on", "offered/mine.py", "pass", "return 1"),
    ("where a package takes it from", "offered/__init__.py", "mine import", "other import"),
    ("a package around that does more than import", "lower/__init__.py", "", "import math; math.e = 3"),
    ("a package around that imports and does more", "__init__.py", "import setting", "import setting; Y = 1"),
]
MUST_NOT_CHANGE = [
    ("a comment", "node.py", "STEP = 0.5", "STEP = 0.5  # half"),
    ("a docstring", "node.py", "Runs.", "It runs."),
    ("no docstring", "node.py", '    """Runs."""\n', ""),
    (
        "reformatting",
        "node.py",
        "def run(x: int, *, amount: Amount = 1.0)",
        "def run(\n    x: int,\n    *, amount:Amount=1.00,\n)",
    ),
    ("brackets", "node.py", "return late(x)", "return (late(x))"),
    ("quotes", "node.py", '"Pack"', "'Pack'"),
    ("title and group", "node.py", 'title="Run", group="Pack"', 'title="Go", group="Other", io=True'),
    ("annotations", "node.py", "x: int", "x: Annotated[int, Range(0, 5)]"),
    ("the text of an error", "node.py", "is below 0", "is too small"),
    ("the range of a shared param", "params.py", "Range(0.0, 1.0", "Range(0.0, 9.0"),
    ("the step of a shared param", "params.py", "0.1)", "0.2)"),
    ("the help of a shared param", "params.py", "How much.", "How much there is."),
    ("an unrelated module", "unrelated.py", "import pack.node", "X = 9"),
    ("what a package imports for others", "setting.py", "X = 1", "X = 2"),
    ("what a package passes on to others", "offered/other.py", "pass", "return 1"),
    ("which others it passes on", "offered/__init__.py", "import second", "import second as third"),
    ("the version of a pack", "__init__.py", "from", "__version__ = '2.0'\nfrom"),
    ("what only a type checker reads", "hints.py", "H = 1", "H = 2"),
    ("which types a checker reads", "far.py", "import hints", "import unrelated"),
]


@pytest.mark.parametrize(
    ("file", "old", "new"), [p[1:] for p in MUST_CHANGE], ids=[p[0] for p in MUST_CHANGE]
)
def test_code_counts(pack: Path, file: str, old: str, new: str) -> None:
    before = fresh()
    edit(pack / file, old, new)
    assert fresh() != before


@pytest.mark.parametrize(
    ("file", "old", "new"), [p[1:] for p in MUST_NOT_CHANGE], ids=[p[0] for p in MUST_NOT_CHANGE]
)
def test_what_cannot_change_a_result_does_not_count(pack: Path, file: str, old: str, new: str) -> None:
    before = fresh()
    edit(pack / file, old, new)
    assert fresh() == before


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_line_endings_and_the_place_do_not_count(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fresh()
    for name, source in SOURCES.items():
        (pack / name).write_bytes(source.replace("\n", "\r\n").encode())
    assert fresh() == before
    pack.rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "moved").rename(tmp_path / "elsewhere" / "pack")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    assert fresh() == before


def test_a_pack_counts_with_what_it_takes_from_this_project_and_without_the_engine(pack: Path) -> None:
    reached = code_of("pack.node").modules
    assert "nodes.batches" in reached
    assert not [name for name in reached if name.partition(".")[0] not in ("pack", "nodes")]
    assert "nodes" not in reached  # its `__init__` only imports


def test_a_name_that_this_project_offers_counts_as_the_module_that_has_it(pack: Path) -> None:
    (pack / "far.py").write_text("from nodes import resize\n")
    digest.forget()
    reached = code_of("pack.far").modules
    assert "nodes.picture.resize" in reached
    assert "nodes.kandinsky.prior" not in reached


def test_circles_end(pack: Path) -> None:
    (pack / "far.py").write_text("import pack.node\n")
    assert len(fresh()) == 64


def test_a_pack_of_one_file(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "lonely_pack.py").write_text("X = 1\n")
    before = fresh("lonely_pack")
    (tmp_path / "lonely_pack.py").write_text("X = 2\n")
    assert fresh("lonely_pack") != before


def test_a_module_without_a_source() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
        code_of("nothing_of_that_name")


def test_a_file_that_is_no_python_counts_byte_for_byte(pack: Path) -> None:
    before = fresh()
    (pack / "late.py").write_text("def late(:\n")
    broken = fresh()
    (pack / "late.py").write_text("def late(: \n")
    assert len({before, broken, fresh()}) == 3


def test_nothing_is_imported(pack: Path) -> None:
    (pack / "far.py").write_text("raise RuntimeError('imported')\n")
    fresh()
    assert not {"pack", "pack.far", "pack.node"} & set(sys.modules)


def test_long_and_deep_texts_are_read() -> None:
    sums = " + ".join(["1"] * 700)
    assert read(f"X = {sums}".encode()).digest != read(f"X = {sums} + 1".encode()).digest


def test_what_was_read_of_a_text_is_remembered(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = FingerprintIndex(tmp_path / "index.sqlite")
    first = code_of("pack.node", index)
    digest.forget()
    monkeypatch.setattr(digest, "read", lambda _: pytest.fail("read again"))
    assert code_of("pack.node", FingerprintIndex(tmp_path / "index.sqlite")) == first


def test_a_damaged_memory_is_none(pack: Path, tmp_path: Path) -> None:
    first = code_of("pack.node")
    index = FingerprintIndex(tmp_path / "index.sqlite")
    for source in [source for source in sources._read.values() if source is not None]:
        index.remember(source.sha256, essence.KIND, "[1]")
    digest.forget()
    assert code_of("pack.node", index) == first


# Files that change under a running process


def test_a_file_that_changes_under_a_process_makes_its_code_private(pack: Path) -> None:
    before = code_of("pack.node")
    assert not before.changed
    (pack / "late.py").write_text("def late(x): return 2 * x\n")
    digest.look_again()
    after = code_of("pack.node")
    assert after.changed == {"pack.late"}
    assert after.digest.startswith(PRIVATE)
    assert not code_of("pack.far").changed
    (pack / "late.py").write_text(SOURCES["late.py"])
    digest.look_again()  # it may have been imported in between
    assert code_of("pack.node").changed == {"pack.late"}


def test_a_file_that_was_only_touched_is_the_same(pack: Path) -> None:
    before = code_of("pack.node")
    os.utime(pack / "late.py", ns=(1, 1))
    (pack / "far.py").write_text(SOURCES["far.py"])
    digest.look_again()
    assert code_of("pack.node") == before


def test_a_file_that_goes_has_changed(pack: Path) -> None:
    code_of("pack.node")
    (pack / "late.py").unlink()
    digest.look_again()
    assert code_of("pack.node").changed == {"pack.late"}


def test_a_file_that_is_newer_than_the_process_has_changed(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "STARTED_NS", (pack / "late.py").stat().st_ctime_ns)
    os.utime(pack / "late.py", ns=(1, 1))  # as a copy that keeps its time
    assert code_of("pack.late").changed == {"pack.late"}


# This project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of this project's nodes that may be edited."""
    shutil.copytree(
        ROOT / "nodes", tmp_path / "nodes", ignore=lambda folder, names: _no_source(folder, names)
    )
    folders = sources._folders
    monkeypatch.setattr(
        sources, "_folders", lambda top: (tmp_path / "nodes",) if top == "nodes" else folders(top)
    )
    monkeypatch.setattr(sources, "STARTED_NS", time.time_ns() + 10**12)
    # `forget` empties the caches of the functions it knows.
    monkeypatch.setattr(sources._folders, "cache_clear", lambda: None, raising=False)
    digest.forget()
    yield tmp_path / "nodes"
    monkeypatch.undo()
    digest.forget()


def _no_source(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not (name.endswith(".py") or (Path(folder) / name).is_dir())]


STAGES = ("kandinsky.unet_denoise", "kandinsky.movq_decode", "kandinsky.text_encode", "picture.resize")


def codes() -> dict[str, str]:
    return {name: fresh(f"nodes.{name}") for name in (*STAGES, "systems.kandinsky22", "systems.kandinsky20")}


def test_a_comment_anywhere_changes_no_code(project: Path) -> None:
    before = codes()
    for path in project.rglob("*.py"):
        path.write_text(path.read_text() + "# a comment\n")
    assert codes() == before


def test_the_network_of_one_system_is_no_code_of_another(project: Path) -> None:
    before = codes()
    with (project / "networks" / "unet20.py").open("a") as file:
        file.write("ANOTHER = 1\n")
    with (project / "encoders" / "t5.py").open("a") as file:
        file.write("ANOTHER = 1\n")
    changed = {name for name, code in codes().items() if code != before[name]}
    assert changed == {"systems.kandinsky20"}


def test_a_downloader_is_no_code_of_a_stage(project: Path) -> None:
    before = codes()
    with (project / "checkpoints" / "downloading.py").open("a") as file:
        file.write("ANOTHER = 1\n")
    assert codes() == before


# Functions


def test_a_function_counts_as_its_module(pack: Path) -> None:
    (pack / "plain.py").write_text("def run(): pass\n")
    digest.forget()
    node = importlib.import_module("pack.plain")
    assert code_of_function(node.run) == code_of("pack.plain")


def function_digest(function: Callable[..., Any]) -> str:
    return code_of_function(function).digest


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
        "from graph.planning.digest import code_of_function, code_of\n"
        "def make(s):\n def run(x): return x in {'a', 'b', 'c'}, s\n return run\n"
        "print(code_of_function(make({'x', 'y', 'z'})).digest, code_of('nodes.kandinsky.prior').digest)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
