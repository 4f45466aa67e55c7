"""Deleting a rollout in two phases, by name, or without its objects, on a real server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rollwright.engine import operations
from rollwright.engine.removal import removing
from rollwright.errors import NotFound, Refused
from rollwright.rollouts.report import Outcome

pytestmark = pytest.mark.cluster

PENDING = "rollwright.dev/pending-deletion"
LABEL = "rollwright.dev/rollout"


async def with_state(shop, act):
    """Do something with site, spec, state and trigger of the rollout."""
    async with shop.open() as site:
        spec = operations.named_spec(shop.name, "here")
        state = await operations.remembered(site, spec)
        return await act(site, spec, state, operations.manual_trigger(shop.name, kind="delete"))


async def mark(shop):
    async def act(site, spec, state, trigger):
        plan = await removing.plan_removal(site, spec, state)
        return await removing.mark(site, spec, plan, trigger)

    return await with_state(shop, act)


async def cancel(shop):
    return await with_state(shop, lambda site, spec, _s, t: removing.cancel(site, spec, t))


async def let_time_pass(shop, delta):
    """Move the mark into the past."""

    async def act(site, spec, state, _trigger):
        removal = replace(
            state.removal,
            due_at=state.removal.due_at - delta,
            protected_due_at=state.removal.protected_due_at - delta,
        )
        store = await site.store(spec)
        await store.save(replace(state, removal=removal), after=state.version)

    await with_state(shop, act)


async def delete_due(shop):
    async with shop.open() as site:
        removal = await operations.prepare_delete(site, shop.name, cluster="here", is_due=True)
        return await operations.delete(site, removal, cluster="here")


async def annotation(shop, name="a"):
    return (await shop.get("ConfigMap", name)).annotations.get(PENDING)


async def test_a_mark_deletes_nothing_and_names_its_plan(shop, make):
    shop.write(make.config("a"), make.config("b"))
    await shop.rollout()

    marked = await mark(shop)

    digest, _, when = (await annotation(shop)).partition(" ")
    removal = (await shop.state()).removal
    assert (digest, when[-1], len(marked.refs)) == (removal.plan_id, "Z", 2)
    assert removal.due_at - removal.marked_at == timedelta(minutes=15)
    await shop.remove()


async def test_nothing_goes_before_the_time_of_grace_is_over(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    await mark(shop)

    with pytest.raises(Refused, match="marked for deletion by"):
        await delete_due(shop)

    assert await shop.get("ConfigMap", "a")
    await shop.remove()


async def test_what_is_due_goes(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    await mark(shop)
    await let_time_pass(shop, timedelta(minutes=16))

    report = await delete_due(shop)

    assert (report.outcome, await shop.get("ConfigMap", "a"), await shop.state()) == (
        Outcome.SUCCEEDED, None, None
    )  # fmt: skip


async def test_protected_kinds_wait_longer(shop, make):
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }  # fmt: skip
    shop.declare(health={"skip": [{"kind": "PersistentVolumeClaim"}]})
    shop.write(make.config("a"), claim)
    await shop.rollout()
    await mark(shop)
    await let_time_pass(shop, timedelta(minutes=16))

    await delete_due(shop)

    assert await shop.get("ConfigMap", "a") is None
    assert await shop.get("PersistentVolumeClaim", "data")
    await let_time_pass(shop, timedelta(hours=24))
    await delete_due(shop)
    assert await shop.get("PersistentVolumeClaim", "data") is None
    assert await shop.state() is None


async def test_a_person_needs_no_grace(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    await mark(shop)

    await shop.remove()

    assert (await shop.get("ConfigMap", "a"), await shop.state()) == (None, None)


async def test_what_is_not_marked_is_not_due(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()

    with pytest.raises(Refused, match="is not marked"):
        await delete_due(shop)


async def test_a_cancelled_deletion_leaves_no_mark(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    await mark(shop)

    await cancel(shop)

    assert (await annotation(shop), (await shop.state()).removal) == (None, None)
    with pytest.raises(Refused, match="is not marked"):
        await cancel(shop)


async def test_marking_again_keeps_the_time(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    first = await mark(shop)

    second = await mark(shop)

    assert (second.removal, second.refs) == (first.removal, ())
    await shop.remove()


async def test_rolling_out_takes_the_marks_off(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    await mark(shop)

    plan = await shop.plan()
    await shop.rollout()

    assert any("rolling out takes the marks off" in note for note in plan.notes)
    assert (await annotation(shop), (await shop.state()).removal) == (None, None)
    assert (await shop.plan()).is_done


async def test_an_orphan_belongs_to_nobody(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()

    await with_state(shop, lambda site, spec, _s, t: removing.orphan(site, spec, t))

    found = await shop.get("ConfigMap", "a")
    assert (LABEL in found.labels, await shop.state()) == (False, None)


async def test_what_is_kept_stays_as_it_is(shop, make):
    shop.write(make.config("a"))
    await shop.rollout()
    before = await shop.get("ConfigMap", "a")

    await with_state(shop, lambda site, spec, _s, t: removing.keep(site, spec, t))

    found = await shop.get("ConfigMap", "a")
    assert (found.resource_version, await shop.state()) == (before.resource_version, None)
    with pytest.raises(NotFound):
        await with_state(shop, lambda *_: None)


async def test_the_preview_shows_what_goes_along(shop, make):
    shop.write(make.deployment("web"))
    await shop.rollout()

    async with shop.open() as site:
        removal = await operations.prepare_delete(site, shop.name, cluster="here")

    assert any("takes along 1 Pod, 1 ReplicaSet" in str(one) for one in removal.blast)
    await shop.remove()
