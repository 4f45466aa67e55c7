"""The parent of a rollout's ApplySet around a run, with a server that fails as a test wants."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollwright.engine import operations
from rollwright.engine.progress import Note
from rollwright.engine.writing.applyset import parent_namespace
from rollwright.errors import ClusterError, LockLost, Refused
from rollwright.rollouts.ownership.applyset import FENCE, GROUP_KINDS
from rollwright.rollouts.ownership.fields import parent_ref
from rollwright.rollouts.report import Outcome

PARENT = parent_ref("shop")
LEASES = '[locks.default]\nuse = "lease"\nwith.namespace = "b"'


def notes(world):
    return world.cluster.objects[PARENT]["metadata"]["annotations"]


def service(name):
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"type": "ExternalName", "externalName": "example.com"},
    }  # fmt: skip


async def remove(world):
    async with world.site() as site:
        removal = await operations.prepare_delete(site, "shop")
        return await operations.delete(site, removal)


@pytest.mark.parametrize(
    ("lines", "namespace"),
    [
        ("", "rollwright-system"),
        ('[stores.default]\nuse = "cluster"\nwith.namespace = "a"', "a"),
        ('[locks.default]\nuse = "lease"\nwith.namespace = "b"', "b"),
        (
            '[stores.default]\nuse = "cluster"\nwith.namespace = "a"\n' + LEASES,
            "a",
        ),
        (
            '[stores.default]\nuse = "file"\n[locks.default]\nuse = "lease"\nwith.namespace = "b"',
            "b",
        ),
        ('[stores.default]\nuse = "memory"\n[locks.default]\nuse = "memory"', "rollwright-system"),
    ],
)
async def test_the_parent_is_where_states_or_locks_are(world, make, lines, namespace):
    world.write(make.config("a"))
    (world.folder / "site.toml").write_text(lines)

    async with world.site() as site:
        assert parent_namespace(site) == namespace


async def test_the_parent_is_wide_before_the_first_object_is_written(world, make):
    world.write(make.config("a"), service("b"))
    await world.rollout()
    sent = [(one.call, one.ref) for one in world.cluster.requests if one.ref]
    calls = [call for call, _ in sent]

    assert sent.index(("create", PARENT)) < calls.index("apply")
    assert notes(world)[GROUP_KINDS] == "ConfigMap,Service"


async def test_the_parent_stays_wide_as_long_as_anything_may_be_there(world, make):
    world.write(make.config("a"), service("b"))
    await world.rollout()
    world.write(make.config("a"))
    world.cluster.fail("delete", make.ref("Service", "b"), ClusterError("no", status=403))
    await world.rollout()

    assert notes(world)[GROUP_KINDS] == "ConfigMap,Service"


async def test_a_refused_parent_is_told_before_the_journal_is_opened(world, make):
    world.write(make.config("a"))
    world.cluster.fail("create", PARENT, ClusterError("no", status=403))

    with pytest.raises(ClusterError) as caught:
        await world.rollout()

    assert "configmaps in namespace 'rollwright-system'" in str(caught.value.hint)
    assert await world.state() is None


async def test_a_missing_namespace_is_made(world, make):
    world.write(make.config("a"))
    world.cluster.fail("create", PARENT, ClusterError("namespace not found", status=404))
    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert PARENT in world.cluster.objects


async def test_a_write_that_somebody_was_quicker_than_is_made_anew(world, make):
    world.write(make.config("a"))
    await world.rollout()
    world.write(make.config("a", k="w"))
    conflict = ClusterError("was modified", status=409, reason="Conflict")
    world.cluster.fail("apply", PARENT, conflict, conflict)
    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert notes(world)[FENCE] == str((await world.state()).token)


async def test_a_parent_that_cannot_be_narrowed_does_not_fail_the_run(world, make):
    world.write(make.config("a"), service("b"))
    await world.rollout()
    world.write(make.config("a"))
    writes = []
    inner = world.cluster.apply

    async def apply(request):
        if request.ref == PARENT:
            writes.append(request)
            if len(writes) == 2:
                raise ClusterError("no", status=403)
        return await inner(request)

    world.cluster.apply = apply
    report = await world.rollout()

    assert report.outcome is Outcome.SUCCEEDED
    assert any("still names kinds" in one.text for one in world.heard if isinstance(one, Note))


async def test_a_run_that_only_waits_asks_nothing(world, make):
    world.write(make.deployment("web"))
    world.cluster.report(make.web, make.ready)
    await world.rollout()
    world.cluster.put({**world.cluster.objects[make.web], "status": {}})
    world.cluster.requests.clear()
    world.declare(health={"timeout": "50ms"})
    report = await world.rollout()

    assert report.outcome is not Outcome.SUCCEEDED
    assert [one for one in world.cluster.requests if one.ref == PARENT] == []


async def test_a_higher_token_stops_a_run_before_it_begins(world, make):
    world.write(make.config("a"))
    await world.rollout()
    parent = world.cluster.objects[PARENT]
    raised = {**notes(world), FENCE: str(10**15)}
    world.cluster.put({**parent, "metadata": {**parent["metadata"], "annotations": raised}})
    state = await world.state()
    world.write(make.config("a", k="w"))

    with pytest.raises(LockLost, match=str(10**15)):
        await world.rollout()

    assert (await world.state()).version == state.version
    assert notes(world)[FENCE] == str(10**15)


async def test_a_removal_takes_the_parent_with_it(world, make):
    world.write(make.config("a"))
    await world.rollout()
    await remove(world)

    assert PARENT not in world.cluster.objects


async def test_a_removal_that_is_not_complete_keeps_the_parent(world, make):
    world.write(make.config("a"))
    await world.rollout()
    world.cluster.fail("delete", make.ref("ConfigMap", "a"), ClusterError("no", status=403))
    await remove(world)

    assert notes(world)[GROUP_KINDS] == "ConfigMap"


async def test_a_removal_leaves_the_parent_of_a_later_run(world, make):
    world.write(make.config("a"))
    await world.rollout()
    inner = world.store.load

    async def load(rollout):
        state = await inner(rollout)
        if state is not None and not state.inventory:
            parent = world.cluster.objects[PARENT]
            raised = {**notes(world), FENCE: str(state.token + 1)}
            world.cluster.put({**parent, "metadata": {**parent["metadata"], "annotations": raised}})
        return state

    world.store = make.wrapped(world.store, load=load)
    await remove(world)

    assert PARENT in world.cluster.objects


async def test_a_plan_that_writes_nothing_does_not_look_at_the_parent(world, make):
    world.write(make.config("a"))
    await world.rollout()
    parent = world.cluster.objects[PARENT]
    theirs = {**notes(world), "applyset.kubernetes.io/tooling": "kubectl/v1"}
    world.cluster.put({**parent, "metadata": {**parent["metadata"], "annotations": theirs}})
    assert (await world.plan()).is_done
    world.write(make.config("a", k="w"))

    with pytest.raises(Refused, match="is managed by 'kubectl'"):
        await world.plan()


async def test_a_state_that_was_lost_is_no_reason_to_lower_the_fence(world, make):
    world.write(make.config("a"))
    await world.rollout()
    state = await world.state()
    await world.store.save(replace(state, token=0), after=state.version)
    parent = world.cluster.objects[PARENT]
    raised = {**notes(world), FENCE: str(state.token + 10**6)}
    world.cluster.put({**parent, "metadata": {**parent["metadata"], "annotations": raised}})
    world.write(make.config("a", k="w"))

    with pytest.raises(LockLost):
        await world.rollout()
