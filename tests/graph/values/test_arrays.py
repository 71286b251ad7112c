"""Values are measured, frozen and copied so that nobody changes what another reads."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.values.arrays import copy_for_reader, freeze, size_of, summarise


@dataclass(frozen=True)
class Picture:
    pixels: np.ndarray
    width: int
    extra: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Slotted:
    pixels: np.ndarray


class Strict(Picture):
    """Its constructor refuses: copies must be made without it."""

    def __post_init__(self) -> None:
        self.pixels.setflags(write=False)


@pytest.mark.parametrize("kind", [Picture, Slotted, Strict])
def test_a_reader_that_writes_changes_only_its_own_copy(kind: Any) -> None:
    value = kind(np.zeros(4, np.float32), *([3] if kind is not Slotted else []))
    stored = freeze(value)
    first, second = copy_for_reader(stored), copy_for_reader(stored)
    first.pixels[:] = 7
    assert type(first) is kind
    assert not second.pixels.any()
    assert not stored.pixels.any()
    with pytest.raises(ValueError, match="read-only"):
        stored.pixels[0] = 1


def test_lists_tuples_and_dicts_are_the_reader_s_own() -> None:
    stored = freeze(Picture(np.zeros(2), 1, (np.zeros(3), [np.zeros(1), 5], {"a": [1]})))
    copy = copy_for_reader(stored)
    copy.extra[0][:] = 1
    copy.extra[1].append(6)
    copy.extra[2]["a"].append(2)
    assert not stored.extra[0].any()
    assert len(stored.extra[1]) == 2
    assert stored.extra[2] == {"a": [1]}


def test_a_view_is_copied_when_frozen_because_its_owner_could_write() -> None:
    owner = np.zeros((2, 3), np.float32)
    stored = freeze(Picture(owner[0], 1))
    owner[:] = 5
    assert not stored.pixels.any()


def test_memory_that_numpy_does_not_own_is_copied_when_frozen() -> None:
    owner = bytearray(12)  # as a tensor's numpy face looks into the tensor
    stored = freeze(Picture(np.frombuffer(owner, np.float32), 1))
    owner[:] = b"\x01" * 12
    assert not stored.pixels.any()


@pytest.mark.parametrize("value", [1, 1.5, True, "text", None, Path("x")])
def test_what_has_no_arrays_passes_as_it_is(value: object) -> None:
    assert copy_for_reader(value) is value
    assert freeze(value) is value


def test_a_dataclass_without_arrays_passes_as_it_is() -> None:
    handle = Picture(None, 3)  # type: ignore[arg-type]
    assert copy_for_reader(handle) is handle


def test_copies_keep_shape_type_and_no_dimension() -> None:
    scalar = np.array(3, np.int64)
    copy = copy_for_reader(scalar)
    assert copy.shape == () and copy.dtype == np.int64
    assert copy_for_reader(np.asfortranarray(np.ones((2, 3)))).shape == (2, 3)


def test_size_counts_arrays_texts_and_what_holds_them() -> None:
    array = np.zeros(1000, np.float32)
    assert 4000 <= size_of(Picture(array, 1)) < 5000
    assert size_of([array, array]) > 8000
    assert size_of({"a": array}) > 4000
    assert size_of("x" * 1000) == sys.getsizeof("x" * 1000)


def test_summaries() -> None:
    assert summarise(3, "int") == {"type": "int", "value": 3}
    assert summarise(["a"], "list") == {"type": "list", "value": ["a"]}
    assert summarise(Picture(np.zeros((1, 2, 3)), 4), "image") == {
        "type": "image",
        "shape": [1, 2, 3],
        "shapes": {"pixels": [1, 2, 3]},
    }
    assert summarise(np.zeros(2), "array") == {
        "type": "array",
        "shape": [2],
        "shapes": {"value": [2]},
    }
