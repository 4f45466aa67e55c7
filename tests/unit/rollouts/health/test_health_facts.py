"""Small facts that verdicts rest on: revisions, schemas, durations, times, owners."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollwright.rollouts.health import (
    HealthContext,
    compute,
    declares_status,
    new_replica_set,
    new_revision_pods,
    parse_duration,
    timeout_of,
)
from rollwright.rollouts.health.context import HealthOptions
from rollwright.rollouts.health.ownership import Writer, is_owned_by, writers_of
from rollwright.rollouts.health.subject import is_over, moment
from rollwright.rollouts.health.table import has_behavior
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.status import Status

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
REVISION = "deployment.kubernetes.io/revision"


def child(name, owner, kind="ReplicaSet", labels=None, revision=None):
    return {
        "kind": kind,
        "metadata": {
            "name": name,
            "uid": name,
            "labels": labels or {},
            "annotations": {REVISION: revision} if revision else {},
            "ownerReferences": [{"kind": "Any", "name": owner, "uid": owner, "controller": True}],
        },
    }


DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"uid": "web", "annotations": {REVISION: "2"}},
}


def test_the_new_replica_set_has_the_revision_of_its_deployment():
    sets = [child("old", "web", revision="1"), child("new", "web", revision="2")]

    assert new_replica_set(DEPLOYMENT, sets) is sets[1]


def test_a_replica_set_of_somebody_else_is_none_of_ours():
    assert new_replica_set(DEPLOYMENT, [child("x", "api", revision="2")]) is None


def test_a_deployment_without_revision_has_no_new_replica_set():
    assert new_replica_set({"kind": "Deployment"}, [child("new", "web", revision="2")]) is None


def test_pods_of_the_new_revision_are_found_by_hash():
    sets = [
        child("old", "web", revision="1", labels={"pod-template-hash": "h1"}),
        child("new", "web", revision="2", labels={"pod-template-hash": "h2"}),
    ]
    pods = [
        child("a", "old", "Pod", {"pod-template-hash": "h1"}),
        child("b", "new", "Pod", {"pod-template-hash": "h2"}),
        child("c", "stranger", "Pod", {"pod-template-hash": "h2"}),
    ]

    assert new_revision_pods(DEPLOYMENT, sets, pods) == (pods[1],)


def test_pods_of_the_new_revision_are_found_by_owner_when_there_is_no_hash():
    sets = [child("old", "web", revision="1"), child("new", "web", revision="2")]
    pods = [child("a", "old", "Pod"), child("b", "new", "Pod")]

    assert new_revision_pods(DEPLOYMENT, sets, pods) == (pods[1],)


def test_without_an_update_revision_no_pod_is_new():
    workload = {"kind": "StatefulSet", "metadata": {"uid": "web"}}

    assert new_revision_pods(workload, [], [child("a", "web", "Pod")]) == ()


def test_all_pods_of_a_job_are_of_its_only_revision():
    pods = [child("a", "web", "Pod"), child("b", "other", "Pod")]

    assert new_revision_pods({"kind": "Job", "metadata": {"uid": "web"}}, [], pods) == (pods[0],)


def test_an_owner_without_uid_is_known_by_kind_and_name():
    owner = {"kind": "Any", "metadata": {"name": "web"}}

    assert is_owned_by(child("a", "web"), owner)


def crd(version, status, served=True):
    schema = {"properties": {"status": {"properties": status}}}
    return {"name": version, "served": served, "schema": {"openAPIV3Schema": schema}}


@pytest.mark.parametrize(
    ("version", "declared"),
    [("v1", True), ("v2", True), ("v3", False), (None, True), ("v9", False)],
)
def test_a_schema_declares_a_status_or_does_not(version, declared):
    versions = [
        crd("v1", {"conditions": {}}),
        crd("v2", {"observedGeneration": {}}),
        crd("v3", {"phase": {}}),
    ]

    assert declares_status({"spec": {"versions": versions}}, version) is declared


def test_an_old_definition_has_one_schema():
    schema: dict[str, Any] = {
        "openAPIV3Schema": {"properties": {"status": {"properties": {"conditions": {}}}}}
    }
    spec = {"version": "v1beta1", "validation": schema}

    assert declares_status({"spec": spec}, "v1beta1")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("1.5h", 5400), ("0s", 0)],
)
def test_a_duration_is_read(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "5 m", "5d", "-5m", "m"])
def test_nonsense_is_no_duration(text):
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


def test_a_broken_timeout_annotation_is_an_error():
    body = {"metadata": {"annotations": {"rollwright.dev/timeout": "soon"}}}

    with pytest.raises(ValueError, match="no duration: 'soon'"):
        timeout_of(body, HealthOptions())


@pytest.mark.parametrize("value", [None, 3, "soon", {}])
def test_nonsense_is_no_moment(value):
    assert moment(value) is None


def test_a_moment_without_zone_is_utc():
    assert moment("2026-01-01T12:00:00") == NOON


def test_a_zero_window_is_over_even_if_clocks_differ():
    assert is_over(NOON + timedelta(seconds=5), timedelta(0), NOON)


def test_a_field_manager_of_another_field_is_not_named():
    metadata = {
        "managedFields": [
            {"manager": "a", "fieldsV1": {"f:spec": {"f:paused": {}}}, "subresource": "status"},
            {"manager": "b", "fieldsV1": {"f:spec": {}}},
            {"manager": "c", "fieldsV1": {"f:spec": {"f:paused": {}}}},
        ]
    }

    assert list(writers_of(metadata, "f:spec", "f:paused")) == [Writer(manager="c", wrote_at=None)]


def test_a_writer_without_time_is_its_name():
    assert str(Writer(manager="kubectl", wrote_at=None)) == "kubectl"


@pytest.mark.parametrize(
    ("group", "kind", "has"),
    [("", "ConfigMap", False), ("apps", "Deployment", True), ("example.com", "Widget", True)],
)
def test_some_kinds_have_no_behavior_of_their_own(group, kind, has):
    assert has_behavior(group, kind) is has


def test_nothing_at_all_has_no_verdict():
    with pytest.raises(ValueError, match="without an object or its identity"):
        compute(None)


def test_an_object_without_identity_is_unknown_to_every_rule():
    status = compute({"status": {}})

    assert (status.status, str(status.ref)) == (Status.CURRENT, "/")


def test_an_object_of_a_list_takes_its_kind_from_the_identity():
    ref = ObjectRef("apps", "Deployment", "shop", "web")

    status = compute({"metadata": {"name": "web"}, "spec": {"replicas": 1}}, ref=ref)

    assert (status.ref, status.reason) == (ref, "LessReplicas")


def test_pods_of_an_object_of_a_list_are_found():
    ref = ObjectRef("apps", "Deployment", "shop", "web")
    sets = (child("new", "web", revision="2"),)
    pod = child("a", "new", "Pod")
    pod["status"] = {"reason": "NodeLost"}
    body = {"metadata": {**DEPLOYMENT["metadata"], "name": "web"}}

    status = compute(body, HealthContext(replica_sets=sets, pods=(pod,)), ref=ref)

    assert status.reason == "NodeLost"


def test_the_log_of_a_former_life_is_evidence():
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "ownerReferences": [{"uid": "rs"}]},
        "spec": {"containers": [{"name": "c"}]},
        "status": {
            "containerStatuses": [
                {
                    "name": "c",
                    "restartCount": 4,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                }
            ]
        },
    }
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r", "uid": "rs"}}
    log = "\n".join(f"line {n} hunter2" for n in range(30))
    context = HealthContext(
        pods=(pod,),
        previous_logs={("web", "c"): log},
        secret_values=frozenset({"hunter2"}),
    )

    status = compute({**owner, "status": {"replicas": 0}}, context)

    assert status.evidence[0].text.splitlines() == [f"line {n} ***" for n in range(10, 30)]
