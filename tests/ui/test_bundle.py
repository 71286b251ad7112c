"""The canvas as it is shipped: up to date, with the licences of what is in it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRONT = ROOT / "ui" / "frontend"
BUILT = ROOT / "ui" / "static"
FILES = ("canvas.js", "THIRD_PARTY_LICENSES.txt")
ALLOWED = re.compile(r"MIT|ISC|BSD-3-Clause|Apache-2\.0")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_bundle_is_what_the_sources_make(tmp_path: Path) -> None:
    """Builds it anew, with the packages of the lock file: `make bundle` makes it up to date."""
    npm = shutil.which("npm")
    if npm is None or not (FRONT / "node_modules" / "vite").is_dir():
        missing = "npm, and what `npm ci` installs in ui/frontend, are needed to build the canvas"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    command = [npm, "run", "--silent", "build", "--", "--outDir", str(tmp_path)]
    subprocess.run(command, cwd=FRONT, check=True, capture_output=True, timeout=300)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES:
        assert sha256(tmp_path / name) == sha256(BUILT / name), f"ui/static/{name} is old: make bundle"


def test_what_is_in_the_bundle_may_be_shipped() -> None:
    licences = (BUILT / "THIRD_PARTY_LICENSES.txt").read_text("utf-8")
    packages = re.findall(r"^(\S+) \d+\.\d+\.\d+\S* \((.+)\)$", licences, re.MULTILINE)
    assert {"svelte", "@xyflow/svelte", "marked", "dompurify"} <= {name for name, _ in packages}
    assert [name for name, licence in packages if not ALLOWED.search(licence)] == []
