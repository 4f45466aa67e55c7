"""Hooks for tests: run when somebody asks, after everything else (HK-11)."""

from __future__ import annotations

import pytest

from rollwright import library
from rollwright.errors import ClusterError
from rollwright.rollouts.report import Outcome


@pytest.fixture
def tested(world, make):
    """A rollout with a hook for tests; ``rollout(runs_tests)``."""
    hook = make.config("probe", k="h")
    hook["metadata"]["annotations"] = {"helm.sh/hook": "test"}
    world.write(make.config("a", k="1"), hook)

    async def rollout(*, runs_tests):
        async with world.site() as site:
            site.runs_tests = runs_tests
            return await library.rollout(world.folder, site=site)

    return rollout


def sent(world):
    return [one.ref.name for one in world.cluster.sent("apply")]


async def test_nobody_asked_nothing_runs(world, tested):
    await tested(runs_tests=False)

    assert "probe" not in sent(world)


async def test_it_runs_after_everything_else(world, tested):
    report = await tested(runs_tests=True)

    assert (report.outcome, sent(world)[-1]) == (Outcome.SUCCEEDED, "probe")
    assert report.results[-1].step == "test/ConfigMap/probe"


async def test_it_runs_although_nothing_changes(world, tested):
    await tested(runs_tests=False)
    report = await tested(runs_tests=True)

    assert (report.outcome, sent(world).count("probe")) == (Outcome.SUCCEEDED, 1)


async def test_each_time_somebody_asks_it_runs_again(world, tested):
    await tested(runs_tests=True)
    await tested(runs_tests=True)

    assert sent(world).count("probe") == 2


async def test_one_that_fails_fails_the_rollout(world, make, tested):
    world.cluster.fail("apply", make.ref("ConfigMap", "probe"), ClusterError("no", status=403))
    report = await tested(runs_tests=True)

    assert report.outcome is Outcome.FAILED


async def test_it_does_not_run_after_a_failure(world, make, tested):
    world.cluster.fail("apply", make.ref("ConfigMap", "a"), ClusterError("no", status=403))
    await tested(runs_tests=True)

    assert "probe" not in sent(world)


async def test_the_plan_no_longer_says_that_tests_do_not_run(world, tested):
    async with world.site() as site:
        quiet = await library.plan(world.folder, site=site)
        site.runs_tests = True
        plan = await library.plan(world.folder, site=site)

    assert any("tests run only when asked for" in note for note in quiet.notes)
    assert not any("tests run only when asked for" in note for note in plan.notes)
    assert plan.id != quiet.id


async def test_without_such_hooks_the_plan_says_so(world, make):
    world.write(make.config("a"))
    async with world.site() as site:
        site.runs_tests = True
        plan = await library.plan(world.folder, site=site)

    assert "no tests run: no object is a hook for tests" in plan.notes
