"""The package as people install it: in an environment of its own, away from the repository."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).parents[1]
NOT_SHIPPED = ("judge", "metrics", "scenes", "training", "weights/judge")
"""Below nodes/miniature: how it was made."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """`kandinsky` in a fresh environment that has the wheel, and shares the dependencies of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    base = {"base": str(folder), "platbase": str(folder)}
    shared = [place for place in sys.path if Path(place).name == "site-packages"]
    (Path(sysconfig.get_path("purelib", "venv", base)) / "shared.pth").write_text("\n".join(shared) + "\n")
    scripts = Path(sysconfig.get_path("scripts", "venv", base))
    pip = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps", "--ignore-installed", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    return str(scripts / "kandinsky")


def output_of(folder: Path, *call: str) -> str:
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_has_what_runs_and_nothing_of_how_it_was_made(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        for name in ("canvas.js", "THIRD_PARTY_LICENSES.txt"):
            built = (ROOT / "ui" / "static" / name).read_bytes()
            assert hashlib.sha256(opened.read(f"ui/static/{name}")).digest() == hashlib.sha256(built).digest()
        (metadata,) = (name for name in names if name.endswith("dist-info/METADATA"))
        described = opened.read(metadata).decode()
    assert {"workflows/text_to_image.json", "nodes/miniature/weights/decoder/recommended.json"} <= names
    assert {"graph/py.typed", "nodes/py.typed", "ui/py.typed"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    left_out = tuple(f"nodes/miniature/{part}/" for part in NOT_SHIPPED)
    assert not [
        name for name in names if "node_modules" in name or name.startswith(("ui/frontend/", *left_out))
    ]
    assert "Classifier: Typing :: Typed" in described and "\nAuthor" in described


def test_a_template_runs_and_nodes_are_listed(command: str, tmp_path: Path) -> None:
    printed = output_of(tmp_path, command, "run", "template:text_to_image", "--cache", "cache")
    assert "save: outputs/image.png" in printed.replace("\\", "/")
    assert (tmp_path / "outputs" / "image.png").is_file()
    assert "unet_denoise" in output_of(tmp_path, command, "nodes")
    assert "template:inpainting" in output_of(tmp_path, command, "templates")


@pytest.fixture
def page(command: str, tmp_path: Path) -> Iterator[str]:
    call = [command, "ui", "--port", "0", "--cache", str(tmp_path / "cache")]
    server = subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and server.stderr is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None, server.stderr.read()
        yield found[0]
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_the_page_and_the_canvas_are_served(page: str) -> None:
    with urlopen(page, timeout=30) as answer:
        bundle = re.search(r"/kandinsky/canvas\.js\?v=\w+", answer.read().decode())
    assert bundle is not None
    with urlopen(page + bundle[0], timeout=30) as answer:
        assert answer.read() == (ROOT / "ui" / "static" / "canvas.js").read_bytes()
