from __future__ import annotations

import pytest

from rollwright.documents import line_of, load, load_all
from rollwright.errors import InvalidDocument


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1.0", 1),
        ("1e3", 1000),
        ("-0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),
        ("1" * 350 + ".5e-349", 1.1111111111111112),
        ('"1e3"', "1e3"),
        ('"\\ud83d\\ude00"', "😀"),
        ('{"<<": {"y": 1}}', {"<<": {"y": 1}}),
    ],
)
def test_value_is_what_kubernetes_reads(written, read) -> None:
    value = load(f'{{"v": {written}}}', name="x.json")["v"]

    assert (type(value), value) == (type(read), read)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "a": 2}', "x.json:2:2: key 'a' stands twice, first at line 1"),
        ('{"é": "\\ud83d\\ude00",\n "a": 2,\n\t"a": 2}', "x.json:3:2: key 'a' stands twice"),
        ('{"a":\n NaN}', "x.json:2:2: JSON has no number NaN"),
        ('{"a":\n -Infinity}', "x.json:2:2: JSON has no number -Infinity"),
        ('{"a":\n 1e400}', "x.json:2:2: a number is too large for 64 bits"),
        ('{"a":\n "\\ud800"}', "x.json:2:3: half of a surrogate pair is not a character"),
        ('{"a":\n "\\udc00"}', "x.json:2:3: half of a surrogate pair is not a character"),
        ("a: 1", "x.json:1:1: not JSON"),
        ('{"a": 1,}', "x.json:1:9: not JSON"),
        ("// c\n{}", "x.json:1:1: not JSON"),
    ],
)
def test_refusal_says_where_and_why(text, message) -> None:
    with pytest.raises(InvalidDocument) as caught:
        load_all(text, name="x.json")

    assert caught.value.message.startswith(message)


def test_values_may_stand_in_a_row() -> None:
    documents = load_all('{"a": 1}\n\n{"b": 1} null', name="x.json")

    assert [(document.value, document.line) for document in documents] == [
        ({"a": 1}, 1),
        ({"b": 1}, 3),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: y}", {"a": True}),
        ('{"a": NaN}', {"a": "NaN"}),
        ('{"a": 1} # c', {"a": 1}),
        ('{"a": 1,}', {"a": 1}),
    ],
)
def test_braces_in_a_yaml_file_may_be_yaml(text, value) -> None:
    assert load(text, name="x.yaml") == value


def test_json_in_a_yaml_file_may_use_all_of_json() -> None:
    assert load('{"a": "\\ud83d\\ude00"}', name="x.yaml") == {"a": "😀"}


def test_duplicate_keys_of_json_in_a_yaml_file_are_refused() -> None:
    with pytest.raises(InvalidDocument, match="stands twice"):
        load('{"a": 1, "a": 2}', name="x.yaml")


def test_paths_of_json_have_lines() -> None:
    (document,) = load_all('{\n\t"a": [\n\t\t1,\n\t\t"\\ud83d\\ude00"\n]}', name="x.json")

    assert line_of(document, ("a", 1)) == 4
