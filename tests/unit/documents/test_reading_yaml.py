from __future__ import annotations

import pytest
import yaml

from rollwright.documents import KubeLoader, load, load_all
from rollwright.errors import InvalidDocument


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("yes", True),
        ("y", True),
        ("NO", False),
        ("n", False),
        ("~", None),
        ("0777", 511),
        ("0o777", 511),
        ("08", 8),
        ("1e3", 1000),
        ("1234567e8", 123456700000000),
        ("123e456", "123e456"),
        ("190:20:30", "190:20:30"),
        ("2001-12-14", "2001-12-14"),
        ("=", "="),
        ("1_000", 1000),
        ("_1", "_1"),
        ("._5", "._5"),
        (".5_0", 0.5),
        ("1.0", 1),
        ("1.5", 1.5),
        ("-0.0", 0),
        ("18446744073709551615", 18446744073709551615.0),
        ("0xfffffffffffffffff", "0xfffffffffffffffff"),
        ("4611686018427387904.0", 4611686018427388000),
        ("!foo 1", "1"),
        ("!!str yes", "yes"),
        ("!!float 1", 1),
        ("!!binary aGVsbG8=", "hello"),
        ("! 12", "12"),
        ("'1'", "1"),
    ],
)
def test_scalar_is_what_kubernetes_reads(written, read) -> None:
    value = load(f"v: {written}")["v"]

    assert (type(value), value) == (type(read), read)


@pytest.mark.parametrize(
    ("written", "key"),
    [("1", "1"), ("yes", "true"), ("1.5", "1.5"), ("1.0", "1"), ("0x10", "16"), ("'on'", "on")],
)
def test_key_is_its_json_text(written, key) -> None:
    assert load(f"{written}: x") == {key: "x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: key 'a' stands twice, first at line 1"),
        ("{1: a,\n '1': b}", "f.yaml:2:2: key '1' stands twice, first at line 1"),
        ("a: .inf", "f.yaml:1:4: JSON has no number .inf"),
        ("~: a", "f.yaml:1:1: a key must not be null"),
        ("? [a]\n: b", "f.yaml:1:3: a key must be a scalar"),
        ("1e6: a", "f.yaml:1:1: the key 1000000.0 is a number that Go prints otherwise"),
        ("9223372036854775808: a", "f.yaml:1:1: the key 9223372036854775808"),
        ("1.23456789: a", "f.yaml:1:1: the key 1.23456789"),
        ("a: !!int 1.0", "f.yaml:1:4: !!int stands before a scalar that is no integer"),
        ("a: !!binary /w==", "f.yaml:1:4: !!binary does not hold base64 of UTF-8 text"),
        ("a: 1\n<<: {b: 1}", "f.yaml:2:1: the merge key << must come first in its mapping"),
        ("<<: 1", "f.yaml:1:5: << takes a mapping or a list of mappings"),
        ("%YAML 1.1\n---\na: 1", "f.yaml:1:1: a document must not begin with a % directive"),
        ("a: *b", "f.yaml:1:4: no anchor 'b' before this alias"),
        ("a: &b [*b]", "f.yaml:1:8: anchor 'b' contains itself"),
        ("a: x\n\tb: 1", "f.yaml:2:"),
        ("a: 'x", "f.yaml:2:1: while scanning a quoted scalar"),
        ("a: b: c", "f.yaml:1:5: mapping values are not allowed"),
        ("a: 1\nb: \0", "f.yaml:2:4: U+0000 must not stand in YAML"),
        ("a: 1\nb: \ud800", "f.yaml:2:4: half of a surrogate pair"),
        (b"a: 1\nb: \xff", "f.yaml:2: not UTF-8"),
    ],
)
def test_refusal_says_where_and_why(text, message) -> None:
    with pytest.raises(InvalidDocument) as caught:
        load_all(text, name="f.yaml")

    assert caught.value.message.startswith(message)


def test_tab_gets_a_hint() -> None:
    with pytest.raises(InvalidDocument) as caught:
        load("a:\n\tb: 1")

    assert caught.value.hint == "indent with spaces, not tabs"


def test_no_refusal_quotes_a_value() -> None:
    with pytest.raises(InvalidDocument) as caught:
        load("password: !!int hunter2")

    assert "hunter2" not in str(caught.value)


def test_merge_gives_way_to_explicit_keys() -> None:
    text = "a: &a {x: 1, y2: 1}\nb: {<<: [*a, {x: 2, z: 2}], y2: 3}"

    assert load(text)["b"] == {"x": 1, "z": 2, "y2": 3}


def test_quoted_merge_key_is_a_key() -> None:
    assert load("a: 1\n'<<': {b: 1}") == {"a": 1, "<<": {"b": 1}}


def test_aliases_give_values_of_their_own() -> None:
    value = load("a: &x {list: []}\nb: *x\nc: {<<: *x}")
    value["a"]["list"].append(1)

    assert (value["b"], value["c"]) == ({"list": []}, {"list": []})


def test_anchor_may_be_set_again() -> None:
    assert load("[&a 1, *a, &a 2, *a]") == [1, 1, 2, 2]


def test_empty_documents_are_skipped() -> None:
    documents = load_all("# c\n---\n---\na: 1\n---\n~\n---\nb: 1\n")

    assert [(document.value, document.line) for document in documents] == [
        ({"a": 1}, 4),
        ({"b": 1}, 8),
    ]


def test_empty_text_has_no_documents() -> None:
    assert load_all("") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: expected exactly one document; got none"),
        ("a\n---\nb", "f:3: expected exactly one document; got 2"),
    ],
)
def test_load_wants_exactly_one_document(text, message) -> None:
    with pytest.raises(InvalidDocument) as caught:
        load(text, name="f")

    assert caught.value.message == message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_bytes_are_read_in_what_kubectl_takes(encoding) -> None:
    assert load("a: é".encode(encoding)) == {"a": "é"}


def test_joined_files_may_each_have_a_byte_order_mark() -> None:
    documents = load_all("\ufeffa: 1\n---\n\ufeffb: 1\n")

    assert [document.value for document in documents] == [{"a": 1}, {"b": 1}]


def test_last_line_needs_no_line_break() -> None:
    assert load("a: |\n  b") == {"a": "b\n"}


def test_kube_loader_serves_yaml_load() -> None:
    assert yaml.load("a: y", Loader=KubeLoader) == {"a": True}  # noqa: S506  (our own safe loader)


def test_kube_loader_serves_yaml_load_all() -> None:
    loaded = yaml.load_all("a: y\n---\nb: 08", Loader=KubeLoader)

    assert list(loaded) == [{"a": True}, {"b": 8}]
