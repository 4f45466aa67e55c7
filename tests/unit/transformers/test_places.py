from __future__ import annotations

from typing import Any

import pytest

from rollwright.transformers.places import ABSENT, changed, found_at, parse

BODY: dict[str, Any] = {
    "metadata": {"annotations": {"a.b/c": "1", "x": "2"}},
    "spec": {
        "replicas": 1,
        "containers": [
            {"name": "web", "ports": [{"port": 80, "protocol": "TCP"}]},
            {"name": "side", "ports": [{"port": 80, "protocol": "UDP"}, {"port": 81}]},
        ],
        "rules": [{"resources": ["secrets", "configmaps"], "names": ["a"]}],
        "by": {"1": "one", "a~b": "tilde"},
    },
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("spec.replicas", [1]),
        ("/spec/replicas", [1]),
        ("spec.containers[0].name", ["web"]),
        ("/spec/containers/1/name", ["side"]),
        ("spec.containers[name=side].ports[port=81]", [{"port": 81}]),
        ("spec.containers[*].name", ["web", "side"]),
        ("spec.containers[*].ports[port=80,protocol=UDP].port", [80]),
        ("metadata.annotations[a.b/c]", ["1"]),
        ('metadata.annotations["a.b/c"]', ["1"]),
        (r"metadata.annotations.a\.b/c", ["1"]),
        ("/metadata/annotations/a.b~1c", ["1"]),
        ("/spec/by/1", ["one"]),
        ("/spec/by/a~0b", ["tilde"]),
        ("metadata.annotations[*]", ["1", "2"]),
        ("spec.rules[resources=configmaps].names[*]", ["a"]),
        ("spec.containers[9].name", []),
        ("spec.containers[name=none]", []),
        ("spec.replicas.more", []),
        ("nowhere.at.all", []),
    ],
)
def test_a_path_means_what_stands_there(path, expected) -> None:
    assert found_at(BODY, parse(path)) == expected


@pytest.mark.parametrize("path", ["", "a..b", "a[", "a[]", "spec.", "a]b"])
def test_what_is_no_path_is_refused(path) -> None:
    with pytest.raises(ValueError, match="path"):
        parse(path)


def test_mappings_on_the_way_are_made() -> None:
    assert changed({}, parse("a.b.c"), lambda _old: 1, create=True) == {"a": {"b": {"c": 1}}}


def test_without_being_asked_nothing_is_made() -> None:
    assert changed({"a": {}}, parse("a.b.c"), lambda _old: 1) == {"a": {}}


def test_the_end_of_a_list_is_behind_its_last_item() -> None:
    assert changed({"a": [1]}, parse("a[-]"), lambda _old: 2) == {"a": [1, 2]}


def test_an_absent_value_goes() -> None:
    assert changed({"a": [1, 2], "b": 3}, parse("/a/0"), lambda _old: ABSENT) == {"a": [2], "b": 3}


def test_what_does_not_change_is_shared() -> None:
    found = changed(BODY, parse("spec.containers[name=web].image"), lambda _old: "web:1")

    assert found["metadata"] is BODY["metadata"]
    assert found["spec"]["containers"][1] is BODY["spec"]["containers"][1]


def test_a_change_that_changes_nothing_gives_the_very_same() -> None:
    assert changed(BODY, parse("spec.containers[*].name"), lambda old: old) is BODY
