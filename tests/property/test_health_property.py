"""Verdicts hold on any object that an API server could return, and on many it could not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rollwright.rollouts.health import (
    RULES,
    HealthContext,
    Soak,
    WaitOutcome,
    compute,
    fingerprint,
    judge_wait,
    overall,
    to_argo,
    to_kstatus,
)
from rollwright.rollouts.health.jsonpath import parse_path
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.status import ObjectStatus, Status

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CUSTOM = [
    ("example.com", "Widget"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "HTTPRoute"),
    ("cert-manager.io", "Certificate"),
    ("s3.aws.crossplane.io", "Bucket"),
    ("keda.sh", "ScaledObject"),
    ("argoproj.io", "Rollout"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    ("snapshot.storage.k8s.io", "VolumeSnapshot"),
]
kinds = st.sampled_from([*RULES, *CUSTOM])
small = st.integers(0, 4)
times = st.integers(-900, 5).map(lambda s: (NOW + timedelta(seconds=s)).isoformat())

TYPES = [
    "Ready",
    "Available",
    "Progressing",
    "ReplicaFailure",
    "Complete",
    "Failed",
    "Suspended",
    "Reconciling",
    "Stalled",
    "PodScheduled",
    "AbleToScale",
    "ScalingActive",
    "Established",
    "NamesAccepted",
    "Programmed",
    "Accepted",
    "Synced",
]
REASONS = [
    "NewReplicaSetAvailable",
    "ProgressDeadlineExceeded",
    "Unschedulable",
    "FailedGetResourceMetric",
    "InsufficientPods",
    "Installing",
    "Other",
]
conditions = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(TYPES), "status": st.sampled_from(["True", "False", "Unknown"])},
        optional={
            "reason": st.sampled_from(REASONS),
            "message": st.sampled_from(["x", "exceeded quota: q", 'pods "a" is forbidden: no']),
            "lastTransitionTime": times,
            "observedGeneration": small,
        },
    ),
    max_size=4,
    unique_by=lambda one: one["type"],
)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.just("web"), "restartCount": small, "ready": st.booleans()},
        optional={
            "state": st.sampled_from(
                [
                    {"waiting": {"reason": "ErrImagePull", "message": "a: b"}},
                    {"waiting": {"reason": "CrashLoopBackOff"}},
                    {"waiting": {"reason": "InvalidImageName"}},
                    {"running": {}},
                    {"terminated": {"exitCode": 1}},
                ]
            ),
            "lastState": st.just({"terminated": {"exitCode": 1, "reason": "OOMKilled"}}),
        },
    ),
    max_size=1,
)
COUNTERS = [
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "fullyLabeledReplicas",
    "currentReplicas",
    "desiredNumberScheduled",
    "currentNumberScheduled",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberReady",
    "observedGeneration",
    "active",
    "succeeded",
    "failed",
]
statuses = st.fixed_dictionaries(
    {},
    optional={
        **{name: small for name in COUNTERS if name != "active"},
        "conditions": conditions,
        "containerStatuses": containers,
        "phase": st.sampled_from(["Pending", "Running", "Failed", "Bound", "Lost", "Active", "?"]),
        "startTime": times,
        "lastScheduleTime": times,
        "lastSuccessfulTime": times,
    },
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "replicas": small,
        "paused": st.booleans(),
        "suspend": st.booleans(),
        "type": st.sampled_from(["ClusterIP", "LoadBalancer", "ExternalName"]),
        "clusterIP": st.just("10.0.0.1"),
        "restartPolicy": st.sampled_from(["Always", "Never"]),
        "progressDeadlineSeconds": st.just(600),
        "updateStrategy": st.sampled_from(
            [{"type": "OnDelete"}, {"rollingUpdate": {"partition": 1}}]
        ),
    },
)
metadata = st.fixed_dictionaries(
    {"name": st.just("web"), "namespace": st.just("shop"), "uid": st.just("u")},
    optional={
        "generation": small,
        "creationTimestamp": times,
        "deletionTimestamp": times,
        "finalizers": st.lists(st.sampled_from(["a/b", "foregroundDeletion"]), max_size=2),
    },
)


@st.composite
def objects(draw):
    group, kind = draw(kinds)
    body = {
        "apiVersion": f"{group}/v1" if group else "v1",
        "kind": kind,
        "metadata": draw(metadata),
        "spec": draw(specs),
    }
    status = draw(st.none() | statuses)
    return body if status is None else {**body, "status": status}


contexts = st.builds(
    HealthContext,
    applied_at=st.none() | st.integers(-700, 0).map(lambda s: NOW + timedelta(seconds=s)),
    crd_schema_declares_status=st.none() | st.booleans(),
    ingresses=st.none() | st.just(()),
)


@given(objects(), contexts)
def test_a_plausible_object_never_breaks_a_rule(body, context):
    assert compute(body, context, NOW).reason != "RuleError"


@given(objects(), contexts)
def test_nothing_changes_before_the_recheck(body, context):
    status = compute(body, context, NOW)
    end = status.recheck_at or NOW + timedelta(days=999)

    assert end > NOW
    assert compute(body, context, end - timedelta(microseconds=1)).status is status.status


@given(objects(), contexts)
def test_time_only_ends_windows(body, context):
    """Once no timer is left, the verdict is that of a world without a clock."""
    late = compute(body, context, NOW + timedelta(days=999))
    timeless = compute(body, context, None)

    assert (late.status, late.reason, late.recheck_at) == (timeless.status, timeless.reason, None)


@given(objects(), contexts)
def test_a_wait_that_goes_on_always_ends(body, context):
    later = NOW + timedelta(days=1)
    started = HealthContext(applied_at=NOW, options=context.options)
    status = compute(body, started, later)

    assert judge_wait(status, body, started, now=later).is_over


@given(objects(), contexts)
def test_only_a_failed_object_or_a_cause_fails_a_wait_at_once(body, context):
    fresh = HealthContext(applied_at=NOW)
    status = compute(body, fresh, NOW)
    verdict = judge_wait(status, body, fresh, now=NOW)

    if verdict.outcome is WaitOutcome.FAILED:
        assert status.status is Status.FAILED or status.ref.kind == "Pod"


@given(objects())
def test_every_verdict_has_words_for_others(body):
    status = compute(body)

    assert to_kstatus(status)
    assert to_argo(status) is None or status.rule


json_values = st.recursive(
    st.none() | st.booleans() | small | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "conditions", "type", "status"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(kinds, json_values, json_values, json_values)
def test_no_object_however_odd_ends_a_run(group_kind, meta, spec, status):
    group, kind = group_kind
    ref = ObjectRef(group, kind, "shop", "web")
    body = {"metadata": meta, "spec": spec, "status": status}

    assert compute(body, now=NOW, ref=ref).status in Status


@given(json_values)
def test_a_fingerprint_is_stable(status):
    body = {"status": status if isinstance(status, dict) else {}}

    assert fingerprint(body) == fingerprint(dict(body))


@given(st.lists(st.sampled_from(Status)))
def test_a_rollout_is_never_better_than_any_of_its_objects(words):
    ref = ObjectRef("apps", "Deployment", "shop", "web")
    found = [ObjectStatus(ref=ref, status=word) for word in words]

    assert all(overall(found).severity >= word.severity for word in words)


@given(st.dictionaries(st.text(min_size=1, max_size=5), small, min_size=1))
def test_any_key_can_be_reached_in_quotes(body):
    for key, value in body.items():
        quoted = key.replace("\\", "\\\\").replace("'", "\\'")

        assert parse_path(f"['{quoted}']").find(body) == [value]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=12))
def test_a_soak_passes_only_after_a_quiet_time(observations):
    ref = ObjectRef("apps", "Deployment", "shop", "web")
    soak = Soak(length=timedelta(seconds=25))
    quiet_since, restarts = None, 0
    for step, (is_current, more) in enumerate(observations):
        now = NOW + timedelta(seconds=10 * step)
        restarts += more // 3
        status = ObjectStatus(ref=ref, status=Status.CURRENT if is_current else Status.IN_PROGRESS)
        pod = {
            "metadata": {"uid": "a"},
            "status": {"containerStatuses": [{"restartCount": restarts}]},
        }
        soak = soak.observe(status, [pod], now)
        if not is_current:
            quiet_since = None
        elif quiet_since is None or more // 3:
            quiet_since = now
        if soak.verdict(now).outcome is WaitOutcome.PASSED:
            assert quiet_since is not None
            assert now - quiet_since >= soak.length
