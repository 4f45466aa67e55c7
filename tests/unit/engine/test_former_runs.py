"""What steps have run goes with its rollout, and nothing else."""

from __future__ import annotations

from rollwright.actions.job_body import RUN_OF
from rollwright.engine.removal.former_runs import remove_former_runs
from rollwright.errors import ClusterError
from rollwright.testing.fake import FakeCluster


def a_job(name, rollout, **metadata):
    labels = {RUN_OF: rollout}
    return {
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": name, "namespace": "shop", "labels": labels, **metadata},
    }  # fmt: skip


def a_pod(name, rollout, **metadata):
    return {**a_job(name, rollout, **metadata), "apiVersion": "v1", "kind": "Pod"}


async def test_jobs_and_pods_of_its_runs_are_deleted_and_those_of_others_stay():
    mine, others = a_job("migrate-1", "shop"), a_job("migrate-2", "shop-2")
    cluster = FakeCluster([mine, others, a_pod("smoke-1", "shop")])

    count = await remove_former_runs(cluster, "shop")

    assert (count, [ref.name for ref in cluster.objects]) == (2, ["migrate-2"])


async def test_a_pod_that_has_an_owner_is_left_to_it():
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "migrate-1", "uid": "1"}
    cluster = FakeCluster([a_pod("migrate-1-abc", "shop", ownerReferences=[owner])])

    assert await remove_former_runs(cluster, "shop") == 0


async def test_what_may_not_be_listed_is_left_alone():
    cluster = FakeCluster([a_job("migrate-1", "shop")])
    cluster.fail("list", "Job", ClusterError("forbidden", status=403))

    assert await remove_former_runs(cluster, "shop") == 0
