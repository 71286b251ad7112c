"""What is part of a key: every param and input of every node type that is not declared unused."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from graph.node import NodeType, Param, Required, node
from graph.nodetypes.catalogue import Catalogue, installed
from graph.planning.keys import Namer, content_keys
from graph.planning.step import Step
from graph.types import WireType
from graph.workflow.document import Link
from tests.graph import toys
from tests.graph.bench import Bench, plan_of, problems_of

TYPES = {**installed(), **{f"toy/{id}": node_type for id, node_type in toys.catalogue().items()}}
EXAMPLES: Mapping[str, tuple[Any, Any]] = {
    "string": ("a", "b"),
    "int": (1, 2),
    "float": (1.0, 2.0),
    "bool": (False, True),
}


def keys(node_type: NodeType, linked: frozenset[str], changed: str | None) -> tuple[Step, dict[str, str]]:
    """The keys of a node with these inputs linked, and with the value of `changed` changed."""
    namer = Namer()
    sources = {
        id: _settled(Step(id, START, {"value": value}, {}, {})) for value, id in enumerate(("s", "other"))
    }
    for source in sources.values():
        source.keys, _ = namer.name(source)
    params = {name: _example(param, name == changed) for name, param in node_type.params.items()}
    links = {name: (Link("other" if name == changed else "s", "int"),) for name in linked}
    step = _settled(Step("n", node_type, params, links, dict[str, WireType](node_type.output_types)))
    return step, namer.name(step)[0]


START: NodeType = toys.start.node_type  # type: ignore[attr-defined]


def _settled(step: Step) -> Step:
    wiring = step.wiring()
    step.uses = {port: step.type.used_for(port, wiring) for port in step.type.outputs}
    return step


def _example(param: Param, changed: bool) -> Any:
    value = EXAMPLES[param.type.name][changed]
    return [value] if param.many else value


@pytest.mark.parametrize("id", TYPES)
def test_every_param_and_input_counts_unless_it_is_declared_unused(id: str) -> None:
    node_type = TYPES[id]
    required = frozenset(port.name for port in node_type.required)
    for linked in (frozenset(node_type.inputs), required):
        plain, before = keys(node_type, linked, None)
        for name in {*node_type.params, *linked}:
            _, after = keys(node_type, linked, name)
            for port in node_type.outputs:
                unused = node_type.unused(port, plain.wiring()) if node_type.unused else ()
                if name not in unused:
                    assert after[port] != before[port], f"{name} does not count for {port}"
                elif name not in ("guidance", "negative"):  # these say what is unused
                    assert after[port] == before[port], f"{name} counts for {port}"


def test_a_new_param_counts_without_a_word() -> None:
    @node(title="Loud", group="Toy", unused=lambda *_: ("b",))
    def loud(a: int, b: int | None = None, *, gain: float = 1.0) -> int:
        return a

    declared = loud.node_type  # type: ignore[attr-defined]
    linked = frozenset({"a"})
    assert keys(declared, linked, "gain")[1] != keys(declared, linked, None)[1]


# What is unused reaches the function as its default


class Both(NamedTuple):
    one: str
    two: str


@node(title="Says", group="Toy", unused=lambda port, _: ("left", "word") if port == "two" else ("right",))
def says(left: int | None = None, right: int | None = None, *, word: str = "plain") -> Both:
    text = f"{left} {right} {word}"
    return Both(text, text)


@pytest.mark.parametrize(
    ("ports", "texts"),
    [(["one"], ["1 None w"]), (["two"], ["None 1 plain"]), (["one", "two"], ["1 1 w", "1 1 w"])],
)
def test_what_is_unused_reaches_the_function_as_its_default(
    bench: Bench, ports: list[str], texts: list[str]
) -> None:
    nodes = {
        "s": {"type": "start", "params": {"value": 1}},
        "n": {
            "type": "says",
            "inputs": {"left": "s.int", "right": "s.int"},
            "params": {"word": "w"},
        },
    }
    catalogue = Catalogue([START, says.node_type])  # type: ignore[attr-defined]
    interface = {"inputs": {}, "outputs": {port: f"n.{port}" for port in ports}}
    ran = bench.run(nodes, catalogue=catalogue, interface=interface)
    assert list(ran.outputs.values()) == texts


# What may be declared


def test_the_catalogue_refuses_names_that_the_type_does_not_have() -> None:
    @node(title="N", group="Toy", unused=lambda *_: ("amuont",))
    def typo(a: int, *, amount: int = 1) -> int:
        return a

    with pytest.raises(ValueError, match=r"node type 'typo' declares 'amuont' unused for 'int', .*amount"):
        Catalogue([typo.node_type])  # type: ignore[attr-defined]


def test_the_catalogue_refuses_what_has_no_default() -> None:
    @node(title="N", group="Toy", unused=lambda *_: ("a",))
    def needy(a: int, *, amount: int = 1) -> int:
        return a

    with pytest.raises(ValueError, match="declares 'a' unused for 'int', but it has no default"):
        Catalogue([needy.node_type])  # type: ignore[attr-defined]


def test_what_only_some_wirings_declare_is_a_problem_of_those() -> None:
    @node(title="N", group="Toy", unused=lambda _, wiring: ("b",) if wiring.params["amount"] == 7 else ())
    def sometimes(a: int | None = None, *, amount: int = 1) -> int:
        return 1

    catalogue = Catalogue([sometimes.node_type])  # type: ignore[attr-defined]
    assert not problems_of({"n": {"type": "sometimes"}}, catalogue)
    (problem,) = problems_of({"n": {"type": "sometimes", "params": {"amount": 7}}}, catalogue)
    assert "declares 'b' unused" in str(problem)


def test_uses_of_the_first_edition_is_refused_with_what_to_write_now() -> None:
    with pytest.raises(TypeError, match=r"old: uses= is not known any more; .* unused=lambda port, wiring:"):

        @node(title="N", group="Toy", uses=lambda *_: ("a",))
        def old(a: int) -> int:
            return a


def test_a_required_input_may_have_a_default() -> None:
    split = toys.split.node_type  # type: ignore[attr-defined]
    assert split.inputs["toy"].required and "toy" not in split.without_default
    (problem,) = problems_of({"n": {"type": "split"}})
    assert str(problem) == "n.toy: the input is not linked; expected a wire of type toy_array"
    assert Required() == Required()


# What was asked for, whatever the release


def test_content_keys_leave_the_code_out(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = {
        "h": {"type": "load"},
        "m": {"type": "make", "inputs": {"handle": "h.toy_handle"}},
        "x": {"type": "split", "inputs": {"toy": "m.toy_array"}},
    }
    before = plan_of(nodes)
    monkeypatch.setattr("graph.planning.keys.Codes.of_type", lambda *_: "another release")
    after = plan_of(nodes)
    assert content_keys(before.steps) == content_keys(after.steps)
    assert before.steps["x"].keys.keys() == content_keys(before.steps)["x"].keys()
    assert before.steps["x"].keys != after.steps["x"].keys
    another = plan_of({**nodes, "m": {"type": "make", "params": {"size": 5}}})
    assert content_keys(another.steps)["x"]["low"] != content_keys(before.steps)["x"]["low"]
