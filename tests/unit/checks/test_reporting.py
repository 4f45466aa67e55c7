"""Failures that are reported by SQL instead: which checks ask for it, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollwright.checks.field_comparisons import FieldComparisons
from rollwright.checks.job_oom_killed import JobOOMKilled
from rollwright.checks.pods_restarting import PodsRestarting
from rollwright.plugins.contracts import CheckRequest, SqlReport, Verdict
from rollwright.rollouts.live import live_object
from rollwright.rollouts.status import ObjectStatus, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPORT = {"database": {"name": "main", "query": {"stmt": "INSERT INTO late VALUES (1)"}}}
SQL = SqlReport(database="main", statement="INSERT INTO late VALUES (1)")
NEVER = [{"name": "n", "path": "{.a}", "value": {"static": 1}}]


def asked(body, *, after=timedelta(), pods=()):
    live = live_object(body)
    status = ObjectStatus(ref=live.ref, status=Status.IN_PROGRESS)
    return CheckRequest(object=live, status=status, now=NOW + after, started_at=NOW, pods=pods)


def body(kind="Job", version="batch/v1"):
    metadata = {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "1"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "a": 0}


def killed_pod():
    end = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "a-1", "namespace": "shop", "uid": "p", "labels": {"job-name": "a"},
            "creationTimestamp": "2026-01-01T00:00:10Z",
        },
        "status": {"containerStatuses": [{"name": "main", "restartCount": 5, "state": end}]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "options", [{"timeout": "1m"}, {"timeout": 0, "progressTimeout": "1m"}], ids=["total", "quiet"]
)
async def test_a_timeout_of_either_kind_is_reported(options):
    check = FieldComparisons.model_validate(
        {"expectedValues": NEVER, "reportTimeout": REPORT, **options}
    )
    request = asked(body())
    await check.evaluate(request)
    later = asked(body(), after=timedelta(minutes=2))
    result = await check.evaluate(
        CheckRequest(
            object=later.object, status=later.status, now=later.now, started_at=NOW,
            memory=request.memory,
        )
    )  # fmt: skip

    assert (result.verdict, result.is_timeout, result.report) == (Verdict.FAILURE, True, SQL)


async def test_a_path_with_several_results_is_a_mistake_and_not_reported():
    many = [{"name": "n", "path": "{.metadata.*}", "value": {"static": 1}}]
    check = FieldComparisons.model_validate({"expectedValues": many, "reportTimeout": REPORT})
    result = await check.evaluate(asked(body()))

    assert (result.verdict, result.report) == (Verdict.FAILURE, None)


async def test_what_is_in_time_is_not_reported():
    check = FieldComparisons.model_validate({"expectedValues": NEVER, "reportTimeout": REPORT})
    result = await check.evaluate(asked(body()))

    assert (result.verdict, result.report) == (Verdict.UNDECIDED, None)


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        (JobOOMKilled.model_validate({"report": REPORT}), ("Job", "batch/v1")),
        (PodsRestarting.model_validate({"report": REPORT}), ("Deployment", "apps/v1")),
    ],
)
async def test_a_failure_is_reported(check, kind):
    result = await check.evaluate(asked(body(*kind), pods=(killed_pod(),)))

    assert (result.verdict, result.report) == (Verdict.FAILURE, SQL)


async def test_a_check_of_the_wrong_kind_of_object_is_a_mistake_and_not_reported():
    check = JobOOMKilled.model_validate({"report": REPORT})
    result = await check.evaluate(asked(body("Deployment", "apps/v1")))

    assert (result.verdict, result.report) == (Verdict.FAILURE, None)


@pytest.mark.parametrize("check", [JobOOMKilled, PodsRestarting])
async def test_without_a_report_a_failure_counts(check):
    kind = ("Job", "batch/v1") if check is JobOOMKilled else ("Deployment", "apps/v1")
    result = await check().evaluate(asked(body(*kind), pods=(killed_pod(),)))

    assert (result.verdict, result.report) == (Verdict.FAILURE, None)
