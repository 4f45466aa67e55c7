"""What decides about a field that another manager owns, and what is sent then."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rollwright.errors import Cause
from rollwright.rollouts.live import live_object
from rollwright.rollouts.manifest import Manifest, Origin, ref_of
from rollwright.rollouts.ownership.conflicts import (
    ConflictPolicy,
    adjusted,
    annotation_problems,
    foresee,
    is_within,
    meet,
    policy_for,
)
from rollwright.rollouts.spec.ownership import ConflictRule


def a_manifest(kind="ConfigMap", **annotations):
    names = {key.replace("__", "/").replace("_", "-"): value for key, value in annotations.items()}
    body = {
        "apiVersion": "v1", "kind": kind, "data": {"color": "blue", "size": "1"},
        "metadata": {"name": "a", "namespace": "shop", "annotations": names},
    }  # fmt: skip
    return Manifest(body=body, ref=ref_of(body), key="a", origin=Origin(file="a.yaml"))


def annotated(**pairs):
    body = dict(a_manifest().body)
    body["metadata"] = {**body["metadata"], "annotations": pairs}
    return Manifest(body=body, ref=ref_of(body), key="a", origin=Origin(file="a.yaml"))


def a_live(kind="ConfigMap", manager="painter", operation="Update", **data):
    entry = {
        "manager": manager, "operation": operation, "apiVersion": "v1",
        "time": "2025-01-02T03:04:05Z", "fieldsV1": {"f:data": {f"f:{key}": {} for key in data}},
    }  # fmt: skip
    metadata = {"name": "a", "namespace": "shop", "uid": "u", "managedFields": [entry]}
    body = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}
    return live_object(body).keyed("key")


def rules(*written):
    return tuple(ConflictRule.model_validate(one) for one in written)


def judged(*written, path="data.color", manager="painter", force=True, manifest=None):
    policy = policy_for(manifest or a_manifest(), rules(*written), is_forced=force)
    return policy.judge(path, manager).value


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({}, True),
        ({"kind": "ConfigMap", "group": "", "name": "a*", "namespace": "shop"}, True),
        ({"kind": "Secret"}, False),
        ({"group": "apps"}, False),
        ({"name": "b"}, False),
        ({"namespace": "other"}, False),
        ({"manager": "paint*"}, True),
        ({"manager": "helm"}, False),
        ({"field": "data.color"}, True),
        ({"field": ".data"}, True),
        ({"field": "/data/color"}, True),
        ({"field": "data.col"}, False),
        ({"fieldRegex": "col.r$"}, True),
        ({"fieldRegex": "^color"}, False),
    ],
)
def test_a_rule_matches_by_everything_that_it_gives(rule, matches):
    assert judged({**rule, "action": "leave"}) == ("leave" if matches else "take")


def test_the_first_rule_that_matches_counts():
    assert judged({"field": "data", "action": "adopt"}, {"action": "leave"}) == "adopt"


def test_without_force_what_no_rule_names_is_refused():
    assert judged(force=False) == "fail"
    assert judged({"action": "take"}, force=False) == "take"


def test_the_object_itself_has_the_first_word():
    manifest = annotated(**{
        "rollwright.dev/conflicts": "leave",
        "rollwright.dev/conflicts-field.2": "fail data",
        "rollwright.dev/conflicts-field.1": "adopt data.color",
    })  # fmt: skip
    rule = {"action": "take"}

    assert judged(rule, manifest=manifest) == "adopt"
    assert judged(rule, manifest=manifest, path="data.size") == "fail"
    assert judged(rule, manifest=manifest, path="metadata.labels.x") == "leave"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rollwright.dev/conflicts", "keep"),
        ("rollwright.dev/conflicts-field.1", "leave"),
        ("rollwright.dev/conflicts-field.1", "keep data.color"),
    ],
)
def test_an_annotation_that_nobody_understands_is_told(name, value):
    ((told, message),) = annotation_problems(annotated(**{name: value}))

    assert told == name
    assert repr(value) in message


@pytest.mark.parametrize(
    ("path", "field", "is_in"),
    [
        ("spec.containers[web].image", 'spec.containers[name="web"]', True),
        ("spec.containers[web].image", "spec.containers[we]", False),
        ("spec.ports[80/TCP].name", 'spec.ports[port=80,protocol="TCP"]', True),
        ("metadata.labels['a.b/c']", "/metadata/labels/a.b~1c", True),
        ("metadata.labels['a.b/c']", "metadata.labels['a.b/c']", True),
        ("spec.replicasMax", "spec.replicas", False),
    ],
)
def test_a_field_is_named_in_any_of_its_forms(path, field, is_in):
    assert is_within(path, field) is is_in


def met_with(message, field=".data.color", live=None, sent=None, **policy):
    cause = Cause(reason="FieldManagerConflict", field=field, message=message)
    sent = sent or a_manifest().body
    (one,) = meet([cause], sent, live or a_live(color="red"), ConflictPolicy(**policy))
    return one


def test_a_conflict_says_whose_what_and_since_when():
    found = met_with('conflict with "painter" using v1').conflict

    assert (found.path, found.manager, found.operation) == ("data.color", "painter", "Update")
    assert (found.theirs, found.ours) == ("red", "blue")
    assert found.since == datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_conflict_with_an_apply_or_a_subresource_says_so():
    applied = met_with('conflict with "painter"').conflict
    scaled = met_with(
        'conflict with "kubectl" with subresource "scale" using apps/v1 at 2025-01-01T00:00:00Z'
    ).conflict

    assert (applied.operation, applied.subresource) == ("Apply", "")
    assert (scaled.operation, scaled.subresource, scaled.is_person) == ("Update", "scale", True)
    assert scaled.since == datetime(2025, 1, 1, tzinfo=UTC)


def test_values_of_a_secret_stand_as_digests():
    found = met_with(
        'conflict with "painter" using v1',
        live=a_live("Secret", color="cmVk"),
        sent=a_manifest("Secret").body,
    ).conflict

    assert str(found.theirs).startswith("sha256:")
    assert "blue" not in repr(found)


@pytest.mark.parametrize(
    ("action", "ending", "data"),
    [
        ("take", (), {"color": "blue", "size": "1"}),
        ("fail", (), {"color": "blue", "size": "1"}),
        ("leave", (), {"size": "1"}),
        ("leave", ("painter",), {"color": "red", "size": "1"}),
        ("adopt", (), {"color": "red", "size": "1"}),
    ],
)
def test_the_body_follows_the_action(action, ending, data):
    manifest, live = a_manifest(), a_live(color="red")
    policy = policy_for(manifest, rules({"action": action}), is_forced=True)
    met = foresee(manifest.body, live, policy, ())

    assert adjusted(manifest.body, live, met, ending)["data"] == data


def test_equal_values_are_no_conflict():
    assert foresee(a_manifest().body, a_live(color="blue"), ConflictPolicy(), ()) == ()
