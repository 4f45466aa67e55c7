from __future__ import annotations

import pytest

from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.ownership.fieldsets import (
    find_path,
    leaves,
    members,
    overlapping,
    removed,
    shown,
    tree,
    value_at,
    with_value,
    without,
)

WEB = 'k:{"name":"web"}'
IMAGE = ("f:spec", "f:containers", WEB, "f:image")
FIELDS = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
    "f:spec": {"f:containers": {WEB: {".": {}, "f:image": {}, "f:name": {}}}, "f:selector": {}},
}
BODY = {
    "metadata": {"labels": {"app.kubernetes.io/name": "x", "app": "y"}},
    "spec": {
        "containers": [
            {"name": "side", "image": "s"},
            {"name": "web", "image": "w", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
        ],
        "finalizers": ["a/b", "c"],
    },
}


def test_a_set_becomes_the_same_fields_again():
    assert tree(members(FIELDS)) == FIELDS


def test_an_item_that_is_only_named_is_no_end():
    assert members(FIELDS) - leaves(FIELDS) == {IMAGE[:3], ("f:metadata", "f:labels")}


def test_a_value_is_found_by_the_keys_of_its_item():
    assert value_at(BODY, IMAGE) == "w"


@pytest.mark.parametrize(
    "path",
    [("f:spec", "f:nothing"), ("f:spec", "f:containers", 'k:{"name":"no"}'), ("f:spec", "i:0"),
     ("f:spec", "f:finalizers", 'v:"z"'), ("f:spec", "f:finalizers", "i:7")],
)  # fmt: skip
def test_a_place_that_is_not_there_is_absent(path):
    assert value_at(BODY, path) is ABSENT


def test_a_body_is_changed_as_a_copy():
    after = without(BODY, IMAGE)

    assert value_at(after, IMAGE) is ABSENT
    assert value_at(BODY, IMAGE) == "w"


def test_an_item_that_is_missing_is_made_with_its_keys():
    after = with_value({}, IMAGE, "v2")

    assert after == {"spec": {"containers": [{"name": "web", "image": "v2"}]}}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (".metadata.labels.app.kubernetes.io/name",
         ("f:metadata", "f:labels", "f:app.kubernetes.io/name")),
        (".metadata.labels.app", ("f:metadata", "f:labels", "f:app")),
        ('.spec.containers[name="web"].image', IMAGE),
        ('.spec.containers[name="web"].ports[containerPort=80,protocol="TCP"]',
         (*IMAGE[:3], "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}')),
        ('.spec.finalizers[="a/b"]', ("f:spec", "f:finalizers", 'v:"a/b"')),
        (".spec.containers[0].image", ("f:spec", "f:containers", "i:0", "f:image")),
        (".spec.nowhere", None),
        ('.spec.containers[name="web"', None),
    ],
)  # fmt: skip
def test_a_path_of_the_server_is_found_in_the_object(text, path):
    assert find_path(text, BODY) == path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (IMAGE, "spec.containers[web].image"),
        (("f:metadata", "f:labels", "f:a.b/c"), "metadata.labels['a.b/c']"),
        (("f:spec", "f:finalizers", 'v:"a"'), "spec.finalizers[a]"),
    ],
)
def test_a_place_is_shown_as_in_a_plan(path, text):
    assert shown(path) == text


def test_what_nobody_owns_goes_with_what_stands_in_it():
    body = {"spec": {"containers": [{"name": "web", "image": "w", "default": 1}, {"name": "b"}]}}
    item = IMAGE[:3]

    after = removed(
        body, frozenset({item, IMAGE}), frozenset({("f:spec", "f:containers", 'k:{"name":"b"}')})
    )

    assert after == {"spec": {"containers": [{"name": "b"}]}}


def test_the_key_of_an_item_stays_with_the_item():
    body = {"spec": {"containers": [{"name": "web", "image": "w"}]}}

    after = removed(body, frozenset({(*IMAGE[:3], "f:name")}), frozenset({IMAGE}))

    assert after == body


def test_a_way_that_leads_to_nothing_goes_too():
    body = {"data": {"a": "1"}, "metadata": {"name": "x"}}

    assert removed(body, frozenset({("f:data", "f:a")}), frozenset()) == {"metadata": {"name": "x"}}


@pytest.mark.parametrize(
    ("owned", "is_held"),
    [(IMAGE, True), (IMAGE[:2], True), ((*IMAGE, "f:deeper"), True), (("f:spec", "f:x"), False)],
)
def test_a_place_is_held_with_what_is_above_or_below_it(owned, is_held):
    assert overlapping(IMAGE, frozenset({owned})) is is_held
