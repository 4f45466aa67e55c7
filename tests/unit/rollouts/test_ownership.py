"""Which fields are ours, as the server writes it down, and a digest of their values."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import orjson
import pytest

from rollwright.rollouts.live import live_object
from rollwright.rollouts.ownership.fields import other_managers, owned_fields, values_digest

PORT = 'k:{"containerPort":80,"protocol":"TCP"}'
FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:finalizers": {'v:"a.io/keep"': {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"web"}': {
                        ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                        "f:ports": {PORT: {".": {}, "f:containerPort": {}}},
                    },
                },
                "f:tolerations": {},
            },
        },
        "f:steps": {"i:0": {"f:weight": {}}},
    },
}  # fmt: skip
BODY: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "labels": {"app": "web", "theirs": "x"},
        "finalizers": ["b.io/other", "a.io/keep"],
    },
    "spec": {
        "replicas": 2,
        "paused": False,
        "template": {
            "spec": {
                "containers": [
                    {"name": "sidecar", "image": "proxy:1"},
                    {
                        "name": "web",
                        "image": "web:1",
                        "args": ["-a", "-b"],
                        "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}],
                        "imagePullPolicy": "Always",
                    },
                ],
                "tolerations": [{"key": "spot"}],
            }
        },
        "steps": [{"weight": 10, "pause": 5}, {"weight": 20}],
    },
    "status": {"replicas": 2},
}


def an_entry(manager="rollwright", operation="Apply", fields=None, **more):
    return {"manager": manager, "operation": operation, "fieldsV1": fields, **more}


def digest_after(change) -> str:
    body = deepcopy(BODY)
    change(body)
    return values_digest(FIELDS, body)


def web(body):
    return body["spec"]["template"]["spec"]["containers"][1]


OURS = {
    "a label": lambda b: b["metadata"]["labels"].update(app="api"),
    "a label that is gone": lambda b: b["metadata"]["labels"].pop("app"),
    "all labels gone": lambda b: b["metadata"].pop("labels"),
    "labels that are null": lambda b: b["metadata"].update(labels=None),
    "a set member that is gone": lambda b: b["metadata"]["finalizers"].remove("a.io/keep"),
    "a scalar": lambda b: b["spec"].update(replicas=3),
    "a scalar of another type": lambda b: b["spec"].update(replicas="2"),
    "a scalar that is null": lambda b: b["spec"].update(replicas=None),
    "a field of a keyed item": lambda b: web(b).update(image="web:2"),
    "a keyed item that is gone": lambda b: b["spec"]["template"]["spec"]["containers"].pop(1),
    "a list that became a map": lambda b: b["spec"]["template"]["spec"].update(containers={}),
    "a list that became text": lambda b: b["spec"]["template"]["spec"].update(containers="web"),
    "an item with two keys": lambda b: web(b)["ports"][0].update(protocol="UDP"),
    "an atomic list": lambda b: web(b)["args"].reverse(),
    "an atomic list of maps": lambda b: b["spec"]["template"]["spec"]["tolerations"].append({}),
    "an item by its place": lambda b: b["spec"]["steps"][0].update(weight=15),
    "an item whose place is gone": lambda b: b["spec"]["steps"].clear(),
    "a map that became text": lambda b: b.update(spec="x"),
}
THEIRS = {
    "status": lambda b: b["status"].update(replicas=5),
    "another label": lambda b: b["metadata"]["labels"].update(theirs="y"),
    "another set member": lambda b: b["metadata"]["finalizers"].remove("b.io/other"),
    "another scalar": lambda b: b["spec"].update(paused=True),
    "another keyed item": lambda b: b["spec"]["template"]["spec"]["containers"].pop(0),
    "another field of our item": lambda b: web(b).update(imagePullPolicy="Never"),
    "a field beside the keys": lambda b: web(b)["ports"][0].update(name="web"),
    "another item by its place": lambda b: b["spec"]["steps"].pop(1),
    "the order of keyed items": lambda b: b["spec"]["template"]["spec"]["containers"].reverse(),
}


@pytest.mark.parametrize("what", OURS)
def test_a_change_of_ours_changes_the_digest(what):
    assert digest_after(OURS[what]) != values_digest(FIELDS, BODY)


@pytest.mark.parametrize("what", THEIRS)
def test_a_change_of_others_does_not_change_the_digest(what):
    assert digest_after(THEIRS[what]) == values_digest(FIELDS, BODY)


def test_owning_one_field_less_changes_the_digest():
    fewer = {**FIELDS, "f:spec": {**FIELDS["f:spec"]}}
    del fewer["f:spec"]["f:replicas"]

    assert values_digest(fewer, BODY) != values_digest(FIELDS, BODY)


def test_an_empty_map_that_is_ours_is_not_an_absent_one():
    fields: dict[str, Any] = {"f:spec": {"f:selector": {".": {}}}}

    assert values_digest(fields, {"spec": {"selector": {}}}) != values_digest(fields, {"spec": {}})


def test_who_owns_nothing_has_the_digest_of_nothing():
    assert values_digest({}, BODY) == values_digest({}, {"spec": {"a": 1}})


def test_a_field_name_may_hold_colons():
    fields: dict[str, Any] = {"f:data": {"f:a:b": {}}}

    assert values_digest(fields, {"data": {"a:b": "1"}}) != values_digest(fields, {"data": {}})


def test_set_members_may_be_numbers():
    fields: dict[str, Any] = {"f:spec": {"f:ports": {"v:80": {}}}}

    one, other = ({"spec": {"ports": ports}} for ports in ([80], [81]))
    assert values_digest(fields, one) != values_digest(fields, other)


def test_only_what_our_applies_own_is_ours():
    metadata = {
        "managedFields": [
            an_entry("kubectl", fields={"f:a": {}}),
            an_entry(operation="Update", fields={"f:b": {}}),
            an_entry(subresource="status", fields={"f:status": {}}),
            an_entry(fields={"f:spec": {}}),
        ]
    }

    assert owned_fields(metadata) == {"f:spec": {}}


@pytest.mark.parametrize(
    "metadata", [{}, {"managedFields": None}, {"managedFields": [an_entry(fields=None)]}]
)
def test_an_object_of_which_no_field_is_ours_owns_nothing(metadata):
    assert owned_fields(metadata) == {}


def test_applies_under_another_name_are_found_by_that_name():
    metadata = {"managedFields": [an_entry("rollwright-7", fields={"f:x": {}})]}

    assert (owned_fields(metadata), owned_fields(metadata, "rollwright-7")) == ({}, {"f:x": {}})


def test_other_managers_are_named_once():
    entries = [an_entry("b"), an_entry("a"), an_entry("b", "Update"), an_entry()]

    assert other_managers({"managedFields": entries}) == ("a", "b")


def test_an_object_without_managers_has_no_others():
    assert other_managers({}) == ()


def test_a_live_object_that_owns_nothing_is_not_parsed():
    raw = orjson.dumps({**BODY, "metadata": {"name": "web"}})

    assert live_object(BODY, raw).owned_digest == values_digest({}, {})
