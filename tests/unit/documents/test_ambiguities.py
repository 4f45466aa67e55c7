from __future__ import annotations

import pytest

from rollwright.documents import ambiguities
from rollwright.errors import InvalidDocument, Problem


@pytest.mark.parametrize(
    ("scalar", "fact", "instead"),
    [
        ("y", "true for kubectl; the text 'y' for kustomize", "write 'y' for the text or true"),
        ("yes", "true for kubectl and YAML 1.1 readers", "write 'yes' for the text or true"),
        ("off", "false for kubectl and YAML 1.1 readers", "write 'off' for the text or false"),
        ("0777", "the number 777 for YAML 1.2 readers", "or 511 for the value"),
        ("0o777", "the text '0o777' for YAML 1.1 readers", "or 511 for the value"),
        ("08", "the number 8 for kubectl", "or 8 for the value"),
        ("1e3", "the text '1e3' for YAML 1.1 readers", "or 1000 for the value"),
        ("1_000", "the text '1_000' for YAML 1.2 readers", "or 1000 for the value"),
        ("0b11", "the text '0b11' for YAML 1.2 readers", "or 3 for the value"),
        ("123e456", "the number inf for YAML 1.2 readers", "write '123e456' for the text"),
        ("2001-12-14", "a date for kustomize and YAML 1.1 readers", "write '2001-12-14'"),
        ("190:20:30", "the number 685230 for YAML 1.1 readers", "write '190:20:30'"),
        ("=", "an error for YAML 1.1 readers", "write '=' for the text"),
        (".inf", "an error for kubectl and kustomize", "write '.inf' for the text"),
        ("9223372036854775809", "the number 9223372036854775809 for YAML 1.2", "9.2233720368547"),
    ],
)
def test_disputed_scalar_is_named_with_its_readings(scalar, fact, instead) -> None:
    (problem,) = ambiguities(f"# c\na:\n- x\n- {scalar}\n", name="f.yaml")

    assert (problem.where, problem.path) == ("f.yaml:4", "a[1]")
    assert fact in problem.message
    assert instead in problem.message


@pytest.mark.parametrize(
    "scalar",
    [
        *("true", "False", "~", "null", "1", "-1", "1.5", "1.0", "0x1F", "text", "10.0.0.1", "v1"),
        *("'y'", '"1e3"', "!!str y", "!foo 1e3", "|\n  y", "1Gi", "100m", "1.2.3", "''"),
    ],
)
def test_what_all_readers_read_alike_is_fine(scalar) -> None:
    assert ambiguities(f"a: {scalar}\n") == ()


@pytest.mark.parametrize(
    ("key", "fact"),
    [
        ("1", "an error for kustomize"),
        ("yes", "the text 'true' for kubectl; the text 'yes' for kustomize"),
        ("y", "the text 'true' for kubectl"),
        ("true", "an error for kustomize"),
        ("1.5", "the text '1.5' for kubectl; an error for kustomize"),
        ("~", "an error for kubectl"),
        ("1e6", "an error for kubectl"),
        ("2001-12-14", "a date for YAML 1.1 readers"),
    ],
)
def test_disputed_key_is_named_with_its_readings(key, fact) -> None:
    (problem,) = ambiguities(f"a:\n  {key}: x\n", name="f.yaml")

    assert problem.where == "f.yaml:2"
    assert fact in problem.message
    assert problem.message.endswith(f"write '{key}'")


@pytest.mark.parametrize("key", ["a", "'1'", "app.kubernetes.io/name", "x-y", '"yes"', "!!str 1"])
def test_undisputed_keys_are_fine(key) -> None:
    assert ambiguities(f"{key}: x\n") == ()


def test_late_merge_key_is_named() -> None:
    (problem,) = ambiguities("base: &b {x: 1}\na:\n  x: 2\n  <<: *b\n", name="f.yaml")

    assert problem == Problem(
        where="f.yaml:4",
        path="a['<<']",
        message="<< after other keys wins over them for kubectl and loses for kustomize and"
        " YAML 1.1 readers; move it to the top of its mapping",
    )


def test_merge_key_that_comes_first_is_fine() -> None:
    assert ambiguities("base: &b {x: 1}\na:\n  <<: *b\n  x: 2\n") == ()


def test_every_place_of_every_document_is_looked_at() -> None:
    text = "a: {b: [c, {d: y}]}\ne: &e [n]\nf: *e\ng: on\n---\n- [off]\n- 08\n"

    found = [(problem.where, problem.path) for problem in ambiguities(text, name="f")]

    assert found == [
        ("f:1", "a.b[1].d"),
        ("f:2", "e[0]"),
        ("f:4", "g"),
        ("f:6", "[0][0]"),
        ("f:7", "[1]"),
    ]


def test_json_has_no_plain_scalars() -> None:
    assert ambiguities('{"y": 1e3}', name="x.json") == ()


def test_json_in_a_yaml_file_is_looked_at() -> None:
    (problem,) = ambiguities('{"smile": "\\ud83d\\ude00",\n "a": 1e3}', name="x.yaml")

    assert (problem.where, problem.path) == ("x.yaml:2", "a")


def test_broken_text_is_refused() -> None:
    with pytest.raises(InvalidDocument, match=r"f\.yaml:2:1"):
        ambiguities("[a", name="f.yaml")
