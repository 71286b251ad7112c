"""Files that are no workflows, and workflows that are none that could run: status 2, before anything runs."""

import json
from pathlib import Path

import pytest

from tests.bad_input.conftest import load, save, told

HEAD = '{"format": "kandinsky-workflow", "version": 1, "nodes": '
TEXT = '{"type": "text"}'


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("hello", ("not JSON", "line 1, column 1")),
        ("", ("not JSON",)),
        ("[]", ("not a workflow", "a JSON object")),
        ("null", ("not a workflow",)),
        ("{}", ("format", "kandinsky-workflow")),
        (b"\x00\xff\xfe", ("not UTF-8", "byte 1")),
        ((HEAD + "{}}").encode("utf-16"), ("not UTF-8",)),
        ("[" * 100_000 + "]" * 100_000, ("nested too deep", "64 levels")),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, ("nested too deep",)),
        (HEAD + "[" * 100 + "]" * 100 + "}", ("nested too deep",)),
        (HEAD + f'{{"a": {TEXT}, "a": {TEXT}}}}}', ("the key 'a' stands twice",)),
        (HEAD + '{"a": {"type": "number", "params": {"value": NaN}}}}', ("NaN", "JSON")),
        (HEAD + '{"a": {"type": "number", "params": {"value": 1e999}}}}', ("1e999", "too large")),
        (HEAD + '{"a": {"type": "integer", "params": {"value": ' + "9" * 5000 + "}}}}", ("too large",)),
        (HEAD + '{"a": {"type": "text", "params": {"value": "\\ud800"}}}}', ("half a character",)),
        (HEAD + "[]}", ("'nodes'", "an object")),
        ('{"format": "kandinsky-workflow", "version": 99, "nodes": {}}', ("version 99", "from 1 to 1")),
        (HEAD + "[" + "[]," * 6_000_000 + "[]]}", ("too many values",)),
    ],
)
def test_what_is_no_workflow_says_why(kandinsky, content, parts) -> None:
    data = content if isinstance(content, bytes) else content.encode()
    Path("workflow.json").write_bytes(data)
    told(kandinsky("run", "workflow.json"), 2, *parts)


def test_a_hundred_megabytes_are_not_parsed(kandinsky, here) -> None:
    with Path("workflow.json").open("wb") as file:
        file.write(HEAD.encode() + b'{"a":')
        file.truncate(100 << 20)
    told(kandinsky("run", "workflow.json"), 2, "100 MB", "at most 64 MB")


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("missing.json", "No such file"),
        (".", "Is a directory"),
        ("x" * 300, "File name too long"),
        ("picture.png", "carries no workflow"),
    ],
)
def test_a_file_that_cannot_be_read(kandinsky, file, part) -> None:
    for command in ("run", "plan"):
        told(kandinsky(command, file), 2, part)
    checked = kandinsky("check", file)
    assert checked.status == 2 and part in checked.out


def test_every_problem_is_told_at_once_with_its_place(run) -> None:
    image = {"type": "resize", "inputs": {"image": "words.value"}}
    called = run(
        {
            "words": {"type": "text", "params": {"valu": "x"}},
            "b": {"type": "resise"},
            "c": {"type": "pack/thing"},
            "d": {"type": 5},
            "1e": {"type": "text"},
            "f": image | {"params": {"width": 0, "height": 100_000, "fit": "covr"}},
            "g": {"type": "resize"},
            "h": {"type": "resize", "inputs": {"image": "words.valu", "imag": "f.image"}},
            "i": {"type": "resize", "inputs": {"image": "nobody.image"}},
            "j": {"type": "number", "params": {"value": 1e13}},
            "k": {"type": "text", "params": {"value": None}, "mode": "mute"},
            "x": {"type": "resize", "inputs": {"image": "y.image"}},
            "y": {"type": "resize", "inputs": {"image": "x.image"}},
            "z": {"type": "resize", "inputs": {"image": "z.image"}},
        }
    )
    for parts in (
        ("words.valu", "did you mean 'value'"),
        ("b: ", "'resise' is unknown", "did you mean 'resize'"),
        ("c: ", "'pack/thing' is unknown", "pack 'pack'"),
        ("d: ", "'type' is 5"),
        ("'1e' is not a node id",),
        ("f.image", "string", "a wire of type image"),
        ("f.width: 0 is out of range", "1 to 8192"),
        ("f.height: 100000 is out of range",),
        ("f.fit", "'cover', 'contain', 'stretch'", "did you mean 'cover'"),
        ("g.image", "not linked"),
        ("h.image", "no output 'valu'"),
        ("h.imag:", "no input 'imag'", "did you mean 'image'"),
        ("i.image", "nobody"),
        ("j.value", "out of range"),
        ("k.value", "null"),
        ("k: ", "mode 'mute'", "did you mean 'muted'"),
        ("cycle: ", "x", "y"),
        ("z: ", "cycle"),
    ):
        told(called, 2, *parts)


def test_a_hundred_thousand_mistakes_are_not_all_searched_for(run) -> None:
    called = run({f"n{i}": {"type": "resiz"} for i in range(20_000)})
    told(called, 2, "the first 1000 problems")
    assert len(called.err.splitlines()) == 1001


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--to", "nobody"], ("nobody",)),
        (["--set", "width"], ("'width' is not NAME=VALUE",)),
        (["--set", "width=7"], ("'width'", "node.param")),
        (["--set", "small.width=wide"], ("small.width", "cannot be read", "a whole number")),
        (["--set", "small.width=0"], ("small.width", "out of range")),
        (["--set", "small.widht=9"], ("did you mean 'width'",)),
        (["--set", "picture.path=/etc/shadow-of-nobody"], ("does not exist",)),
        (["--device", "gpu"], ("'gpu' is not a device",)),
        (["--allow", "nowhere"], ("'nowhere' is not a folder",)),
        (["--allow", "x" * 300], ("is not a folder",)),
        (["--output", "picture.png"], ("'picture.png' is not a folder",)),
        (["--output", "x" * 300], ("is not a folder",)),
        (["--output", ""], ("'' is not a folder",)),
        (["--cache", "picture.png"], ("'picture.png' is not a folder",)),
        (["--bogus"], ("--bogus",)),
    ],
)
def test_wrong_options(run, options, parts) -> None:
    nodes = {
        "picture": load("picture.png"),
        "small": {"type": "resize", "inputs": {"image": "picture.image"}},
        "save": save("small.image"),
    }
    told(run(nodes, *options), 2, *parts)
    assert not Path("outputs").exists()


def test_the_output_folder_of_no_option_may_be_a_file(run) -> None:
    Path("outputs").touch()
    told(run({"a": load("picture.png"), "b": save("a.image")}), 2, "'outputs' is not a folder")


def test_a_picture_carries_its_workflow_whole_or_not_at_all(kandinsky, run, here) -> None:
    assert run({"a": load("picture.png"), "b": save("a.image")}).status == 0
    whole = Path("outputs/image.png").read_bytes()
    Path("again.png").write_bytes(whole)
    assert kandinsky("run", "again.png", "--no-cache").status == 0
    place = whole.index(b"kandinsky-workflow")
    for damaged in (whole[: place + 200], whole[: place + 40] + b"\0" + whole[place + 41 :]):
        Path("damaged.png").write_bytes(damaged)
        told(kandinsky("run", "damaged.png"), 2, "the picture carries no workflow")


def test_json_events_say_what_is_invalid(run) -> None:
    called = run({"a": {"type": "resiz"}}, "--json")
    (event,) = map(json.loads, called.out.splitlines())
    assert called.status == 2 and event["event"] == "invalid"
    assert event["problems"] == [
        {"message": "node type 'resiz' is unknown", "node": "a", "nearest": "resize"}
    ]
