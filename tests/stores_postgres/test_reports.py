"""Timeouts and failures of checks, reported into a database on a real server (DOC-34, DOC-37)."""

from __future__ import annotations

import json
from pathlib import Path
from runpy import run_path

import pytest

from rollwright.engine.operations import status
from rollwright.errors import InvalidSpec
from rollwright.rollouts.describe.lines import text
from rollwright.rollouts.describe.reports import describe_report
from rollwright.rollouts.describe.statuses import describe_status
from rollwright.rollouts.report import Outcome

UNIT = run_path(str(Path(__file__).parents[1] / "unit" / "engine" / "conftest.py"))
Make, World = UNIT["Make"], UNIT["World"]
REPORT = {"database": {"name": "main", "query": {"stmt": "INSERT INTO late VALUES ('shop')"}}}

FAILS = """
from pydantic import BaseModel
from rollwright.plugins.contracts import CheckResult, SqlReport, Verdict


class Fails(BaseModel):
    async def evaluate(self, request):
        report = SqlReport(database="main", statement="INSERT INTO late VALUES ('shop')")
        return CheckResult(verdict=Verdict.FAILURE, reason="says no", report=report)
"""


@pytest.fixture
async def world(tmp_path, options, sql):
    """A rollout whose site has a database with a table for reports."""
    await sql(f'CREATE SCHEMA "{options["schema"]}"')
    await sql("CREATE TABLE late (rollout text)")
    world = World(tmp_path / "shop")
    lines = [f"{key} = {json.dumps(options[key])}" for key in ("host", "port", "user", "schema")]
    lines += [
        f'database = "{options["database"]}"',
        'password = { env = "TEST_POSTGRES_PASSWORD" }',
    ]
    entry = "\n".join(["[databases.main]", 'use = "postgres"', *lines, ""])
    (world.folder / "site.toml").write_text(entry)
    world.write(Make.config("a", k="1"))
    return world


def older(world, success, *more):
    """Let the rollout have the groups of a document of the older format."""
    step = {"object": "all.yaml", "action": "CreateOrUpdate", "success": [success]}
    document = {
        "apiVersion": "workflow.kubernetes.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "shop"},
        "spec": {"groups": [{"name": "g", "steps": [step, *more]}]},
    }  # fmt: skip
    (world.folder / "older.yaml").write_text(json.dumps(document))
    world.declare(groups={"file": "older.yaml"})


def never(**more):
    value = {"name": "k", "path": "{.data.k}", "value": {"static": "2"}}
    return {"fieldComparisons": {"expectedValues": [value], "timeout": "50ms", **more}}


async def test_a_timeout_that_was_reported_counts_as_done(world, sql):
    older(world, never(reportTimeout=REPORT))
    report = await world.rollout()
    rows = await sql("SELECT rollout FROM late")

    assert (report.outcome, [row["rollout"] for row in rows]) == (Outcome.SUCCEEDED, ["shop"])


async def test_the_report_and_the_status_show_it(world):
    older(world, never(reportTimeout=REPORT))
    report = await world.rollout()
    async with world.site() as site:
        overview = await status(site, "shop")
    told = "timed out and reported to database 'main': check fieldComparisons: not within 0.05 s"

    assert f"g/all.yaml {told}" in report.message
    assert told in text(describe_report(report))
    assert f"g/all.yaml {told}" in text(describe_status(overview))


async def test_the_next_plan_has_nothing_to_do(world):
    older(world, never(reportTimeout=REPORT))
    await world.rollout()

    assert (await world.plan()).is_done


async def test_a_resumed_run_does_not_report_again(world, sql):
    second = {"name": "second", "object": "all.yaml#2", "action": "CreateOrUpdate"}
    world.write(Make.config("a", k="1"), Make.config("b"))
    older(world, never(reportTimeout=REPORT), second)
    world.cluster.fail("apply", Make.ref("ConfigMap", "b"), RuntimeError("killed"))
    with pytest.raises(RuntimeError, match="killed"):
        await world.rollout()
    (done,) = (await world.state()).journal.done
    report = await world.rollout()
    rows = await sql("SELECT rollout FROM late")

    assert done.note.startswith("timed out and reported to database 'main'")
    assert (report.outcome, len(rows)) == (Outcome.SUCCEEDED, 1)


async def test_a_report_that_fails_fails_the_step(world):
    bad = {"database": {"name": "main", "query": {"stmt": "INSERT INTO nowhere VALUES (1)"}}}
    older(world, never(reportTimeout=bad))
    report = await world.rollout()

    assert report.outcome is Outcome.TIMED_OUT
    assert "and it could not be reported: database 'main'" in report.message


async def test_a_database_that_the_site_does_not_have_is_refused_before_anything(world):
    other = {"database": {"name": "other", "query": {"stmt": "SELECT 1"}}}
    older(world, never(reportTimeout=other))
    with pytest.raises(InvalidSpec, match=r"no database .other. in site\.toml; known: main"):
        await world.rollout()

    assert world.cluster.requests == []


async def test_a_failure_that_was_reported_counts_as_done(world, sql):
    (world.folder / "mine.py").write_text(FAILS)
    with (world.folder / "site.toml").open("a") as site:
        site.write('[plugins.checks]\nFails = "mine.py:Fails"\n')
    success = [{"condition": {"type": "Never"}}]
    step = {"name": "s", "object": "all.yaml", "success": success, "failure": ["Fails"]}
    world.declare(groups=[{"name": "g", "steps": [step]}])
    report = await world.rollout()
    rows = await sql("SELECT rollout FROM late")

    assert (report.outcome, len(rows)) == (Outcome.SUCCEEDED, 1)
    assert "g/s failed and reported to database 'main': check Fails: says no" in report.message


async def test_without_a_report_the_timeout_counts(world):
    older(world, never())
    report = await world.rollout()
    async with world.site() as site:
        overview = await status(site, "shop")

    assert report.outcome is Outcome.TIMED_OUT
    assert "reported" not in text(describe_status(overview))
