from __future__ import annotations

import pytest

from rollwright import library
from rollwright.engine import operations
from rollwright.errors import InvalidManifests
from rollwright.rollouts.ownership.fields import parent_ref, set_id


async def test_objects_are_placed_and_labelled(world, make):
    world.write(make.config("a"))

    (manifest,) = await library.render(world.folder)

    assert manifest.ref.namespace == "shop"
    assert manifest.body["metadata"]["labels"] == {
        "rollwright.dev/rollout": "shop",
        "applyset.kubernetes.io/part-of": set_id(parent_ref("shop")),
    }


async def test_rendering_asks_no_cluster(world, make):
    world.write(make.config("a"))

    async with world.site() as site:
        await library.render(world.folder, site=site)

    assert world.cluster.requests == []


@pytest.mark.parametrize(
    ("name", "text"),
    [("timeout", "soon"), ("timeout", ""), ("wait-for", "ready"), ("wait-for", "")],
)
async def test_annotations_that_no_wait_could_follow_are_refused(world, make, name, text):
    world.write(make.deployment("web", **{f"rollwright.dev/{name}": text}))

    with pytest.raises(InvalidManifests) as caught:
        await world.rollout()

    assert caught.value.problems[0].path == f"metadata.annotations[rollwright.dev/{name}]"
    assert world.cluster.calls["list"] == 0


async def test_an_annotation_that_can_be_read_passes(world, make):
    annotations = {"rollwright.dev/timeout": "90s", "rollwright.dev/wait-for": "condition=Ready"}
    world.write(make.deployment("web", **annotations))

    assert len(await library.render(world.folder)) == 1


async def test_a_custom_kind_asks_the_cluster_for_its_scope(world, make):
    world.write(
        make.config("a"),
        {"apiVersion": "example.com/v1", "kind": "Basket", "metadata": {"name": "one"}},
    )

    with pytest.raises(InvalidManifests) as caught:
        await world.rollout()

    assert "Basket" in caught.value.message
    assert world.cluster.calls["discovery"] >= 1


async def test_a_renderer_gives_nothing_when_its_condition_does_not_hold(world, make):
    world.write(make.config("a"))
    (world.folder / "manifests" / "b.jsonnet").write_text("error 'never evaluated'")
    world.declare(
        config=[{"values": {"more": False}}],
        render=[
            {"use": "plain", "with": {"paths": ["all.yaml"]}, "when": "!values.more"},
            {"use": "jsonnet", "with": {"entrypoint": "b.jsonnet"}, "when": "values.more"},
        ],
    )
    async with world.site() as site:
        found = await operations.render(site, library.load(world.folder))

    assert [one.ref.name for one in found] == ["a"]
