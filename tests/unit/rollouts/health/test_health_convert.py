"""Verdicts of many objects, and in the words of others."""

from __future__ import annotations

import pytest

from rollwright.rollouts.health import overall, to_argo, to_kstatus, worst_first
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.status import ObjectStatus, Status


def status(word, kind="Deployment", group="apps", name="web", rule="apps.Deployment.ready"):
    ref = ObjectRef(group, kind, "shop", name)
    return ObjectStatus(ref=ref, status=word, rule=rule)


WORDS = {
    Status.CURRENT: ("Healthy", "Current"),
    Status.IN_PROGRESS: ("Progressing", "InProgress"),
    Status.SUSPENDED: ("Suspended", "Current"),
    Status.FAILED: ("Degraded", "Failed"),
    Status.TERMINATING: ("Progressing", "Terminating"),
    Status.NOT_FOUND: ("Missing", "NotFound"),
    Status.UNKNOWN: ("Unknown", "Unknown"),
}


@pytest.mark.parametrize("word", list(Status))
def test_each_word_has_its_counterpart(word):
    assert (to_argo(status(word)), to_kstatus(status(word))) == WORDS[word]


def test_argo_has_no_verdict_on_a_kind_without_rule():
    assert to_argo(status(Status.CURRENT, rule="generic.ready")) is None


def test_a_rollout_is_as_healthy_as_its_worst_object():
    found = [status(Status.CURRENT), status(Status.FAILED), status(Status.TERMINATING)]

    assert overall(found) is Status.FAILED


def test_nothing_is_current():
    assert overall([]) is Status.CURRENT


def test_a_suspended_job_does_not_pull_a_rollout_down():
    assert overall([status(Status.SUSPENDED, "Job", "batch")]) is Status.CURRENT


def test_any_other_suspension_does():
    assert overall([status(Status.SUSPENDED)]) is Status.SUSPENDED


def test_ignored_objects_are_left_out():
    bad = status(Status.FAILED)

    assert overall([bad, status(Status.CURRENT, name="db")], ignored={bad.ref}) is Status.CURRENT


def test_the_worst_object_comes_first_and_current_ones_are_left_out():
    found = [status(Status.IN_PROGRESS), status(Status.CURRENT), status(Status.FAILED)]

    assert [one.status for one in worst_first(found)] == [Status.FAILED, Status.IN_PROGRESS]
