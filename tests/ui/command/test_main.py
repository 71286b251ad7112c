"""The commands, called in this process on a pack of toys."""

import base64
import io
import json
import os
from pathlib import Path

import pytest

from graph.nodetypes.catalogue_json import describe
from graph.workflow.schema import schema
from ui.command.execute import JsonLines

CHAIN = {
    "one": {"type": "toys/number"},
    "slow": {"type": "toys/slow", "inputs": {"a": "one.value"}, "params": {"steps": 25}},
    "keep": {"type": "toys/keep", "inputs": {"value": "slow.value"}},
}
SAY = {"say": {"type": "toys/say"}}
SAID = {"inputs": {"words": {"targets": ["say.text"]}}, "outputs": {"said": "say.string"}}


def test_a_run_says_where_files_are_and_what_was_reused(kandinsky, write):
    file = write(CHAIN)
    first = kandinsky("run", file, "--cache", "cache")
    assert first.status == 0
    keep, summary = first.out.splitlines()
    assert keep == f"keep: {Path('outputs', 'number.txt')}"
    assert summary.startswith("Done in ") and summary.endswith(": 3 nodes ran, 0 came from the cache.")
    assert Path("outputs/number.txt").read_text() == "1"
    assert "slow 25/25" in first.err

    second = kandinsky("run", file, "--cache", "cache", "--output", "elsewhere")
    assert second.out.splitlines()[0] == f"keep: {Path('elsewhere', 'number.txt')}"
    assert "1 node ran, 2 came from the cache." in second.out
    assert "slow" not in second.err


def test_json_is_events_and_nothing_else(kandinsky, write):
    called = kandinsky("run", write(CHAIN), "--no-cache", "--json")
    assert called.status == 0
    names = [event["event"] for event in called.events]
    assert names[0] == "planned" and names[-1] == "done"
    assert names.count("progress") == 25
    previews = [event["preview"] for event in called.events if "preview" in event]
    assert previews and set(previews) == {base64.b64encode(b"picture").decode()}
    assert len({event["run"] for event in called.events}) == 1
    assert "slow 25/25" in called.err


def test_json_says_what_is_invalid(kandinsky, write):
    broken = write({"a": {"type": "toys/numbr"}, "b": {"type": "toys/number", "params": {"amount": 1001}}})
    for file, problems in ((broken, 2), (Path("missing.json"), 1)):
        called = kandinsky("run", file, "--json")
        assert called.status == 2
        (event,) = called.events
        assert event["event"] == "invalid" and len(event["problems"]) == problems
        assert len(called.err.splitlines()) == problems
    called = kandinsky("run", write(SAY), "--json", "--set", "nothing=1")
    assert called.status == 2 and [event["event"] for event in called.events] == ["invalid"]


def test_numbers_that_json_does_not_know_stay_json():
    stream = io.StringIO()
    JsonLines(stream)({"value": float("nan"), "list": [float("-inf"), 1.0]})
    assert json.loads(stream.getvalue(), parse_constant=pytest.fail) == {
        "value": "NaN",
        "list": ["-Infinity", 1.0],
    }


def test_a_failed_node_exits_1_and_lets_others_end(kandinsky, write):
    nodes = {
        "one": {"type": "toys/number"},
        "bad": {"type": "toys/fail", "inputs": {"a": "one.value"}, "params": {"message": "no\nluck"}},
        "lost": {"type": "toys/keep", "inputs": {"value": "bad.value"}, "params": {"name": "lost"}},
        "kept": {"type": "toys/keep", "inputs": {"value": "one.value"}, "params": {"name": "kept"}},
    }
    called = kandinsky("run", write(nodes), "--no-cache")
    assert called.status == 1
    assert "bad: failed: no luck" in called.err.splitlines()
    assert "lost: skipped because of bad" in called.err.splitlines()
    assert called.out.splitlines()[0] == f"kept: {Path('outputs', 'kept.txt')}"
    assert called.out.splitlines()[-1].startswith("Failed after ")
    assert "damn" in called.err and "damn" not in called.out
    assert not Path("outputs/lost.txt").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("words=a = b", "a = b|calm|None|False|[]"),
        ("words=[1]", "[1]|calm|None|False|[]"),
        ("words=", "|calm|None|False|[]"),
        ("words=赤い立方体", "赤い立方体|calm|None|False|[]"),
        ("say.tone=loud", "|loud|None|False|[]"),
        ("say.speed=2", "|calm|2.0|False|[]"),
        ("say.speed=null", "|calm|None|False|[]"),
        ("say.twice=true", "|calm|None|True|[]"),
        ("say.weights=[0, 0.5]", "|calm|None|False|[0.0, 0.5]"),
    ],
)
def test_set_reads_values_by_the_type_of_the_param(kandinsky, write, setting, said):
    called = kandinsky("run", write(SAY, interface=SAID), "--no-cache", "--set", setting)
    assert called.status == 0
    assert called.out.splitlines()[0] == f"said: {said}"


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("word=x", "'word'"),
        ("say.txet=x", "did you mean 'text'"),
        ("sya.text=x", "did you mean 'say'"),
        ("say.speed=fast", "a number from 0.5 to 2"),
        ("say.speed=3", "out of range"),
        ("say.twice=yes", "true or false"),
        ("say.weights=0.5", "not a list"),
        ("say.tone=lout", "did you mean 'loud'"),
    ],
)
def test_set_refuses_what_does_not_fit(kandinsky, write, setting, problem):
    called = kandinsky("run", write(SAY, interface=SAID), "--no-cache", "--set", setting)
    assert called.status == 2
    assert problem in called.err and len(called.err.splitlines()) == 1


def test_set_replaces_a_link(kandinsky, write):
    nodes = {
        "one": {"type": "toys/number"},
        "two": {"type": "toys/number", "inputs": {"amount": "one.value"}},
        "keep": {"type": "toys/keep", "inputs": {"value": "two.value"}},
    }
    kandinsky("run", write(nodes), "--no-cache", "--set", "two.amount=-7")
    assert Path("outputs/number.txt").read_text() == "-7"


def test_files_are_read_only_where_they_may_be(kandinsky, write, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("hush")
    nodes = {"read": {"type": "toys/read", "params": {"path": str(secret)}}}
    file = write(nodes, interface={"inputs": {"path": "read.path"}, "outputs": {"text": "read.string"}})
    refused = kandinsky("run", file, "--no-cache")
    assert refused.status == 2 and "--allow" in refused.err
    assert kandinsky("plan", file, "--no-cache").status == 2
    assert kandinsky("run", file, "--no-cache", "--allow", tmp_path).out.startswith("text: hush\n")
    assert kandinsky("run", file, "--no-cache", "--set", f"path={secret}").out.startswith("text: hush\n")


def test_to_runs_only_what_a_node_needs(kandinsky, write):
    called = kandinsky("run", write(CHAIN), "--no-cache", "--to", "one", "--json")
    assert [event["node"] for event in called.events if event["event"] == "finished"] == ["one"]
    missing = kandinsky("run", write(CHAIN), "--to", "oen")
    assert missing.status == 2 and "did you mean 'one'" in missing.err


def test_no_cache_touches_no_disk(kandinsky, write, tmp_path):
    kandinsky("run", write(CHAIN), "--no-cache")
    assert not (tmp_path / "home-cache").exists()
    kandinsky("run", write(CHAIN))
    assert list((tmp_path / "home-cache").rglob("*.safetensors"))


def test_plan_says_what_would_run(kandinsky, write):
    file = write(CHAIN)
    before = kandinsky("plan", file, "--cache", "cache")
    assert before.status == 0
    rows = [line.split() for line in before.out.splitlines()]
    assert rows[:4] == [
        ["NODE", "STATUS", "TYPE"],
        ["one", "run", "toys/number"],
        ["slow", "run", "toys/slow"],
        ["keep", "run", "toys/keep"],
    ]
    assert before.out.splitlines()[-1] == "3 run, 0 reuse, 0 skip"
    assert not Path("outputs").exists()
    kandinsky("run", file, "--cache", "cache")
    (planned,) = kandinsky("plan", file, "--cache", "cache", "--json").events
    assert planned["event"] == "planned"
    assert planned["nodes"] == {"one": "reuse", "slow": "reuse", "keep": "run"}
    (planned,) = kandinsky("plan", file, "--cache", "cache", "--set", "one.amount=2", "--json").events
    assert planned["nodes"] == {"one": "run", "slow": "run", "keep": "run"}


def test_plan_explains_why_a_node_runs(kandinsky, write, tmp_path):
    file = write(CHAIN)
    assert "new" in kandinsky("plan", file, "--explain").out.splitlines()[1]
    kandinsky("run", file, "--cache", "cache")
    changed = ("plan", file, "--cache", "cache", "--set", "one.amount=2", "--explain")
    called = kandinsky(*changed)
    assert called.out.splitlines()[0].split() == ["NODE", "STATUS", "TYPE", "WHY"]
    assert called.out.splitlines()[1].endswith("Amount changed from 1 to 2")
    (planned,) = kandinsky(*changed, "--json").events
    assert planned["because"]["one"] == "Amount changed from 1 to 2"
    assert planned["because"]["slow"] == "A changed: one"
    (planned,) = kandinsky("plan", file, "--cache", "cache", "--json").events
    assert "because" not in planned
    assert not list(Path("cache").rglob("history*"))  # it is this machine's
    assert list((tmp_path / "home-cache").rglob("history.sqlite"))


def test_nothing_is_remembered_without_a_cache(kandinsky, write, tmp_path):
    file = write(CHAIN)
    kandinsky("run", file, "--no-cache")
    assert not (tmp_path / "home-cache").exists()
    called = kandinsky("plan", file, "--no-cache", "--explain")
    assert called.status == 2
    assert (
        called.err == "kandinsky: --explain needs to know the last run, which --no-cache does not remember\n"
    )


def test_check_names_the_file_of_every_problem(kandinsky, write):
    good = write(CHAIN)
    assert kandinsky("check", good).out == "" and kandinsky("check", good).status == 0
    bad = write(
        {
            "a": {"type": "toys/number", "params": {"amount": 1.5, "amuont": 2}},
            "b": {"type": "toys/number", "inputs": {"a": "a.number"}},
            "c": {"type": "toys/sloww"},
        },
        "赤.json",
    )
    called = kandinsky("check", good, bad, "missing.json")
    assert called.status == 2
    lines = called.out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["赤.json"] * 4 + ["missing.json"]
    assert called.err == "3 files checked, 2 with problems\n"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"a": 1, "a": 2}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_workflow_is_one_sentence(kandinsky, content):
    Path("file.json").write_bytes(content)
    for command in ("run", "plan"):
        called = kandinsky(command, "file.json")
        assert called.status == 2 and called.out == "" and len(called.err.splitlines()) == 1
    assert len(kandinsky("check", "file.json").out.splitlines()) == 1


def test_what_cannot_be_read_is_one_sentence(kandinsky, tmp_path):
    odd = os.fsdecode(b"od\xffd\x1b[31m.json")
    for name in ("missing.json", tmp_path, "nu\0ll.json", odd):
        called = kandinsky("run", name)
        assert called.status == 2 and len(called.err.splitlines()) == 1
        assert "cannot be read" in called.err and "\x1b" not in called.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["run"],
        ["run", "w.json", "--set", "words"],
        ["run", "w.json", "--set", "=1"],
        ["run", "w.json", "--device", "gpu"],
        ["run", "w.json", "--allow", "missing"],
        ["run", "w.json", "--output", "w.json"],
        ["run", "w.json", "--cache", "w.json"],
        ["run", "w.json", "--js"],
        ["cache"],
        ["cache", "burn"],
    ],
)
def test_a_wrong_call_exits_2(kandinsky, write, arguments):
    write(SAY, "w.json")
    called = kandinsky(*arguments)
    assert called.status == 2 and called.out == "" and called.err


def test_cache_info_and_clear(kandinsky, write):
    assert kandinsky("cache", "info", "--cache", "cache").out.startswith(
        "cache: 0 values, 0.0 MB of at most "
    )
    kandinsky("run", write(CHAIN), "--cache", "cache")
    assert kandinsky("cache", "info", "--cache", "cache").out.startswith("cache: 2 values, ")
    assert kandinsky("cache", "clear", "--cache", "cache").out.startswith("cache: removed 2 values")
    assert kandinsky("cache", "info", "--cache", "cache").out.startswith("cache: 0 values, ")
    assert "1 node ran" not in kandinsky("run", write(CHAIN), "--cache", "cache").out


def test_nodes_lists_the_catalogue_in_groups(kandinsky):
    lines = kandinsky("nodes").out.splitlines()
    assert lines[0] == "Toys"
    assert "  toys/number  Add a number." in lines
    assert lines[lines.index("Toys that write") + 1].split()[0] == "toys/keep"


def test_nodes_describes_a_type(kandinsky):
    called = kandinsky("nodes", "toys/number")
    assert called.status == 0
    assert called.out == (
        "toys/number: Number (Toys, version 1)\n\n"
        "Add a number. There is more to say about it.\n\n"
        "Inputs\n  a: int, optional\n      What to add to.\n\n"
        "Params\n  amount: a whole number from -1000 to 1000; default 1\n      How much.\n\n"
        "Outputs\n  value: int\n      What came out.\n"
    )
    say = kandinsky("nodes", "toys/say").out
    assert "one of 'calm', 'loud'" in say and "a number from 0.5 to 2, or null; default null" in say
    unknown = kandinsky("nodes", "toys/nubmer")
    assert unknown.status == 2 and "did you mean 'toys/number'" in unknown.err and unknown.out == ""


def test_nodes_for_programs(kandinsky, toys):
    (everything,) = kandinsky("nodes", "--json").events
    assert everything == json.loads(json.dumps(describe(toys)))
    assert everything["types"]["int"]["fits"] == ["int", "float", "any"]
    assert everything["types"]["any"]["colour"].startswith("#")
    (say,) = kandinsky("nodes", "toys/say", "--json").events
    assert say == everything["nodes"]["toys/say"]
    params = {param["name"]: param for param in say["params"]}
    assert params["tone"]["choices"] == ["calm", "loud"] and params["tone"]["widget"] == "choices"
    assert params["speed"]["range"] == {"low": 0.5, "high": 2.0, "step": 0.1} and params["speed"]["nullable"]
    assert params["text"]["widget"] == "multiline" and params["weights"]["many"]


def test_schema_is_the_one_made_from_the_code(kandinsky, toys):
    assert json.loads(kandinsky("schema").out) == json.loads(json.dumps(schema(toys)))


def test_version_and_help(kandinsky):
    assert kandinsky("--version").out.startswith("kandinsky ")
    for arguments in (["--help"], ["run", "--help"]):
        called = kandinsky(*arguments)
        assert called.status == 0 and called.out.startswith("usage: kandinsky")
