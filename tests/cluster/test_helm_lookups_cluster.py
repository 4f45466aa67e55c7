"""A chart that keeps what it made before, on a real control plane (RE-15)."""

from __future__ import annotations

import json
from base64 import b64decode
from textwrap import dedent

import pytest

from rollwright import library
from rollwright.plugins.contracts import ApplyRequest
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "templates/all.yaml": """
        {{- $old := lookup "v1" "Secret" .Release.Namespace "password" }}
        apiVersion: v1
        kind: Secret
        metadata: {name: password}
        data:
          password: {{ if $old }}{{ $old.data.password }}{{ else }}{{ randAlphaNum 24 | b64enc }}{{ end }}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: found}
        data:
          space: {{ (lookup "v1" "Namespace" "" .Release.Namespace).metadata.name }}
          color: {{ (lookup "v1" "ConfigMap" .Release.Namespace "outside").data.color }}
          maps: {{ range (lookup "v1" "ConfigMap" .Release.Namespace "").items }}{{ .metadata.name }},{{ end }}
          none: {{ lookup "example.com/v9" "Nothing" "" "x" | toJson | quote }}
        """,
}  # fmt: skip


@pytest.fixture
def chart(shop):
    for name, text in CHART.items():
        path = shop.manifests / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    shop.declare(render={"use": "helm"})


async def outside(shop, make, color):
    """Put an object of somebody else there."""
    body = make.config("outside", shop.name, color=color)
    ref = ObjectRef("", "ConfigMap", shop.name, "outside")
    async with shop.cluster() as cluster:
        await cluster.apply(ApplyRequest(ref=ref, body=body, manager="somebody"))


async def test_what_was_made_once_stays_and_a_saved_plan_has_its_record(
    shop, make, chart, tmp_path
):
    await outside(shop, make, "blue")
    first = await shop.rollout()
    password = (await shop.get("Secret", "password")).body["data"]["password"]
    found = (await shop.get("ConfigMap", "found")).body["data"]
    await outside(shop, make, "green")
    await library.save_plan(shop.folder, tmp_path / "plan.json")
    await outside(shop, make, "red")
    second = await library.rollout(shop.folder, plan=tmp_path / "plan.json")
    text = (tmp_path / "plan.json").read_text()

    assert (first.outcome, second.outcome) == (Outcome.SUCCEEDED, Outcome.SUCCEEDED)
    assert (found["space"], found["color"], json.loads(found["none"])) == (shop.name, "blue", {})
    assert "outside," in found["maps"]
    assert (await shop.get("Secret", "password")).body["data"]["password"] == password
    assert (await shop.get("ConfigMap", "found")).body["data"]["color"] == "green"
    assert password not in text
    assert b64decode(password).decode() not in text
