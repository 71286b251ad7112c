"""JSON is read strictly and written stably."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.workflow.json_text import MAX_BYTES, MAX_DEPTH, JsonRefused, excerpt, read, write

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | texts
scalars |= st.floats(allow_nan=False, allow_infinity=False)
trees = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)


def same(one: Any, two: Any) -> bool:
    """Equal with types and order: 1 is not 1.0, and {a, b} is not {b, a}."""
    return json.dumps(one) == json.dumps(two) and repr(one) == repr(two)


@given(trees)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert same(read(write(value)), value)


@given(trees)
def test_what_was_written_is_written_again_byte_for_byte(value: Any) -> None:
    text = write(value)
    assert write(read(text.encode())) == text


@given(st.dictionaries(texts, st.dictionaries(texts, trees, max_size=3), max_size=3))
def test_nothing_but_white_space_differs_from_plain_json(value: Any) -> None:
    assert same(json.loads(write(value)), value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1e22, "1.0e+22"),
        (1.5e-7, "1.5e-07"),
        (0.1, "0.1"),
        (1e16, "1.0e+16"),
        (3, "3"),
        ("\u00e9\U0001f600", '"\u00e9\U0001f600"'),
        ("a\n\x00", '"a\\n\\u0000"'),
        ({}, "{}"),
        ([], "[]"),
    ],
)
def test_how_scalars_are_written(value: Any, text: str) -> None:
    assert write(value) == text + "\n"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_what_json_cannot_say_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        write(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("nodes: {}", "not JSON"),
        ('{"a": 1,}', "line 1, column"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' stands twice"),
        ('{"x": {"a": 1, "a": 1}}', "'a' stands twice"),
        ("NaN", "NaN is not a number"),
        ('{"a": [Infinity]}', "Infinity is not a number"),
        ("-Infinity", "-Infinity is not a number"),
        ("1e400", "too large"),
        ("-1e999999999", "too large"),
        ("1" * 21, "too large"),
        ("1" * 100_000, "too large"),
        ("[" * 100_000 + "]" * 100_000, "nested too deep"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deep"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested too deep"),
        ('"\\ud800"', "half a character"),
        ('{"\\udfff": 1}', "half a character"),
        ("[" + "1," * 5_000_001 + "1]", "too many values"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(JsonRefused, match=message) as refused:
        read(text)
    assert len(str(refused.value)) < 200
    with pytest.raises(JsonRefused, match=message):
        read(text.encode())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"\u00e9": 1}'.encode("latin-1"), "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b" " * (MAX_BYTES + 1), "has 64 MB"),
        (b" " * 100_000_000, "has 95 MB"),
    ],
)
def test_bytes_that_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(JsonRefused, match=message):
        read(data)


def test_many_different_keys_and_one_twice_take_no_long_search() -> None:
    text = "{" + "".join(f'"k{number}": 0,' for number in range(200_000)) + '"k199999": 1}'
    with pytest.raises(JsonRefused, match="'k199999' stands twice"):
        read(text)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert read(b"\xef\xbb\xbf" + b'{"a": 1}') == {"a": 1}


def test_escaped_characters_outside_the_basic_plane_are_whole() -> None:
    assert read('"\\ud83d\\ude00"') == "\U0001f600"


def test_the_deepest_nesting_that_is_read() -> None:
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH)


def test_an_excerpt_is_short() -> None:
    assert excerpt("a" * 1000).startswith('"aaa')
    assert len(excerpt("a" * 1000)) == 60
    assert excerpt(object()).startswith('"<object')
