"""What the README shows is what works."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ui.command.main import COMMANDS, parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, holding: str) -> str:
    """The one code block of this language that holds a text."""
    (found,) = (
        text
        for text in re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
        if holding in text
    )
    return found


def test_the_pack_works(tmp_path):
    """Installed as pip would, the node is described by the command line and does what it says."""
    (tmp_path / "my_pack.py").write_text(block("python", "vignette"), encoding="utf-8")
    points = tomllib.loads(block("toml", "entry-points"))["project"]["entry-points"]
    info = tmp_path / "my_pack-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_pack\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n{name} = {module}\n" for group, named in points.items() for name, module in named.items()
    ]
    (info / "entry_points.txt").write_text("".join(lines))
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "import numpy as np\n"
        "from ui.command.main import main\n"
        "assert main(['nodes', 'my_pack/vignette', '--json']) == 0\n"
        "from my_pack import vignette\n"
        "from nodes.wires import Image\n"
        "dark = vignette(Image(image=np.ones((2, 5, 7, 3))), strength=1.0).image\n"
        "assert dark.shape == (2, 5, 7, 3)\n"
        "assert (dark[:, 2, 3] == 1).all() and (dark[:, [0, 0, 4, 4], [0, 6, 0, 6]] == 0).all()\n"
    )
    called = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert called.returncode == 0, called.stderr
    described = json.loads(called.stdout)
    assert described["title"] == "Vignette" and described["params"][0]["range"]["high"] == 1.0


def test_the_python_call_names_what_there_is():
    path, arguments = re.search(
        r'graph\.load\("(.*?)"\)\.run\((.*?)\)', block("python", "graph.load")
    ).groups()
    if not (ROOT / path).exists():
        pytest.skip(f"{path} is not there yet")
    interface = json.loads((ROOT / path).read_text(encoding="utf-8"))["interface"]
    assert set(re.findall(r"(\w+)=", arguments)) <= set(interface["inputs"])
    assert "image" in interface["outputs"]


def test_every_command_and_option_is_told():
    subparsers = parser()._subparsers
    choices = subparsers._group_actions[0].choices
    assert tuple(choices) == COMMANDS
    for name, command in choices.items():
        assert f"`kandinsky {name}" in README
        for option in (option for action in command._actions for option in action.option_strings):
            assert option in ("-h", "--help") or f"`{option}" in README or f"[{option}" in README, option
