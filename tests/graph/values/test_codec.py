"""A stored value comes back equal and of the same type; what does not fit is refused."""

import io
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from graph.values.codec import DTYPES, decode, encode
from graph.values.tensor_file import HEADER_LIMIT, DamagedFile, pack, read_header, unpack


@dataclass(frozen=True)
class Latents:
    latents: np.ndarray
    width: int | None
    parts: tuple[Any, ...] = ()


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=[]))
)
ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: arrays.arrays(np.dtype(name), arrays.array_shapes(min_dims=0, min_side=0, max_side=4))
)
TREES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return repr(one) == repr(other)
    return bool(one == other)


@given(TREES)
def test_any_tree_in_a_dataclass_comes_back(tree: Any) -> None:
    value = Latents(np.arange(6, dtype=np.float32).reshape(2, 3), 512, (tree,))
    back = unpack(pack(value, "latents", {"note": "x"}), {"latents": Latents})
    assert type(back) is Latents
    assert same(back.latents, value.latents)
    assert back.width == 512
    assert same(back.parts, value.parts)


@pytest.mark.parametrize(
    "value", [1, 1.0, True, "1", -0.0, math.inf, 2**70, "", "é🎨\0\ud800", [1, 1.0, True], (1,)]
)
def test_scalars_and_lists_keep_their_types(value: Any) -> None:
    back = unpack(pack(value, "t", {}), {"t": type(value)})
    assert same(back, value)


def test_generic_classes_stand_for_their_origin() -> None:
    assert unpack(pack([0.5, 2.0], "weights", {}), {"weights": list[float]}) == [0.5, 2.0]


def test_fields_are_arrays_by_name() -> None:
    stored, header = encode(Latents(np.zeros(2, np.float32), 3, (np.ones(1), 4)), "latents")
    assert set(stored) == {"latents", "parts.0"}
    assert header["type"] == "latents"
    json.dumps(header, allow_nan=False)


def test_arrays_of_any_layout() -> None:
    array = np.arange(12, dtype=">f4").reshape(3, 4)[::2, ::-1].T
    back = unpack(pack(Latents(array, None), "latents", {}), {"latents": Latents})
    assert np.array_equal(back.latents, array)
    assert back.latents.dtype == np.float32


@pytest.mark.parametrize(
    "value",
    [object(), {1: 2}, np.array([object()]), np.float32(1.0), 1j, Latents(np.array(["a"]), 1), {1, 2}],
)
def test_what_cannot_be_stored_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be stored"):
        encode(value, "x")


@pytest.mark.parametrize(
    ("tree", "kind"),
    [
        (1, float),
        (True, int),
        (1.0, int),
        ("1", int),
        ([1], list),
        ({"list": 3}, list),
        ({"array": "missing"}, np.ndarray),
        ({"float": "__import__"}, float),
        ({}, dict),
        ({"fields": {}}, Latents),
        ({"fields": 3}, Latents),
        ({"fields": {"latents": 1, "width": 2, "parts": 3, "more": 4}}, Latents),
        (3, Latents),
    ],
)
def test_headers_that_do_not_fit_are_refused(tree: Any, kind: type) -> None:
    with pytest.raises((TypeError, ValueError)):
        decode({}, {"value": tree}, kind)


def test_an_array_left_over_is_refused() -> None:
    with pytest.raises(ValueError, match="belongs to nothing"):
        decode({"a": np.zeros(1)}, {"value": 1}, int)


@pytest.mark.parametrize(
    "value", [Latents(np.zeros((2, 3), np.float32), 8), 5, [1, "a"], math.inf, "text", True]
)
def test_the_header_alone_gives_the_summary(value: Any) -> None:
    from graph.values.arrays import summarise

    header = read_header(io.BytesIO(pack(value, "t", {})))
    assert header.summary() == summarise(value, "t")


def test_a_value_too_long_for_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        pack("x" * HEADER_LIMIT, "string", {})


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_damaged_files(data: bytes) -> None:
    with pytest.raises(DamagedFile):
        unpack(data, {"t": int})
    with pytest.raises(DamagedFile):
        unpack(len(data).to_bytes(8, "little") + data, {"t": int})


WHOLE = pack(Latents(np.arange(8, dtype=np.float32), 3, ("deep",)), "latents", {"key": "k"})


def test_every_truncation_is_noticed() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(DamagedFile):
            unpack(WHOLE[:length], {"latents": Latents})


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_changes_nothing(place: int, change: int) -> None:
    data = bytearray(WHOLE)
    data[place] ^= change
    try:
        back = unpack(bytes(data), {"latents": Latents})
    except DamagedFile:
        return
    assert same(back.latents, np.arange(8, dtype=np.float32))
    assert (back.width, back.parts) == (3, ("deep",))


def test_headers_that_lie_are_damaged_files() -> None:
    for header in [
        b"[" * 200_000,
        b'{"__metadata__": {"type": "t"}}',
        b'{"__metadata__": {"type": "t", "value": 3}}',
        b'{"__metadata__": {"type": "t", "value": "1"}, "a": {"shape": "x"}}',
        b'{"__metadata__": {"type": "t", "value": "1", "checksum": "0"}}',
        b'{"__metadata__": {"type": "unknown", "value": "1"}}',
    ]:
        with pytest.raises(DamagedFile):
            unpack(len(header).to_bytes(8, "little") + header, {"t": int})
