"""Rollouts and hooks among rendered objects, and how steps name what was rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollwright.errors import InvalidManifests
from rollwright.plugins.contracts import Checkout, RenderRequest
from rollwright.renderers.objects import Collector
from rollwright.renderers.plain import Plain
from rollwright.rollouts.hooks.hooks import prepare_hooks, split_hooks
from rollwright.rollouts.manifest import ManifestSet, Origin, join

OLDER = {
    "apiVersion": "workflow.kubernetes.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "r"},
    "spec": {"groups": [{"steps": [{"object": "a", "action": "CreateOrUpdate"}]}]},
}
HOOK = """\
apiVersion: batch/v1
kind: Job
metadata: {generateName: migrate-, annotations: {argocd.argoproj.io/hook: PreSync}}
"""
MAPS = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
"""


async def rendered(root: Path, **texts: str) -> ManifestSet:
    for name, text in texts.items():
        (root / f"{name}.yaml").write_text(text)
    return await Plain().render(RenderRequest(checkout=Checkout(root=root, revision="a@b:c")))


def built(*values: object) -> ManifestSet:
    collector = Collector()
    collector.add_built(values, Origin(file="kustomization.yaml"))
    return collector.finish("a@b:c")


def test_a_rollout_that_an_engine_built_is_no_object():
    found = built({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}, OLDER)

    assert [one.ref.kind for one in found] == ["Namespace"]
    assert found.rollout == OLDER


def test_mistakes_of_a_built_rollout_are_told():
    with pytest.raises(InvalidManifests, match=r"kustomization.yaml spec.groups: no group has"):
        built({**OLDER, "spec": {}})


async def test_a_rollout_beside_manifests_is_not_taken_for_a_rendered_one(tmp_path):
    found = await rendered(tmp_path, a=HOOK, r=str(OLDER))

    assert (len(found), found.rollout) == (1, None)


def test_one_rollout_of_several_renderers_is_kept():
    assert join([built(), built(OLDER)]).rollout == OLDER


def test_two_rollouts_of_several_renderers_are_refused():
    with pytest.raises(InvalidManifests, match="2 renderers gave a Rollout"):
        join([built(OLDER), built(OLDER)])


async def test_a_step_means_all_items_of_a_list(tmp_path):
    found = await rendered(tmp_path, maps=MAPS)

    assert [one.ref.name for one in found.named("maps.yaml")] == ["a", "b"]


async def test_a_step_means_a_further_document_by_its_number(tmp_path):
    found = await rendered(tmp_path, maps=MAPS)

    assert [one.ref.name for one in found.named("maps.yaml#2")] == ["c"]


async def test_a_step_means_one_object_by_its_key(tmp_path):
    found = await rendered(tmp_path, a=HOOK)

    assert found.named("a.yaml") == found.manifests
    assert not found.named("b.yaml")
    assert found.keys == {"a.yaml"}


async def test_hooks_may_leave_their_name_to_the_run(tmp_path):
    found = await rendered(tmp_path, a=HOOK, b=HOOK)
    _, hooks = split_hooks(found)

    names = [one.manifest.ref.name for one in prepare_hooks(hooks, "r1")]
    assert names == ["migrate-r1", "migrate-r1-2"]
