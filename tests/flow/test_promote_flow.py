"""Staging, then production: the worked example of a site's own flow."""

from __future__ import annotations

import json
from runpy import run_path

import pytest

from rollwright import library

pytestmark = [
    pytest.mark.flow,
    pytest.mark.cluster,
    # Prefect leaves connections to its server to the garbage collector when a loop ends.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.usefixtures("server", "site"),
]

NEVER_READY = (
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n"
    "  selector: {matchLabels: {app: web}}\n  template:\n"
    "    metadata: {labels: {app: web, sandbox.rollwright.dev/behavior: never-ready}}\n"
    "    spec: {containers: [{name: web, image: example.com/web:1}]}\n"
)


def config_map(value: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{key: '{value}'}}\n"


@pytest.fixture
def promote(request):
    return run_path(str(request.config.rootpath / "flows" / "promote.py"))["promote"]


@pytest.fixture
def places(namespace, kubectl):
    """The namespaces of staging and production; a rollout makes the second."""
    yield {"staging": namespace, "production": f"{namespace}-p"}
    kubectl("delete", "namespace", f"{namespace}-p", "--ignore-not-found", "--wait=false")


@pytest.fixture
def two(tmp_path, namespace, places):
    """Staging and production of one source."""
    (tmp_path / "manifests").mkdir()

    def write(text, *, approval="never"):
        (tmp_path / "manifests" / "a.yaml").write_text(text)
        for name, place in places.items():
            document = {
                "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout",
                "metadata": {"name": f"{name[:4]}-{namespace}"[:60]},
                "spec": {
                    "source": {"path": "manifests"},
                    "approval": approval if name == "production" else "never",
                    "target": {"cluster": "here", "namespace": place},
                    "health": {"timeout": "4s", "progressTimeout": "2s"},
                },
            }  # fmt: skip
            (tmp_path / f"{name}.yaml").write_text(json.dumps(document))
        return [str(tmp_path / f"{name}.yaml") for name in places]

    return write


def values_in(kubectl, namespace):
    found = json.loads(kubectl("get", "configmaps", "-n", namespace, "-o", "json"))["items"]
    return [one["data"]["key"] for one in found if one["metadata"]["name"] == "a"]


async def test_production_gets_what_staging_had(promote, two, places, kubectl, record):
    staging, production = two(config_map("1"))
    state = await promote(staging, production, is_same_source=True, return_state=True)
    report = await state.aresult()
    tried = (await library.history(staging)).revisions[0]
    runs = await record.ask(
        "/flow_runs/filter", flow_runs={"name": {"like_": f"rollout {report.rollout} ->"}}
    )

    assert (state.type, report.outcome) == ("COMPLETED", "succeeded")
    assert [values_in(kubectl, one) for one in places.values()] == [["1"], ["1"]]
    assert report.plan.source == tried.source
    assert [one["state_name"] for one in runs] == ["RolledOut"]


async def test_production_is_refused_until_its_own_policy_is_met(promote, two, places, kubectl):
    state = await promote(*two(config_map("1"), approval="always"), return_state=True)

    assert state.type == "FAILED"
    assert "approv" in str(await state.aresult(raise_on_failure=False))
    assert [values_in(kubectl, one) for one in places.values()] == [["1"], []]


async def test_an_approval_lets_the_next_promotion_through(promote, two, places, kubectl):
    staging, production = two(config_map("1"), approval="always")
    await promote(staging, production, return_state=True)
    await library.approve(production, reason="looks right")

    state = await promote(staging, production, return_state=True)

    assert (state.type, values_in(kubectl, places["production"])) == ("COMPLETED", ["1"])


async def test_staging_that_is_not_well_stops_it(promote, two, namespace):
    state = await promote(*two(NEVER_READY), return_state=True)
    error = await state.aresult(raise_on_failure=False)

    assert state.type == "FAILED"
    assert f"Deployment/{namespace}/web" in str(error)
