from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest

from rollwright.documents import dump, dump_all
from rollwright.errors import InvalidDocument


class Color(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "text",
    [
        *("y", "NO", "on", "~", "null", "", "1", "0777", "0o17", "08", "1e3", "1234567e8", "1_000"),
        *("1.5", ".5_", ".inf", "+.INF", ".nan", "190:20:30", "2001-12-14", "2001-1-2", "=", "<<"),
        *("2001-12-14T21:59:43Z", "2001-12-14 21:59:43", "0b-1", "0xfffffffffffffffffffff"),
    ],
)
def test_what_any_reader_takes_for_more_than_text_is_quoted(text) -> None:
    assert dump({"a": text}) == f"a: '{text}'\n"


@pytest.mark.parametrize("text", ["a", "10.0.0.1", "1.2.3", "v1", "a:b", "1Gi", "yEs", "a b", "é"])
def test_plain_text_stays_plain(text) -> None:
    assert dump({"a": text}) == f"a: {text}\n"


def test_keys_are_quoted_like_values() -> None:
    assert dump({"y": 1, "1": 2, "a": 3}) == "'y': 1\n'1': 2\na: 3\n"


def test_lines_are_written_as_a_block() -> None:
    assert dump({"a": "b\nc\n"}) == "a: |\n  b\n  c\n"


def test_other_line_breaks_are_escaped() -> None:
    assert dump({"a": "b\r\nc"}) == 'a: "b\\r\\nc"\n'


def test_long_text_stays_on_its_line() -> None:
    assert dump({"a": "x " * 500 + "x"}).count("\n") == 1


def test_keys_keep_their_order() -> None:
    assert dump({"b": 1, "a": {"d": 1, "c": 1}}) == "b: 1\na:\n  d: 1\n  c: 1\n"


def test_keys_are_sorted_on_demand() -> None:
    assert dump({"b": 1, "a": {"d": 1, "c": 1}}, sort_keys=True) == "a:\n  c: 1\n  d: 1\nb: 1\n"


def test_shared_values_are_written_out() -> None:
    shared = {"x": 1}

    assert dump([shared, shared]) == "- x: 1\n- x: 1\n"


def test_documents_are_separated_by_lines_of_their_own() -> None:
    assert dump_all([{"a": 1}, {"b": 2}]) == "a: 1\n---\nb: 2\n"


def test_nothing_is_written_for_no_documents() -> None:
    assert dump_all([]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Color.RED, "red\n"),
        ((1, 2), "- 1\n- 2\n"),
        ({"a": None, "b": True, "c": 1.5, "d": []}, "a: null\nb: true\nc: 1.5\nd: []\n"),
    ],
    ids=["enum", "tuple", "scalars"],
)
def test_json_like_values_are_written(value, text) -> None:
    assert dump(value) == text


def _cycle() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


@pytest.mark.parametrize(
    "value",
    [float("inf"), float("nan"), {1: "a"}, {None: 1}, {1, 2}, b"x", object(), "\ud800", _cycle()],
    ids=["inf", "nan", "int key", "null key", "set", "bytes", "object", "surrogate", "cycle"],
)
def test_what_json_cannot_hold_is_refused(value) -> None:
    with pytest.raises(InvalidDocument):
        dump({"a": value})
