from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rollwright.rollouts.feedback import Feedback
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.overview import Overview
from rollwright.rollouts.state import Journal, RolloutState
from rollwright.rollouts.status import ObjectStatus, Status, worst

REF = ObjectRef("", "Pod", "shop", "a")
AT = datetime(2025, 1, 1, tzinfo=UTC)


def a_status(status, message="") -> ObjectStatus:
    return ObjectStatus(ref=REF, status=status, message=message)


def an_overview(*words, journal=None) -> Overview:
    state = RolloutState(rollout="shop", journal=journal)
    statuses = tuple(a_status(word) for word in words)
    return Overview(rollout="shop", cluster="c", state=state, statuses=statuses, read_at=AT)


def test_the_words_stand_from_best_to_worst():
    assert sorted(Status, key=lambda status: status.severity) == [
        "Current", "Suspended", "InProgress", "Terminating", "NotFound", "Failed", "Unknown"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Status.CURRENT),
        ([Status.CURRENT, Status.SUSPENDED], Status.SUSPENDED),
        ([Status.FAILED, Status.IN_PROGRESS], Status.FAILED),
        ([Status.UNKNOWN, Status.FAILED], Status.UNKNOWN),
    ],
)
def test_the_worst_counts(words, expected):
    assert worst(a_status(word) for word in words) is expected


@pytest.mark.parametrize("status", Status)
def test_only_current_is_current(status):
    assert a_status(status).is_current is (status is Status.CURRENT)


@pytest.mark.parametrize(
    ("message", "text"), [("", "Pod/shop/a Failed"), ("no image", "Pod/shop/a Failed: no image")]
)
def test_a_verdict_prints_as_a_sentence(message, text):
    assert str(a_status(Status.FAILED, message)) == text


def test_a_rollout_is_as_well_as_its_worst_object():
    assert an_overview(Status.CURRENT, Status.FAILED).health is Status.FAILED


@pytest.mark.parametrize("is_open", [True, False])
def test_an_open_journal_is_an_interrupted_run(is_open):
    journal = Journal(run_id="r", plan_id="p", owner="ada", token=1, started_at=AT)

    assert an_overview(journal=journal if is_open else None).is_interrupted is is_open


def test_feedback_needs_no_more_than_a_title_and_an_outcome():
    feedback = Feedback(title="shop succeeded", outcome="succeeded")

    assert (feedback.lines, feedback.markdown, feedback.machine) == ((), "", {})
