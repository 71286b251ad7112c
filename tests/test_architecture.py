"""The rules of the house, checked: who may import whom, what is instant, what strangers' files cannot do."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("graph", "nodes", "ui")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
PAGE = {
    "ui.server.endpoints",
    "ui.server.app",
    "ui.server.canvas",
    "ui.server.form",
    "ui.server.gradio_private",
    "ui.server.gradio_sessions",
}
"""What is made of Gradio: `kandinsky ui` alone imports it."""
INSTANT = [
    name
    for path in SOURCES
    if len(path.relative_to(ROOT).parts) == 2
    and (name := ".".join(path.relative_to(ROOT).with_suffix("").parts)) not in PAGE
]
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "LICENSE",
    "Makefile",
    "README.md",
    "constraints.txt",
    "docs",
    "graph",
    "nodes",
    "pyproject.toml",
    "tests",
    "ui",
    "workflows",
}


def imports(path: Path) -> Iterator[str]:
    """The names of modules that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call):
            yield node


def test_arrows_go_down_only():
    """The import-linter contracts of pyproject.toml hold."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_nothing_heavy_is_imported_before_a_node_computes():
    """Every module of the engine and the command line, and every node, is imported in a fresh process."""
    code = (
        "import importlib, sys\n"
        f"for name in {INSTANT}: importlib.import_module(name.removesuffix('.__init__'))\n"
        "heavy = {'torch', 'transformers', 'diffusers', 'gradio', 'huggingface_hub', 'rich'}\n"
        "assert heavy.isdisjoint(sys.modules), heavy & set(sys.modules)\n"
    )
    imported = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert imported.returncode == 0, imported.stderr


def test_diffusers_is_for_tests_only():
    assert [
        path for path in SOURCES if any(name.split(".")[0] == "diffusers" for name in imports(path))
    ] == []


@pytest.mark.parametrize("module", ["pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"])
def test_nothing_is_unpickled(module):
    assert [path for path in SOURCES if any(name.split(".")[0] == module for name in imports(path))] == []


def test_strangers_cannot_run_code():
    """No eval, no code from checkpoints, and torch.load only for weights."""
    for path in SOURCES:
        for call in calls(path):
            named = {keyword.arg: keyword.value for keyword in call.keywords}
            function = ast.unparse(call.func)
            where = f"{path.relative_to(ROOT)}:{call.lineno}"
            assert function not in ("eval", "exec", "os.system"), where
            trusted = named.get("trust_remote_code")
            assert trusted is None or ast.unparse(trusted) == "False", where
            if function == "torch.load":
                weights_only = named.get("weights_only")
                assert weights_only is not None and ast.unparse(weights_only) == "True", where


def test_the_top_level_has_nothing_else():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not listed:
        pytest.skip("this is no git checkout")
    assert {name.split("/")[0] for name in listed} <= TOP_LEVEL
