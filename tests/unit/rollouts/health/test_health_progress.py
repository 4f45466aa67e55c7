"""What counts as progress of an object, and what does not."""

from __future__ import annotations

import pytest

from rollwright.rollouts.health import fingerprint


def body(**status):
    return {"metadata": {"generation": 1}, "status": {"readyReplicas": 1, **status}}


def condition(**fields):
    return body(conditions=[{"type": "Ready", "status": "False", "reason": "X", **fields}])


def pod(**status):
    return {"metadata": {"name": "a"}, "status": {"phase": "Pending", **status}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (body(), body(readyReplicas=2)),
        (body(), body(phase="Running")),
        (body(), body(parts=[{"ready": True}])),
        (body(parts=[1]), body(parts=[1, 1])),
        (body(), {"metadata": {"generation": 2}, "status": {"readyReplicas": 1}}),
        (condition(), condition(status="True")),
        (condition(), condition(reason="Y")),
        (body(), None),
        (
            {"metadata": {"finalizers": ["a", "b"]}},
            {"metadata": {"finalizers": ["a"]}},
        ),
    ],
)
def test_counters_words_and_conditions_are_progress(before, after):
    assert fingerprint(before) != fingerprint(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (condition(message="a"), condition(message="b")),
        (condition(lastTransitionTime="1"), condition(lastTransitionTime="2")),
        (body(lastSyncedAt="2026-01-01T12:00:00Z"), body(lastSyncedAt="2026-01-01T12:01:00Z")),
    ],
)
def test_times_and_texts_are_none(before, after):
    assert fingerprint(before) == fingerprint(after)


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Running"},
        {"conditions": [{"type": "Ready", "status": "True"}]},
        {"initContainerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]},
    ],
)
def test_a_pod_that_gets_further_is_progress(status):
    assert fingerprint(body(), [pod()]) != fingerprint(body(), [pod(**status)])


def test_a_new_pod_is_progress():
    assert fingerprint(body()) != fingerprint(body(), [pod()])


def test_a_crash_loop_is_none():
    waits = pod(containerStatuses=[{"restartCount": 1, "state": {"waiting": {}}}])
    runs = pod(containerStatuses=[{"restartCount": 2, "state": {"running": {}}}])

    assert fingerprint(body(), [waits]) == fingerprint(body(), [runs])


def test_the_order_of_pods_does_not_matter():
    one, two = pod(), {"metadata": {"uid": "b"}}

    assert fingerprint(body(), [one, two]) == fingerprint(body(), [two, one])
