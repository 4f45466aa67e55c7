"""A chart with hooks, CRDs and a subchart on a real control plane: plan, rollout, upgrade, rollback."""

from __future__ import annotations

from textwrap import dedent
from uuid import uuid4

import pytest

from rollwright import library
from rollwright.documents import dump
from rollwright.engine import operations
from rollwright.engine.returning.history import prepare_rollback, roll_back
from rollwright.errors import RenderError
from rollwright.plugins.contracts import DeleteRequest
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: '>=1.30.0-0'\n",
    "values.yaml": "color: blue\nreplicas: 1\ncrd: false\n",
    "values.schema.json": '{"properties": {"replicas": {"type": "integer"}}}',
    "templates/deployment.yaml": """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: {{ .Release.Name | quote }}, namespace: {{ .Release.Namespace }}}
        spec:
          replicas: {{ .Values.replicas }}
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}, annotations: {color: {{ .Values.color }}}}
            spec: {containers: [{name: web, image: 'shop/web:1'}]}
        """,
    "templates/settings.yaml": """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: settings, labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}}
        data:
          color: {{ required "color is required" .Values.color }}
          kube: {{ .Capabilities.KubeVersion.Version }}
          deployments: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}
          own: {{ .Capabilities.APIVersions.Has "rollwright.dev/v9/Nothing" | quote }}
        """,
    "templates/migrate.yaml": """
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: migrate
          annotations: {helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-weight: '1'}
        spec:
          template:
            spec: {restartPolicy: Never, containers: [{name: a, image: 'shop/job:1'}]}
        """,
    "templates/welcome.yaml": """
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: welcome
          annotations: {helm.sh/hook: post-install, helm.sh/hook-delete-policy: hook-succeeded}
        spec:
          template:
            spec: {restartPolicy: Never, containers: [{name: a, image: 'shop/job:1'}]}
        """,
    "templates/back.yaml": """
        apiVersion: batch/v1
        kind: Job
        metadata: {name: back, annotations: {helm.sh/hook: pre-rollback}}
        spec:
          template:
            spec: {restartPolicy: Never, containers: [{name: a, image: 'shop/job:1'}]}
        """,
    "templates/test.yaml": """
        apiVersion: v1
        kind: Pod
        metadata: {name: smoke, annotations: {helm.sh/hook: test}}
        spec: {restartPolicy: Never, containers: [{name: a, image: 'shop/test:1'}]}
        """,
    "charts/cache/Chart.yaml": "apiVersion: v2\nname: cache\nversion: 0.1.0\n",
    "charts/cache/templates/map.yaml": """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: cache, labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}}
        """,
}


@pytest.fixture
def chart(shop):
    """A rollout of the chart; what it is called with sets its config."""
    for name, text in CHART.items():
        path = shop.manifests / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))

    def declare(options=None, **config):
        shop.declare(render={"use": "helm", "with": options or {}}, config=[{"values": config}])

    declare()
    return declare


def steps(report):
    return [one.step for one in report.results]


def hooks(plan):
    return [step.name for step in plan.steps if step.hook]


async def color(shop):
    return (await shop.get("ConfigMap", "settings")).body["data"]["color"]


async def test_a_chart_is_planned_with_its_hooks(shop, chart):
    plan = await shop.plan()

    assert hooks(plan) == ["pre-apply/Job/migrate", "post-apply/Job/welcome"]
    assert any("Pod/" in note and "tests run only" in note for note in plan.notes)
    assert {one.ref.name for one in plan.changes} == {shop.name, "settings", "cache"}


async def test_a_chart_is_rolled_out_and_then_done(shop, chart):
    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert steps(report) == ["pre-apply/Job/migrate", "apply-0", "post-apply/Job/welcome"]
    assert (await shop.plan()).is_done


async def test_charts_know_the_target(shop, chart):
    await shop.rollout()
    async with shop.cluster() as cluster:
        version = await cluster.server_version()
    data = (await shop.get("ConfigMap", "settings")).body["data"]

    assert data["kube"].lstrip("v") == version.lstrip("v")
    assert (data["deployments"], data["own"]) == ("true", "false")


async def test_an_upgrade_changes_what_the_values_change(shop, chart, written):
    await shop.rollout()
    chart(color="red")
    plan = await shop.plan()
    report = await shop.rollout()

    assert written(plan) == {"settings": "update", shop.name: "update"}
    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert hooks(plan) == ["pre-apply/Job/migrate"]
    assert await color(shop) == "red"


async def test_a_rollback_brings_the_former_chart_back(shop, chart):
    await shop.rollout()
    chart(color="red")
    await shop.rollout()
    async with shop.open() as site:
        prepared = await prepare_rollback(site, shop.name, cluster="here")
        report = await roll_back(site, prepared)

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert "pre-rollback/Job/back" in steps(report)
    assert await color(shop) == "blue"


async def test_objects_that_a_chart_leaves_out_are_pruned(shop, chart):
    await shop.rollout()
    (shop.manifests / "charts/cache/templates/map.yaml").write_text("")
    report = await shop.rollout()

    assert report.outcome is Outcome.SUCCEEDED, report.message
    assert await shop.get("ConfigMap", "cache") is None


async def test_crds_of_a_chart_are_made_and_upgraded(shop, chart, make):
    group = f"helm{uuid4().hex[:8]}.example.com"
    crd = make.crd(group)
    path = shop.manifests / "crds/baskets.yaml"
    path.parent.mkdir()
    path.write_text(dump(crd))
    thing = {"apiVersion": f"{group}/v1", "kind": "Basket", "metadata": {"name": "mine"}}
    (shop.manifests / "templates/basket.yaml").write_text(dump(thing))
    try:
        first = await shop.rollout()
        crd["spec"]["names"]["shortNames"] = ["bk"]
        path.write_text(dump(crd))
        again = await shop.rollout()
        live = await shop.get("CustomResourceDefinition", f"baskets.{group}")
    finally:
        ref = ObjectRef("apiextensions.k8s.io", "CustomResourceDefinition", "", f"baskets.{group}")
        async with shop.cluster() as cluster:
            await cluster.delete(DeleteRequest(ref=ref, api_version="apiextensions.k8s.io/v1"))

    assert first.outcome is Outcome.SUCCEEDED, first.message
    assert again.outcome is Outcome.SUCCEEDED, again.message
    assert live.body["spec"]["names"]["shortNames"] == ["bk"]


async def test_values_that_the_schema_refuses_change_nothing(shop, chart):
    chart(replicas="many")
    with pytest.raises(RenderError, match="/replicas"):
        await shop.rollout()

    assert await shop.get("ConfigMap", "settings") is None


async def test_rendering_without_a_cluster_says_so(shop, chart, listener):
    async with shop.open() as site:
        site.tell = listener
        found = await operations.render(site, shop.load())

    assert {one.ref.name for one in found} >= {"settings", "cache"}
    assert any("no cluster was asked" in note for note in listener.notes)


async def test_a_document_that_names_a_version_is_told_nothing(shop, chart, listener):
    chart({"kubeVersion": "1.33.0"})
    async with shop.open() as site:
        site.tell = listener
        await operations.render(site, shop.load())

    assert not any("no cluster was asked" in note for note in listener.notes)


async def test_a_chart_is_planned_the_same_twice(shop, chart):
    first, again = await library.plan(shop.folder), await library.plan(shop.folder)

    assert first.id == again.id
