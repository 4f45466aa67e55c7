"""A rollout on a real control plane, remembered in PostgreSQL, and moved there and back."""

from __future__ import annotations

import json

import pytest

from rollwright import library
from rollwright.engine.custody.keeping_state import Move, check
from rollwright.engine.operations import named_spec
from rollwright.engine.site import open_site

pytestmark = pytest.mark.cluster


@pytest.fixture
def folder(tmp_path, namespace, sandbox, options):
    """A rollout of two ConfigMaps in a site whose states are in PostgreSQL."""
    given = "\n".join(f"{key} = {toml(value)}" for key, value in options.items())
    (tmp_path / "site.toml").write_text(f"""
[clusters.here]
kubeconfig = {json.dumps(str(sandbox.kubeconfig))}
[stores.default]
use = "postgres"
[stores.default.with]
{given}
[stores.cluster]
use = "cluster"
with = {{namespace = "{namespace}"}}
[locks.default]
use = "memory"
""")
    folder = tmp_path / "shop"
    folder.mkdir()
    document = {
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout",
        "metadata": {"name": namespace},
        "spec": {
            "source": {"path": "manifests"},
            "target": {"cluster": "here", "namespace": namespace},
        },
    }  # fmt: skip
    (folder / "rollout.yaml").write_text(json.dumps(document))
    (folder / "manifests").mkdir()
    for name in ("a", "b"):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        (folder / "manifests" / f"{name}.yaml").write_text(json.dumps(body))
    return folder


def toml(value):
    return f'{{ env = "{value["env"]}" }}' if isinstance(value, dict) else json.dumps(value)


async def test_a_rollout_is_remembered_there(folder, sql):
    report = await library.rollout(folder)
    again = await library.plan(folder)
    rows = await sql("SELECT rollout, object_count, revision, is_running FROM states")

    assert (report.outcome.value, again.is_done) == ("succeeded", True)
    assert [tuple(row) for row in rows] == [(report.rollout, 2, 1, False)]
    assert len(await sql("SELECT FROM revisions")) == len(await sql("SELECT FROM snapshots")) == 1


async def test_what_moved_into_the_cluster_and_back_still_is_true(folder, namespace):
    await library.rollout(folder)
    found = []
    async with open_site(library.load(folder)) as site:
        for source, target in (("default", "cluster"), ("cluster", "default")):
            moving = Move(
                site=site, source=source, target=target, actor="ann", cluster="here",
                is_removed=True,
            )  # fmt: skip
            await moving.run([namespace])
            found.append(await check(site, namespace, cluster="here", store=target))
        left = await (await site.store_named("cluster", named_spec("x", "here"))).list()

    assert ([one.is_true for one in found], left) == ([True, True], ())
    assert (await library.plan(folder)).is_done
