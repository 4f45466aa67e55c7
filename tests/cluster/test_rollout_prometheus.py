"""A real application at once: kube-prometheus, with its CRDs, into an empty cluster."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rollwright.rollouts.report import Outcome
from rollwright.sandbox import up

MANIFESTS = Path(__file__).parents[3] / "shared" / "apps" / "kube-prometheus"
METRICS = "v1beta1.metrics.k8s.io"

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(not MANIFESTS.is_dir(), reason="the application is not on this machine"),
]


@pytest.fixture(scope="module")
def own_sandbox(sandbox):
    """An empty control plane; ``sandbox`` comes first, so that its programs are built."""
    del sandbox
    with up("prometheus", ephemeral=True) as started:
        yield started


@pytest.fixture
def monitoring(own_sandbox, tmp_path, new_shop):
    shop = new_shop(tmp_path / "m", "monitoring", own_sandbox.kubeconfig)
    shutil.copytree(MANIFESTS, shop.manifests, dirs_exist_ok=True)
    namespace = {"namespace": "rollwright-system"}
    shop.settle(store={"use": "cluster", **namespace}, locks={"use": "lease", **namespace})
    return shop


async def test_kube_prometheus_from_nothing_to_nothing(monitoring):
    """One test, as ``Prometheus`` and ``Alertmanager`` wait for a status that nobody writes."""
    skip = {"kind": "APIService", "name": METRICS}
    protect: dict[str, list[str]] = {"protect": []}
    monitoring.declare(target={"namespace": ""}, health={"skip": [skip]}, prune=protect)

    first = await monitoring.rollout()
    again = await monitoring.rollout()

    assert first.outcome is Outcome.SUCCEEDED, first.message
    assert len(first.statuses) >= 131
    assert again.outcome is Outcome.SUCCEEDED
    assert again.run_id == ""
    assert [again.calls[one] for one in ("dry-run", "apply", "patch", "create", "watch")] == [0] * 5
    kinds = {(one.api_version, one.ref.kind) for one in again.plan.changes}
    assert again.calls["list"] <= len(kinds) + 1  # and the Secrets of the store
    await says_which_backend_is_missing(monitoring, protect)
    await is_removed_without_a_trace(monitoring)


async def says_which_backend_is_missing(monitoring, protect):
    """Nobody skips the APIService: its verdict names what does not answer, and all else goes on."""
    monitoring.declare(target={"namespace": ""}, health={"timeout": "3s"}, prune=protect)

    report = await monitoring.rollout()

    (failure,) = report.failures
    assert report.outcome is Outcome.TIMED_OUT
    assert failure.ref.name == METRICS
    assert "missing response" in failure.message
    assert "apis/metrics.k8s.io/v1beta1" in failure.message
    async with monitoring.cluster() as cluster:
        discovery = await cluster.discover()
    assert "metrics.k8s.io" in discovery.missing
    assert discovery.find("monitoring.coreos.com/v1", "Prometheus") is not None


async def is_removed_without_a_trace(monitoring):
    await monitoring.remove()

    assert await monitoring.state() is None
    assert (
        await monitoring.get("CustomResourceDefinition", "prometheuses.monitoring.coreos.com")
        is None
    )
