"""What charts may know of a target: asked once, and only for renderers that want to know."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rollwright.engine.inputs.capabilities import (
    asking,
    kubernetes_for,
    kubernetes_of,
    nothing_asked,
)
from rollwright.engine.site_file import SiteFile
from rollwright.plugins.contracts import Kubernetes
from rollwright.renderers.helm import Helm
from rollwright.renderers.plain import Plain
from rollwright.rollouts.spec import parse
from rollwright.testing.fake import FakeCluster

SPEC = parse(
    {
        "apiVersion": "rollwright.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "shop"},
        "spec": {"source": {"path": "."}},
    }
)


@pytest.fixture
def site():
    """A site with one cluster, that notes what it tells."""
    told: list[object] = []
    cluster = FakeCluster()

    async def connected(_spec):
        return cluster

    return SimpleNamespace(cluster=connected, tell=told.append, told=told, fake=cluster)


async def test_versions_and_kinds_are_sorted():
    found = await kubernetes_of(FakeCluster())

    assert "apps/v1" in found.api_versions
    assert "apps/v1/Deployment" in found.api_versions
    assert {"v1", "v1/Pod"} <= set(found.api_versions)
    assert list(found.api_versions) == sorted(set(found.api_versions))


async def test_a_version_has_no_letter_before_it():
    version = (await kubernetes_of(FakeCluster())).version

    assert version[0].isdigit()


async def test_a_target_is_asked_once(site):
    ask = asking(site, SPEC)
    first, again = await ask(), await ask()

    assert first is again


async def test_a_renderer_that_does_not_ask_is_told_nothing(site):
    ask = asking(site, SPEC)

    assert await kubernetes_for(site, Plain(), ask) == Kubernetes()
    assert site.fake.calls["discovery"] == 0


async def test_a_renderer_that_asks_is_told(site):
    found = await kubernetes_for(site, Helm(), asking(site, SPEC))

    assert found.version
    assert site.told == []


@pytest.mark.parametrize(("version", "count"), [("", 1), ("1.33.0", 0)])
async def test_it_is_said_where_nobody_was_asked(site, version, count):
    await kubernetes_for(site, Helm(kube_version=version), nothing_asked)

    assert len(site.told) == count


@pytest.mark.parametrize("allowed", [True, False])
def test_a_site_says_whether_charts_may_fetch(allowed):
    plugins = SiteFile.model_validate({"plugins": {"networkCharts": allowed}}).plugins

    assert plugins.network_charts is allowed
    assert plugins.by_group() == {}
