"""A typed function becomes a node type; the catalogue holds each id once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import pytest

from graph.node import (
    Choices,
    File,
    Fixed,
    Multiline,
    NodeType,
    Progress,
    Range,
    Seed,
    Storable,
    Wanted,
    node,
)
from graph.nodetypes.catalogue import Catalogue, node_types_of
from graph.types import ANY, T, wire, wire_of, wire_of_value, wire_types
from tests.graph import toys
from tests.graph.toys import Toy, ToyHandle


class Pair(NamedTuple):
    first: Annotated[Toy, "The first."]
    second: ToyHandle | None


@node(title="Everything", group="Toy", version=4, id="pack/everything", effects=True, io=True)
def everything(
    toy: Annotated[Toy, "An array."],
    many: list[Toy],
    anything: Annotated[T, Storable()] = None,  # type: ignore[assignment]
    handle: ToyHandle | None = None,
    number: float = 0.0,
    *,
    text: Annotated[str, Multiline(), "A", "text."] = "",
    seed: Annotated[int, Seed(), Range(0, 9)] = 0,
    scale: Annotated[float | None, Range(0.0, 1.0, 0.1)] = None,
    kind: Annotated[str, Choices("a", "b"), Fixed()] = "a",
    weights: Annotated[list[float], Range(0, 1)] = [],  # noqa: B006
    path: Annotated[str, File("image")] = "",
    progress: Progress,
    wanted: Wanted,
) -> Pair:
    """What it does.

    And more.
    """
    return Pair(toy, handle)


def declared(function: Callable[..., Any], **more: Any) -> NodeType:
    made: NodeType = node(title="N", group="G", **more)(function).node_type  # type: ignore[attr-defined]
    return made


def test_everything_that_a_signature_says() -> None:
    made = everything.node_type  # type: ignore[attr-defined]
    assert (made.id, made.title, made.group, made.version) == ("pack/everything", "Everything", "Toy", 4)
    assert made.help == "What it does.\n\nAnd more."
    assert (made.effects, made.io, made.folds, made.makes_handles) == (True, True, False, True)
    assert [(p.name, p.type.name, p.required, p.many, p.handles) for p in made.inputs.values()] == [
        ("toy", "toy_array", True, False, True),
        ("many", "toy_array", True, True, True),
        ("anything", "any", False, False, False),
        ("handle", "toy_handle", False, False, True),
        ("number", "float", False, False, True),
    ]
    assert made.inputs["toy"].help == "An array."
    assert [(p.name, p.type.name, p.default, p.nullable, p.many, p.widget) for p in made.params.values()] == [
        ("text", "string", "", False, False, "multiline"),
        ("seed", "int", 0, False, False, "seed"),
        ("scale", "float", None, True, False, "plain"),
        ("kind", "string", "a", False, False, "choices"),
        ("weights", "float", [], False, True, "plain"),
        ("path", "string", "", False, False, "file"),
    ]
    assert made.params["text"].help == "A text."
    assert made.params["scale"].range == Range(0.0, 1.0, 0.1)
    assert made.params["kind"].choices == ("a", "b")
    assert [name for name, param in made.params.items() if param.fixed] == ["kind", "path"]
    assert [(p.name, p.type.name, p.required) for p in made.outputs.values()] == [
        ("first", "toy_array", True),
        ("second", "toy_handle", False),
    ]
    assert made.wants == {"progress": Progress, "wanted": Wanted}


def test_one_output_is_named_after_its_type_and_none_is_none() -> None:
    def one() -> Toy: ...  # type: ignore[empty-body]
    def none() -> None: ...

    assert list(declared(one).outputs) == ["toy_array"]
    assert not declared(none).outputs


def test_the_function_stays_as_it_is() -> None:
    assert toys.add(2, 3, amount=4) == 9


def no_annotation(a) -> int: ...  # type: ignore[no-untyped-def,empty-body]
def no_default(*, a: int) -> int: ...  # type: ignore[empty-body]
def no_wire(a: bytes) -> int: ...  # type: ignore[empty-body]
def no_wire_out() -> bytes: ...  # type: ignore[empty-body]
def odd_param(*, a: complex = 1j) -> int: ...  # type: ignore[empty-body]
def null_by_default(*, a: int = None) -> int: ...  # type: ignore[assignment,empty-body] # noqa: RUF013
def null_beside(*, a: int | None = 3) -> int: ...  # type: ignore[empty-body]
def second_choice(*, a: Annotated[str, Choices("a", "b")] = "b") -> int: ...  # type: ignore[empty-body]
def two_types(a: int | str) -> int: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (no_annotation, "parameter 'a' has no annotation"),
        (no_default, "param 'a' needs a default"),
        (no_wire, "'a' has no wire type"),
        (no_wire_out, "the return annotation has no wire type"),
        (odd_param, "'a' has no wire type"),
        (null_by_default, "must have None as its default, and be annotated so"),
        (null_beside, "must have None as its default, and be annotated so"),
        (second_choice, "must have its first choice as its default"),
        (two_types, "'a' has no wire type"),
    ],
)
def test_signatures_that_cannot_be_a_node(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        declared(function)


# The catalogue


def test_a_second_type_with_a_known_id_is_refused() -> None:
    def start() -> int: ...  # type: ignore[empty-body]

    catalogue = Catalogue([toys.start.node_type])  # type: ignore[attr-defined]
    catalogue.add(toys.start.node_type)  # type: ignore[attr-defined]
    where = "in tests.graph.toys and in tests.graph.nodetypes.test_node"
    with pytest.raises(ValueError, match=f"'start' is declared twice: {where}"):
        catalogue.add(declared(start))


@pytest.mark.parametrize("id", ["Start", "a-b", "a.b", "/a", "a/", "pack/a b", "a/b/c", "1a"])
def test_odd_ids_are_refused(id: str) -> None:
    def start() -> int: ...  # type: ignore[empty-body]

    with pytest.raises(ValueError, match="is not of the form name or pack/name"):
        Catalogue([declared(start, id=id)])


def test_the_node_types_of_a_module() -> None:
    found = {node_type.id for node_type in node_types_of(toys)}
    assert {"start", "add", "save"} <= found
    assert found == set(toys.catalogue())


class Point:
    """An entry point of an installed pack."""

    def __init__(self, name: str, module: str) -> None:
        self.name = name
        self.value = module


def installed_from(monkeypatch: pytest.MonkeyPatch, *points: Point) -> Catalogue:
    from graph.nodetypes import catalogue

    monkeypatch.setattr(catalogue.importlib.metadata, "entry_points", lambda **_: list(points))
    return catalogue.installed.__wrapped__()


def test_packs_come_through_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    found = installed_from(
        monkeypatch, Point("pack", "tests.graph.nodetypes.test_node"), Point("kandinsky", "tests.graph.toys")
    )
    assert "pack/everything" in found
    assert list(found)[-1] == "pack/everything"  # the project's own come first


def test_a_pack_has_no_bare_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"pack 'pack' declares the bare node type .*: expected pack/name"):
        installed_from(monkeypatch, Point("pack", "tests.graph.toys"))


@pytest.mark.parametrize("error", [SystemExit(7), RuntimeError("no")])
def test_a_pack_that_cannot_be_imported_is_named(
    monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    from graph.nodetypes import catalogue

    def leave(_: str) -> None:
        raise error

    monkeypatch.setattr(catalogue.importlib, "import_module", leave)
    with pytest.raises(ImportError, match="pack 'odd' cannot be imported"):
        installed_from(monkeypatch, Point("odd", "odd"))


# Wire types


def test_wire_types() -> None:
    assert {"string", "int", "float", "bool", "toy_array"} <= wire_types().keys()
    whole, number, text, switch = (wire_types()[name] for name in ("int", "float", "string", "bool"))
    assert whole.fits(number) and not number.fits(whole)
    assert whole.fits(ANY) and not ANY.fits(whole)
    assert not switch.fits(whole) and not whole.fits(text) and not text.fits(number)
    assert (wire_of(T), wire_of(int), wire_of(bytes), wire_of("int")) == (ANY, whole, None, None)
    assert (wire_of_value(True), wire_of_value(1), wire_of_value(b"")) == (switch, whole, None)
    assert repr(number.adapt(3)) == "3.0" and number.adapt("x") == "x" and whole.adapt(3) == 3


def test_a_name_belongs_to_one_class() -> None:
    with pytest.raises(ValueError, match="wire type 'int' is already declared by builtins"):
        wire(name="int", title="", colour="", help="")(type("Another", (), {}))


def test_every_default_of_the_project_is_a_value_that_its_param_takes() -> None:
    from graph.nodetypes.catalogue import installed
    from graph.workflow.literals import coerce

    for node_type in installed().values():
        for param in node_type.params.values():
            assert repr(coerce(param, param.default)) == repr(param.default), (node_type.id, param.name)
