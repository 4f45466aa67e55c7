"""Which fields of two bodies differ, and that values of Secrets never show."""

from __future__ import annotations

import base64

import pytest

from rollwright.rollouts.diff import ABSENT, FieldChange, comparable, compare, mask
from rollwright.rollouts.manifest import is_secret

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def body(kind="ConfigMap", metadata=None, **content):
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "a", **(metadata or {})},
        **content,
    }


def between(old, new):
    """Return what differs below ``spec``, as (path, old, new)."""
    found = compare(body(spec=old), body(spec=new), salt="s")
    return [(one.path.removeprefix("spec."), one.old, one.new) for one in found]


SAME = [
    {},
    {"a": 1, "b": [1, "2", None, True], "c": {"d": {}}},
    {"containers": [{"name": "a"}, {"name": "b"}]},
    {"text": "ä 日本 \u0000 \U0001f600"},
    {"huge": "x" * 1_000_000},
]
DIFFERENT = [
    # plain values and their types
    ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
    ({"a": 1}, {"a": "1"}, [("a", 1, "1")]),
    ({"a": 1}, {"a": True}, [("a", 1, True)]),
    ({"a": True}, {"a": "true"}, [("a", True, "true")]),
    ({"a": 0}, {"a": False}, [("a", 0, False)]),
    ({"a": 1}, {"a": 1.0}, [("a", 1, 1.0)]),
    ({"a": [1, 0]}, {"a": [True, 0]}, [("a[0]", 1, True)]),
    ({"a": {"b": 1}, "c": 1}, {"a": {"b": True}, "c": 1}, [("a.b", 1, True)]),
    # nothing is not something empty: {} may mean "all" where absence means "none"
    ({}, {"a": {}}, [("a", ABSENT, {})]),
    ({"a": []}, {}, [("a", [], ABSENT)]),
    ({"a": None}, {}, [("a", None, ABSENT)]),
    ({"a": ""}, {}, [("a", "", ABSENT)]),
    ({"a": {}}, {"a": []}, [("a", {}, [])]),
    ({"a": {"b": 1}}, {"a": "b"}, [("a", {"b": 1}, "b")]),
    ({"a": [1]}, {"a": {"b": 1}}, [("a", [1], {"b": 1})]),
    # paths
    ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, [("a.b.c", 1, 2)]),
    ({"x": {"a.b/c": 1}}, {"x": {"a.b/c": 2}}, [("x['a.b/c']", 1, 2)]),
    ({"x": {"": 1}}, {"x": {"": 2}}, [("x['']", 1, 2)]),
    ({"x": {"a-b_c": 1}}, {"x": {"a-b_c": 2}}, [("x.a-b_c", 1, 2)]),
    ({"x": {"größe": 1}}, {"x": {"größe": 2}}, [("x.größe", 1, 2)]),
    # lists of values go by place
    ({"a": ["x", "y"]}, {"a": ["x", "z"]}, [("a[1]", "y", "z")]),
    ({"a": ["x"]}, {"a": ["x", "y"]}, [("a[1]", ABSENT, "y")]),
    ({"a": ["x", "y"]}, {"a": ["y", "x"]}, [("a[0]", "x", "y"), ("a[1]", "y", "x")]),
    # keyed lists go by key
    (
        {"c": [{"name": "a", "i": 1}, {"name": "b", "i": 1}]},
        {"c": [{"name": "b", "i": 1}, {"name": "a", "i": 2}]},
        [("c[a].i", 1, 2), ("c", "order ['a', 'b']", "order ['b', 'a']")],
    ),
    (
        {"c": [{"name": "a"}]},
        {"c": [{"name": "b"}]},
        [("c[a]", {"name": "a"}, ABSENT), ("c[b]", ABSENT, {"name": "b"})],
    ),
    (
        {"p": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]},
        {"p": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP", "name": "dns"}]},
        [("p[80/UDP].name", ABSENT, "dns")],
    ),
    (
        {"v": [{"mountPath": "/a", "name": "x"}, {"mountPath": "/b", "name": "x"}]},
        {"v": [{"mountPath": "/a", "name": "x"}, {"mountPath": "/b", "name": "y"}]},
        [("v[/b].name", "x", "y")],
    ),
    # keys that do not tell items apart leave the place
    (
        {"c": [{"name": "a", "i": 1}, {"name": "a", "i": 2}]},
        {"c": [{"name": "a", "i": 1}, {"name": "a", "i": 3}]},
        [("c[1].i", 2, 3)],
    ),
    ({"c": [{"x": 1}]}, {"c": [{"x": 2}]}, [("c[0].x", 1, 2)]),
    ({"c": []}, {"c": [{"name": "a"}]}, [("c[a]", ABSENT, {"name": "a"})]),
    ({"c": [1, {"name": "a"}]}, {"c": [2, {"name": "a"}]}, [("c[0]", 1, 2)]),
    ({"c": [[1]]}, {"c": [[2]]}, [("c[0][0]", 1, 2)]),
    ({"c": [{"name": 1}]}, {"c": [{"name": "1"}]}, [("c[1].name", 1, "1")]),
]


@pytest.mark.parametrize("value", SAME, ids=range(len(SAME)))
def test_nothing_differs_from_itself(value):
    assert between(value, value) == []


@pytest.mark.parametrize(("old", "new", "expected"), DIFFERENT)
def test_fields_that_differ_are_told_with_their_path(old, new, expected):
    found = between(old, new)

    assert [(path, repr(a), repr(b)) for path, a, b in found] == [
        (path, repr(a), repr(b)) for path, a, b in expected
    ]


def test_what_comes_and_what_goes_stands_beside_what_changes():
    found = between({"a": 1, "b": 2}, {"b": 3, "c": 4})

    assert found == [("a", 1, ABSENT), ("b", 2, 3), ("c", ABSENT, 4)]


def test_what_only_the_server_writes_does_not_differ():
    old = body(metadata={"uid": "1", "resourceVersion": "1", "generation": 1}, status={"a": 1})
    new = body(metadata={"uid": "2", "managedFields": [{}], "creationTimestamp": "x"}, status={})

    assert compare(old, new, salt="s") == ()


def test_labels_annotations_and_finalizers_do_differ():
    new = body(metadata={"labels": {"a": "b"}, "finalizers": ["x"], "ownerReferences": [{}]})

    assert [one.path for one in compare(body(), new, salt="s")] == [
        "metadata.labels", "metadata.finalizers", "metadata.ownerReferences",
    ]  # fmt: skip


def test_what_client_side_apply_remembered_does_not_differ():
    old = body(metadata={"annotations": {LAST_APPLIED: "{}", "a": "b"}})
    new = body(metadata={"annotations": {"a": "b"}})

    assert compare(old, new, salt="s") == ()


def test_the_last_annotation_that_client_side_apply_left_makes_no_difference():
    old = body(metadata={"annotations": {LAST_APPLIED: "{}"}})

    assert compare(old, body(), salt="s") == ()


def test_comparing_changes_neither_body():
    old = body(metadata={"annotations": {LAST_APPLIED: "{}"}, "uid": "1"})

    comparable(old)

    assert old == body(metadata={"annotations": {LAST_APPLIED: "{}"}, "uid": "1"})


def test_a_body_without_metadata_can_be_compared():
    assert comparable({"kind": "X"}) == {"kind": "X", "metadata": {}}


def test_absence_is_false_and_says_what_it_is():
    assert (bool(ABSENT), repr(ABSENT)) == (False, "(absent)")


# ------------------------------------------------------------------ Secrets

PASSWORD = "hunter2-hunter2"
HIDDEN = base64.b64encode(PASSWORD.encode()).decode()


def secret(metadata=None, **content):
    return body("Secret", metadata, **content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (secret(data={"p": HIDDEN}), secret(data={"p": "b3RoZXI="})),
        (secret(data={}), secret(data={"p": HIDDEN})),
        (secret(), secret(data={"p": HIDDEN})),
        (secret(data={"p": HIDDEN}), secret()),
        (secret(), secret(stringData={"p": PASSWORD})),
        (secret(stringData={"p": PASSWORD}), secret(stringData={"p": PASSWORD + "x"})),
        (secret(data=[PASSWORD]), secret(data=PASSWORD)),
        (secret(data={"p": {"nested": PASSWORD}}), secret(data={"p": [HIDDEN]})),
        (
            secret({"annotations": {LAST_APPLIED: f'{{"data":{{"p":"{HIDDEN}"}}}}'}}),
            secret(type="Opaque"),
        ),
    ],
)
def test_the_value_of_a_secret_never_shows(old, new):
    shown = repr(compare(old, new, salt="s"))

    assert PASSWORD not in shown
    assert HIDDEN not in shown


def test_a_key_of_a_secret_shows_with_size_and_digest():
    (found,) = compare(secret(data={"p": "YQ=="}), secret(data={"p": "YWE="}), salt="s")

    assert found == FieldChange(path="data.p", old=mask("YQ==", "s"), new=mask("YWE=", "s"))


def test_a_masked_value_says_its_size():
    assert mask("ä", "s").endswith(" (2 bytes)")


def test_equal_values_of_secrets_do_not_differ():
    assert compare(secret(data={"p": HIDDEN}), secret(data={"p": HIDDEN}), salt="s") == ()


def test_another_salt_makes_another_digest():
    assert mask(PASSWORD, "one") != mask(PASSWORD, "two")


def test_what_is_no_value_of_a_secret_shows():
    (found,) = compare(secret(type="a"), secret(type="b"), salt="s")

    assert (found.path, found.old, found.new) == ("type", "a", "b")


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [("v1", "Secret", True), ("v1", "ConfigMap", False), ("example.com/v1", "Secret", False)],
)
def test_only_the_core_kind_is_a_secret(api_version, kind, expected):
    assert is_secret({"apiVersion": api_version, "kind": kind}) is expected
