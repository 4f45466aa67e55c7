"""Objects that move from one rollout to another, in either order, on a real server."""

from __future__ import annotations

import json

import pytest

from rollwright.errors import Refused
from rollwright.rollouts.manifest import ref_of
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster


@pytest.fixture
async def pair(shop, new_shop, namespace, sandbox):
    """Two rollouts of one site that share a namespace."""
    other = new_shop(shop.folder.parent / "other", namespace, sandbox.kubeconfig)
    other.name = f"{namespace}-b"
    (other.folder / "site.toml").unlink()
    site = shop.folder / "site.toml"
    text = site.read_text() + '\n[rollouts]\npaths = ["."]\n'
    site.unlink()
    (shop.folder.parent / "site.toml").write_text(text)
    declare(other, namespace)
    yield shop, other
    for one in (other, shop):
        await one.remove()


def declare(shop, namespace, **spec):
    target = {"cluster": "here", "namespace": namespace}
    document = {
        "apiVersion": "rollwright.dev/v1alpha1", "kind": "Rollout",
        "metadata": {"name": shop.name},
        "spec": {"source": {"path": "manifests"}, "target": target, **spec},
    }  # fmt: skip
    (shop.folder / "rollout.yaml").write_text(json.dumps(document))


async def both(pair, make):
    """Let the first rollout own ``moved``, and the second want it."""
    first, second = pair
    first.write(make.config("a"), make.config("moved"))
    await first.rollout()
    second.write(make.config("b"), make.config("moved"))
    declare(second, first.name, apply={"takeFrom": [first.name]})


async def owner(shop, namespace):
    ref = ref_of(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "moved", "namespace": namespace}}
    )  # fmt: skip
    from rollwright.plugins.contracts import GetRequest

    async with shop.cluster() as cluster:
        found = await cluster.get(GetRequest(ref=ref, api_version="v1"))
    return (found.labels["rollwright.dev/rollout"], found.uid) if found else None


async def test_the_new_owner_may_run_first(pair, make):
    first, second = pair
    await both(pair, make)
    _, uid = await owner(first, first.name)

    taken = await second.rollout()
    first.drop("moved")
    left = await first.rollout()

    assert await owner(first, first.name) == (second.name, uid)
    assert [one.why for one in taken.plan.changes if one.ref.name == "moved"] == [
        f"moves from rollout {first.name!r}"
    ]
    assert (left.outcome, list(left.plan.forgotten.values())) == (
        Outcome.SUCCEEDED, [f"belongs to rollout {second.name!r} now"]
    )  # fmt: skip


async def test_the_old_owner_may_run_first(pair, make):
    first, second = pair
    await both(pair, make)
    _, uid = await owner(first, first.name)
    first.drop("moved")

    kept = await first.rollout()
    assert list(kept.plan.kept.values()) == [f"rollout {second.name!r} takes it over"]
    await second.rollout()
    last = await first.rollout()

    assert await owner(first, first.name) == (second.name, uid)
    assert (len(last.plan.forgotten), last.plan.kept) == (1, {})
    assert {entry.ref.name for entry in (await first.state()).inventory} == {"a"}


async def test_what_cannot_be_rendered_keeps_everything_it_may_mean(pair, make):
    first, second = pair
    await both(pair, make)
    second.write(broken="kind: [")
    first.drop("moved")

    plan = await first.plan()

    (why,) = plan.kept.values()
    assert "may take it over, and cannot be rendered" in why


async def test_an_object_that_both_declare_is_refused_with_the_way_out(pair, make):
    first, second = pair
    first.write(make.config("moved"))
    await first.rollout()
    second.write(make.config("moved"))

    with pytest.raises(Refused) as caught:
        await second.rollout()

    assert f"belongs to rollout {first.name!r}" in caught.value.message
    assert "apply.takeFrom" in str(caught.value.hint)


async def test_the_former_owner_may_not_take_it_back_unasked(pair, make):
    first, second = pair
    await both(pair, make)
    await second.rollout()

    with pytest.raises(Refused, match="belongs to rollout"):
        await first.rollout()


async def test_deleting_the_old_rollout_leaves_what_moves(pair, make):
    first, second = pair
    await both(pair, make)
    _, uid = await owner(first, first.name)

    await first.remove()
    await second.rollout()

    assert await owner(first, first.name) == (second.name, uid)


async def test_nobody_is_asked_when_nothing_leaves(pair, make):
    first, second = pair
    await both(pair, make)
    second.write(broken="kind: [")

    assert (await first.plan()).is_done
