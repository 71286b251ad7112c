"""The command line in processes of its own: packs, signals, pipes, terminals, what gets imported."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.ui.conftest import install, write_workflow

ROOT = Path(__file__).parents[3]
MINIATURE = ROOT / "nodes" / "miniature" / "weights"

LONG = {
    "one": {"type": "toys/number"},
    "slow": {"type": "toys/slow", "inputs": {"a": "one.value"}, "params": {"steps": 100000, "seconds": 0.01}},
    "keep": {"type": "toys/keep", "inputs": {"value": "slow.value"}},
}


def wait_for(stream, wanted):
    """The lines of a stream up to one that holds a text."""
    lines = []
    for line in stream:
        lines.append(line)
        if wanted in line:
            return lines
    raise AssertionError(f"{wanted!r} never came: {lines}")


def test_an_installed_pack_is_used(start, tmp_path):
    file = write_workflow(tmp_path / "w.json", LONG, requires={"toys": "1.0"})
    arguments = ["--set", "slow.steps=1", "--set", "keep.name=число", "--cache", "cache"]
    process = start("run", file, *arguments, env={"PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "keep: outputs/" in out and (tmp_path / "outputs" / "число.txt").read_text() == "1"


def test_a_second_type_with_a_known_id_is_refused(start, site):
    declaration = "@node(title='Twin', group='Twins', id='toys/number')\ndef twin() -> int:\n    return 1\n"
    install(site, "twins", f"from graph.node import node\n{declaration}")
    process = start("nodes")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "'toys/number' is declared twice" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_within_a_step_and_leaves_a_whole_cache(start, tmp_path, number):
    file = write_workflow(tmp_path / "w.json", LONG)
    process = start("run", file, "--json", "--cache", "cache")
    wait_for(process.stdout, '"progress"')
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    done = json.loads(out.splitlines()[-1])
    assert done["event"] == "done" and done["status"] == "cancelled"
    assert "Stopping" in err and "Traceback" not in err
    assert not (tmp_path / "outputs").exists()
    assert not list((tmp_path / "cache").rglob("*.tmp"))
    planned, _ = start("plan", file, "--json", "--cache", "cache").communicate(timeout=60)
    assert json.loads(planned)["nodes"] == {"one": "reuse", "slow": "run", "keep": "run"}


def test_a_second_interrupt_ends_a_node_that_does_not_listen(start, tmp_path):
    deaf = {
        "one": {"type": "toys/number"},
        "deaf": {"type": "toys/deaf", "inputs": {"a": "one.value"}, "params": {"seconds": 600.0}},
    }
    process = start("run", write_workflow(tmp_path / "w.json", deaf), "--json", "--no-cache")
    wait_for(process.stdout, '"node": "deaf"')
    process.send_signal(signal.SIGINT)
    wait_for(process.stderr, "again")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


@pytest.mark.parametrize("arguments", [["nodes", "--json"], ["run", "w.json", "--json"]])
def test_a_closed_pipe_is_quiet(start, tmp_path, arguments):
    write_workflow(tmp_path / "w.json", LONG)
    process = start(*arguments)
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert "Error" not in err and "Exception" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_gets_bars_and_its_cursor_back(start, tmp_path):
    ours, theirs = os.openpty()
    file = write_workflow(tmp_path / "w.json", LONG)
    arguments = ["--set", "slow.steps=40", "--no-cache"]
    process = start("run", file, *arguments, stderr=theirs, env={"TERM": "xterm", "COLUMNS": "100"})
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert "━" in text and "/40" in text and "/step" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_calls_that_need_no_tensors_import_no_torch(site, tmp_path):
    file = write_workflow(tmp_path / "w.json", {"one": {"type": "toys/number"}})
    code = (
        "import sys; from ui.command.main import main\n"
        "calls = (['nodes'], ['schema'], ['cache', 'info'], ['check', FILE], ['plan', FILE], ['run', FILE])\n"
        "assert all(main(call) == 0 for call in calls)\n"
        "heavy = {'torch', 'transformers', 'diffusers', 'gradio', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    ).replace("FILE", repr(str(file)))
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(site)}
    called = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert called.returncode == 0, called.stderr


@pytest.mark.skipif(not MINIATURE.is_dir(), reason="the miniature is not in this checkout")
def test_the_same_picture_again_needs_no_torch(tmp_path):
    """A second process takes everything from disk, down to the pixels that are saved once more."""
    call = ["run", str(ROOT / "workflows" / "text_to_image.json"), "--cache", "cache"]
    quick = ["--set", "prior.steps=2", "--set", "denoise.steps=2"]
    code = (
        "import sys; from ui.command.main import main\n"
        f"status = main({call + quick})\n"
        "print('torch' in sys.modules, file=sys.stderr)\n"
        "sys.exit(status)\n"
    )
    for torch_was_needed in ("True", "False"):
        called = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert called.returncode == 0, called.stderr
        assert called.stderr.splitlines()[-1] == torch_was_needed
    first, second = sorted((tmp_path / "outputs").iterdir(), key=lambda path: len(path.name))
    assert Image.open(first).tobytes() == Image.open(second).tobytes()


def test_a_node_that_hangs_ends_the_command_with_a_failure(start, tmp_path):
    nodes = {"one": {"type": "toys/number"}, "deaf": {"type": "toys/deaf", "inputs": {"a": "one.value"}}}
    nodes["deaf"]["params"] = {"seconds": 60.0}
    write_workflow(tmp_path / "w.json", nodes)
    process = start("run", "w.json", "--json", "--no-cache", "--node-timeout", "0.5")
    out, _ = process.communicate(timeout=30)
    events = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 1
    assert [event["event"] for event in events][-2:] == ["failed", "done"]
    assert events[-2]["node"] == "deaf" and "no sign of life for 0.5 s" in events[-2]["error"]


def test_a_node_that_exits_fails_alone(start, site, tmp_path):
    source = "from graph.node import node\n\n@node(title='Leave', group='Odd', id='odd/leave')\n"
    install(site, "odd", source + "def leave() -> int:\n    '''Leave.'''\n    raise SystemExit(7)\n")
    write_workflow(tmp_path / "w.json", {"leave": {"type": "odd/leave"}, "one": {"type": "toys/number"}})
    process = start("run", "w.json", "--json", "--no-cache")
    out, _ = process.communicate(timeout=30)
    events = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 1
    assert [event["node"] for event in events if event["event"] == "failed"] == ["leave"]
    assert [event["node"] for event in events if event["event"] == "finished"] == ["one"]
    assert events[-1]["event"] == "done" and events[-1]["status"] == "failed"


def test_anothers_nodes_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "nodes.py").write_text("")
    called = subprocess.run(
        [sys.executable, "-m", "ui.command.main", "nodes"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (called.returncode, called.stdout) == (2, "")
    assert called.stderr.startswith(
        f"kandinsky: Python's package `nodes` is {tmp_path / 'nodes.py'}, expected"
    )
    assert called.stderr.count("\n") == 1
