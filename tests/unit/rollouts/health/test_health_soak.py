"""Soak: an object stays Current, its pods neither restart nor are replaced (HL-135..139)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollwright.rollouts.health import Soak, WaitOutcome, baseline_of, restart_warning
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.status import ObjectStatus, Status

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
REF = ObjectRef("apps", "Deployment", "shop", "web")
CURRENT = ObjectStatus(ref=REF, status=Status.CURRENT)
BUSY = ObjectStatus(ref=REF, status=Status.IN_PROGRESS, message="Ready: 1/2")
MINUTE = Soak(length=timedelta(seconds=60))


def at(seconds):
    return START + timedelta(seconds=seconds)


def pod(uid: str, restarts: int = 0, **status: Any) -> dict[str, Any]:
    containers = [{"name": "web", "restartCount": restarts}]
    return {
        "metadata": {"name": f"web-{uid}", "uid": uid},
        "status": {"containerStatuses": containers, **status},
    }


def fold(*observations, soak=MINUTE):
    for seconds, status, pods in observations:
        soak = soak.observe(status, pods, at(seconds))
    return soak


def outcome(soak, seconds):
    return soak.verdict(at(seconds)).outcome


def test_a_quiet_minute_passes():
    soak = fold((0, CURRENT, [pod("a", 3)]), (30, CURRENT, [pod("a", 3)]))

    assert (outcome(soak, 59), outcome(soak, 60)) == (WaitOutcome.WAITING, WaitOutcome.PASSED)


def test_restarts_from_before_do_not_matter():
    soak = fold((0, CURRENT, [pod("a", 99)]), (59, CURRENT, [pod("a", 99)]))

    assert soak.break_count == 0


def test_the_timer_is_set_to_the_end():
    assert fold((5, CURRENT, [])).verdict(at(6)).recheck_at == at(65)


def test_no_length_passes_at_once():
    soak = fold((0, CURRENT, []), soak=Soak(length=timedelta(0)))

    assert outcome(soak, 0) is WaitOutcome.PASSED


def test_nothing_starts_before_the_object_is_current():
    soak = fold((0, BUSY, []), (50, BUSY, []))

    assert (soak.break_count, outcome(soak, 500)) == (0, WaitOutcome.WAITING)


def test_a_restart_starts_the_clock_again():
    soak = fold((0, CURRENT, [pod("a")]), (50, CURRENT, [pod("a", 1)]))

    assert (outcome(soak, 60), outcome(soak, 110)) == (WaitOutcome.WAITING, WaitOutcome.PASSED)


def test_a_restart_of_an_init_container_counts():
    proxy = [{"name": "proxy", "restartCount": 1}]

    soak = fold((0, CURRENT, [pod("a")]), (50, CURRENT, [pod("a", initContainerStatuses=proxy)]))

    assert soak.break_count == 1


def test_a_second_restart_fails():
    soak = fold(
        (0, CURRENT, [pod("a")]), (50, CURRENT, [pod("a", 1)]), (100, CURRENT, [pod("a", 2)])
    )
    verdict = soak.verdict(at(100))

    assert (verdict.outcome, verdict.reason, verdict.message) == (
        WaitOutcome.FAILED,
        "RestartsDuringSoak",
        "broken twice within 60 s: 1 restart of web-a",
    )


DOWN: Any = {"containerStatuses": [{"name": "web", "restartCount": 1, "ready": False}]}
UP: Any = {"containerStatuses": [{"name": "web", "restartCount": 1, "ready": True}]}


def crashed(**more):
    return pod("a", **DOWN, **more)


def test_a_crash_that_is_seen_before_its_object_is_one_break():
    soak = fold((0, CURRENT, [pod("a")]), (10, CURRENT, [crashed()]), (11, BUSY, [crashed()]))

    assert (soak.break_count, soak.started_at) == (1, None)


def test_a_crash_that_is_seen_after_its_object_is_one_break():
    soak = fold((0, CURRENT, [pod("a")]), (10, BUSY, [pod("a")]), (11, BUSY, [crashed()]))

    assert soak.break_count == 1


def test_a_crash_that_is_over_lets_the_clock_start_again():
    soak = fold(
        (0, CURRENT, [pod("a")]),
        (10, CURRENT, [crashed()]),
        (11, BUSY, [crashed()]),
        (20, CURRENT, [pod("a", **UP)]),
    )

    assert (outcome(soak, 79), outcome(soak, 80)) == (WaitOutcome.WAITING, WaitOutcome.PASSED)


def test_a_container_that_restarts_again_before_it_came_back_fails():
    again: Any = {"containerStatuses": [{"name": "web", "restartCount": 2, "ready": False}]}

    soak = fold(
        (0, CURRENT, [pod("a")]),
        (10, BUSY, [crashed()]),
        (12, BUSY, [pod("a", **again)]),
    )

    assert soak.verdict(at(12)).reason == "RestartsDuringSoak"


def test_the_trouble_goes_on_while_a_pod_is_down():
    soak = fold(
        (0, CURRENT, [pod("a")]),
        (10, BUSY, [crashed()]),
        (11, CURRENT, [crashed()]),
        (12, BUSY, [crashed()]),
    )

    assert soak.break_count == 1


def test_leaving_current_is_a_break_and_stops_the_clock():
    soak = fold((0, CURRENT, [pod("a")]), (50, BUSY, [pod("a")]))
    verdict = soak.verdict(at(70))

    assert (soak.break_count, verdict.outcome, verdict.message) == (
        1,
        WaitOutcome.WAITING,
        "it became InProgress: Ready: 1/2",
    )


def test_staying_away_is_one_break():
    soak = fold((0, CURRENT, []), (10, BUSY, []), (20, BUSY, []), (30, CURRENT, []))

    assert (soak.break_count, outcome(soak, 90)) == (1, WaitOutcome.PASSED)


def test_leaving_current_twice_fails():
    soak = fold((0, CURRENT, []), (10, BUSY, []), (20, CURRENT, []), (30, BUSY, []))

    assert outcome(soak, 30) is WaitOutcome.FAILED


def test_a_replaced_pod_starts_the_clock_again_without_counting_as_a_break():
    soak = fold((0, CURRENT, [pod("a")]), (50, CURRENT, [pod("b")]))

    assert (soak.started_at, soak.break_count) == (at(50), 0)


def test_a_pod_that_still_goes_away_is_replaced_too():
    leaving = pod("a")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:40Z"

    soak = fold((0, CURRENT, [pod("a")]), (50, CURRENT, [leaving, pod("b")]))

    assert soak.started_at == at(50)


@pytest.mark.parametrize(
    "status",
    [
        {"reason": "Evicted"},
        {"conditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ],
)
def test_an_evicted_pod_may_be_replaced(status):
    soak = fold(
        (0, CURRENT, [pod("a")]), (10, CURRENT, [pod("a", 0, **status)]), (20, CURRENT, [pod("b")])
    )

    assert soak.started_at == at(0)


def test_a_scale_down_is_no_break():
    soak = fold((0, CURRENT, [pod("a"), pod("b")]), (10, CURRENT, [pod("a")]))

    assert (soak.started_at, soak.break_count) == (at(0), 0)


def test_a_scale_up_is_no_break_but_its_restarts_count():
    soak = fold((0, CURRENT, [pod("a")]), (10, CURRENT, [pod("a"), pod("b")]))
    grown = soak.observe(CURRENT, [pod("a"), pod("b", 1)], at(20))

    assert (soak.break_count, grown.break_count) == (0, 1)


def test_restarts_after_the_run_give_a_warning():
    baseline = baseline_of([pod("a", 2)])

    warning = restart_warning(baseline, [pod("a", 4)])

    assert warning is not None
    assert (warning.code, warning.text) == ("RestartingPods", "2 restarts of web-a since then")


def test_a_quiet_app_gives_no_warning():
    assert restart_warning(baseline_of([pod("a", 2)]), [pod("a", 2)]) is None
