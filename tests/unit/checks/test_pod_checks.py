"""The checks ``JobOOMKilled`` and ``PodsRestarting``."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright.checks.job_oom_killed import JobOOMKilled
from rollwright.checks.pods_restarting import PodsRestarting
from rollwright.errors import InvalidSpec
from rollwright.plugins.contracts import Verdict
from rollwright.plugins.registry import Registry
from rollwright.rollouts.status import Status
from rollwright.testing.check_contract import NOON, a_check_request, without_object

MINUTE = timedelta(minutes=1)


def a_job(kind="Job", version="batch/v1", **conditions):
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "migrate", "namespace": "shop", "uid": "job-2"},
        "status": {"conditions": [{"type": k, "status": v} for k, v in conditions.items()]},
    }


def a_pod(name="p", *, labels=None, owner=None, namespace="shop", created="2025-01-01T00:00:00Z"):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "labels": {"job-name": "migrate"} if labels is None else labels,
            "ownerReferences": [owner] if owner else [],
            "creationTimestamp": created,
        },
        "status": {},
    }


def killed(pod, *, where="state", among="containerStatuses", reason="OOMKilled"):
    end = {"name": "c", where: {"terminated": {"reason": reason, "exitCode": 137}}}
    return {**pod, "status": {among: [{"name": "fine"}, end]}}


def restarted(pod, *counts):
    statuses = [{"name": f"c{n}", "restartCount": count} for n, count in enumerate(counts)]
    return {**pod, "status": {"containerStatuses": statuses}}


async def oom(*pods, job=None):
    return await JobOOMKilled().evaluate(a_check_request(job or a_job(), pods=pods))


# --- JobOOMKilled -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["state", "lastState"])
@pytest.mark.parametrize(
    "among", ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
)
async def test_a_container_killed_for_its_memory_is_a_failure(where, among) -> None:
    result = await oom(a_pod("fine"), killed(a_pod(), where=where, among=among))

    assert (result.verdict, result.reason) == (
        Verdict.FAILURE,
        "container c of pod p was OOMKilled",
    )


async def test_another_end_is_none() -> None:
    assert (await oom(killed(a_pod(), reason="Error"))).verdict == Verdict.UNDECIDED


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(labels={"batch.kubernetes.io/job-name": "migrate"}),
        a_pod(labels={}, owner={"kind": "Job", "name": "migrate", "controller": True}),
        a_pod(labels={}, owner={"kind": "Job", "name": "x", "uid": "job-2", "controller": True}),
    ],
)
async def test_pods_are_found_by_label_and_by_owner(pod) -> None:
    assert (await oom(killed(pod))).verdict == Verdict.FAILURE


@pytest.mark.parametrize(
    "pod",
    [
        a_pod(labels={"job-name": "other"}),
        a_pod(labels={}),
        a_pod(namespace="elsewhere"),
        a_pod(owner={"kind": "Job", "name": "migrate", "uid": "job-1", "controller": True}),
    ],
)
async def test_pods_of_others_and_of_a_former_job_do_not_count(pod) -> None:
    assert (await oom(killed(pod))).verdict == Verdict.UNDECIDED


async def test_a_complete_job_without_is_a_success() -> None:
    assert (await oom(a_pod(), job=a_job(Complete="True"))).verdict == Verdict.SUCCESS


async def test_a_job_that_failed_for_another_reason_is_not_judged() -> None:
    assert (await oom(a_pod(), job=a_job(Failed="True"))).verdict == Verdict.UNDECIDED


@pytest.mark.parametrize(("kind", "version"), [("Pod", "v1"), ("Job", "example.com/v1")])
async def test_what_is_no_job_is_a_failure(kind, version) -> None:
    result = await oom(job=a_job(kind, version))

    assert (result.verdict, result.reason) == (Verdict.FAILURE, "object is not a Job")


async def test_a_job_that_vanishes_is_waited_for() -> None:
    request = a_check_request(a_job())
    await JobOOMKilled().evaluate(request)

    result = await JobOOMKilled().evaluate(without_object(request))

    assert result.verdict == Verdict.UNDECIDED


# --- PodsRestarting -----------------------------------------------------------------------------

WEB = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w", "namespace": "s"}}


async def looks(check, *steps, status=Status.IN_PROGRESS):
    """Look several times with one memory; a step is (minutes, pods)."""
    memory: dict[str, object] = {}
    results = []
    for minutes, pods in steps:
        request = a_check_request(WEB, pods=pods, after=minutes * MINUTE, status=status)
        results.append(await check.evaluate(replace(request, memory=memory)))
    return results


async def test_restarts_since_the_step_began_are_a_failure() -> None:
    steps = [
        (0, [restarted(a_pod(), 5)]),
        (1, [restarted(a_pod(), 7)]),
        (2, [restarted(a_pod(), 8)]),
    ]

    *before, last = await looks(PodsRestarting(), *steps)

    assert [one.verdict for one in before] == [Verdict.UNDECIDED] * 2
    assert (last.verdict, last.reason) == (
        Verdict.FAILURE,
        "pod p was restarted 3 times within the step",
    )


async def test_restarts_from_before_the_step_do_not_count() -> None:
    (result,) = await looks(PodsRestarting(threshold=1), (0, [restarted(a_pod(), 50)]))

    assert result.verdict == Verdict.UNDECIDED


async def test_all_restarts_of_a_pod_made_by_the_step_count() -> None:
    pod = restarted(a_pod(created=NOON.isoformat()), 3)

    (result,) = await looks(PodsRestarting(), (5, [pod]))

    assert result.verdict == Verdict.FAILURE


async def test_restarts_of_all_containers_of_one_pod_are_added() -> None:
    steps = [(0, [restarted(a_pod(), 0, 0)]), (1, [restarted(a_pod(), 2, 1)])]

    assert (await looks(PodsRestarting(), *steps))[-1].verdict == Verdict.FAILURE


async def test_restarts_of_different_pods_are_not_added() -> None:
    pods = [[restarted(a_pod(name), count) for name in "abc"] for count in (0, 1)]

    assert (await looks(PodsRestarting(), (0, pods[0]), (1, pods[1])))[-1].verdict == (
        Verdict.UNDECIDED
    )


async def test_a_pod_that_is_replaced_begins_anew() -> None:
    steps = [(0, [restarted(a_pod("a"), 0)]), (1, [restarted(a_pod("a"), 2)])]
    fresh = (2, [restarted(a_pod("b", created=NOON.isoformat()), 2)])

    assert (await looks(PodsRestarting(), *steps, fresh))[-1].verdict == Verdict.UNDECIDED


@pytest.mark.parametrize(("last", "expected"), [(10, Verdict.FAILURE), (12, Verdict.UNDECIDED)])
async def test_only_restarts_within_the_window_count(last, expected) -> None:
    counts = [(0, 0), (1, 2), (last, 3)]
    steps = [(minute, [restarted(a_pod(), count)]) for minute, count in counts]

    assert (await looks(PodsRestarting(window=10 * MINUTE), *steps))[-1].verdict == expected


async def test_an_object_that_is_current_is_a_success() -> None:
    (result,) = await looks(PodsRestarting(), (0, [a_pod()]), status=Status.CURRENT)

    assert result.verdict == Verdict.SUCCESS


async def test_an_object_that_vanishes_is_waited_for_and_what_was_counted_stays() -> None:
    request = a_check_request(WEB, pods=[restarted(a_pod(), 0)])
    await PodsRestarting().evaluate(request)

    gone = await PodsRestarting().evaluate(without_object(request))
    back = await PodsRestarting().evaluate(replace(request, pods=(restarted(a_pod(), 3),)))

    assert (gone.verdict, back.verdict) == (Verdict.UNDECIDED, Verdict.FAILURE)


@pytest.mark.parametrize("options", [{"threshold": 0}, {"threshold": "3"}, {"window": "x"}])
def test_options_that_make_no_sense_are_refused(options) -> None:
    with pytest.raises(InvalidSpec):
        Registry().build("checks", "PodsRestarting", options)
