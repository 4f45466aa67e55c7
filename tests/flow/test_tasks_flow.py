"""Stages as tasks: retries, endings, and nothing decided twice; the cluster is scripted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rollwright.engine.documents import load_rollout
from rollwright.engine.operations import manual_trigger
from rollwright.engine.site import open_site
from rollwright.engine.stages import DIRECT
from rollwright.engine.walk import walk
from rollwright.errors import ClusterError, Unreachable
from rollwright.rollouts.manifest import ObjectRef
from rollwright.testing.fake import FakeCluster

pytestmark = [
    pytest.mark.flow,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {key: '1'}\n"
REF = ObjectRef("", "ConfigMap", "shop", "a")
MEMORY = '[stores.default]\nuse = "memory"\n[locks.default]\nuse = "memory"\n'


@pytest.fixture
def folder(declare, tmp_path):
    (tmp_path / "site.toml").write_text(MEMORY)
    return declare("shop", "shop", OBJECT)


@pytest.fixture
def cluster():
    return FakeCluster([NAMESPACE], name="here")


@pytest.fixture
def tasks(server):
    from rollwright.tasks import as_tasks

    return as_tasks(DIRECT, delays=(0.0, 0.0))


async def walked(folder, cluster, stages):
    loaded = load_rollout(folder)
    async with open_site(loaded) as site:
        site.use_cluster(cluster, "here")
        return await walk(loaded.spec, manual_trigger("shop"), site, stages)


def bare(report):
    """A report without instants and ids."""
    results = tuple(
        replace(
            step,
            started_at=None,
            ended_at=None,
            changes=tuple(replace(one, started_at=None, ended_at=None) for one in step.changes),
        )
        for step in report.results
    )
    return report.outcome, report.plan.id, results, dict(report.calls), report.message


async def test_walking_with_tasks_reports_what_the_direct_walk_reports(folder, cluster, tasks):
    direct = await walked(folder, FakeCluster([NAMESPACE], name="here"), DIRECT)

    assert bare(await walked(folder, cluster, tasks)) == bare(direct)


async def test_reading_is_tried_again_when_the_error_says_so(folder, cluster, tasks):
    cluster.fail("list", "ConfigMap", Unreachable("gone"), Unreachable("gone"))

    assert (await walked(folder, cluster, tasks)).outcome == "succeeded"


async def test_reading_gives_up_after_its_retries(folder, cluster, tasks):
    cluster.fail("list", "ConfigMap", *(Unreachable("gone") for _ in range(9)))

    with pytest.raises(Unreachable):
        await walked(folder, cluster, tasks)

    assert len(cluster.sent("list")) == 3


async def test_reading_is_not_tried_again_when_the_error_does_not_say_so(folder, cluster, tasks):
    cluster.fail("list", "ConfigMap", ClusterError("forbidden", status=403))

    with pytest.raises(ClusterError, match="forbidden"):
        await walked(folder, cluster, tasks)

    assert len(cluster.sent("list")) == 1


async def test_a_write_is_not_tried_again_by_its_task(folder, cluster, tasks):
    cluster.fail("apply", REF, *(Unreachable("gone") for _ in range(9)))
    report = await walked(folder, cluster, tasks)

    assert (report.outcome, len(cluster.sent("apply"))) == ("failed", 1)


async def test_a_defect_in_a_stage_is_shown_without_its_words(folder, cluster, record):
    from prefect import flow

    from rollwright.tasks import as_tasks

    async def broken(_site, _spec):
        raise KeyError("a value that nobody may see")

    @flow(name="broken", persist_result=False)
    async def run() -> None:
        with pytest.raises(KeyError):
            await walked(folder, cluster, as_tasks(replace(DIRECT, load_state=broken)))

    state = await run(return_state=True)
    runs = await record.task_runs(state.state_details.flow_run_id, 3)
    failed = next(one for one in runs if one["name"] == "state")

    assert "unexpected KeyError in broken" in failed["state"]["message"]
    assert "nobody may see" not in str(runs)


async def test_many_waves_stay_below_the_limit_of_task_runs(declare, folder, cluster, record):
    from prefect import flow

    from rollwright.tasks import TASKS

    text = (
        "apiVersion: v1\nkind: ConfigMap\n"
        "metadata: {{name: c{0}, annotations: {{rollwright.dev/wave: '{0}'}}}}\n"
    )
    declare("shop", "shop", *(text.format(number) for number in range(120)))

    @flow(name="waves", persist_result=False)
    async def run():
        return await walked(folder, cluster, TASKS)

    state = await run(return_state=True)
    report = await state.aresult()
    runs = await record.task_runs(state.state_details.flow_run_id, 77)

    assert len(report.plan.waves) == 120
    assert report.outcome == "succeeded"
    assert len(runs) <= 100


async def test_many_steps_of_groups_stay_below_the_limit_of_task_runs(
    declare, folder, cluster, record
):
    from prefect import flow

    from rollwright.tasks import TASKS

    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{0}}}\n"
    steps = [{"name": f"s{one}", "object": f"{one}.yaml", "action": "Apply"} for one in range(130)]
    groups = json.dumps([{"name": "all", "steps": steps}])
    objects = (text.format(number) for number in range(130))
    declare("shop", "shop", *objects, more=f"  groups: {groups}\n")

    @flow(name="steps", persist_result=False)
    async def run():
        return await walked(folder, cluster, TASKS)

    state = await run(return_state=True)
    report = await state.aresult()
    runs = await record.task_runs(state.state_details.flow_run_id, 60)

    assert len(report.plan.waves) >= 130
    assert report.outcome == "succeeded"
    assert len(runs) <= 100
