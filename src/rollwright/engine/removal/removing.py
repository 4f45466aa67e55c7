"""Removing a whole rollout: at once, in two phases, or without its objects.

Before: somebody named the rollout. After: its objects are gone, marked, or nobody's.

A mark deletes nothing: it says who wants what to go and from when that may happen without a
person. Rolling out again takes the marks off. Every way holds the rollout's lock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rollwright.engine.reading.read import read_live
from rollwright.engine.removal.blast import measure
from rollwright.engine.removal.leaving import find_leaving
from rollwright.engine.removal.moves import declared_spec, depending_on
from rollwright.engine.returning.revisions import hooks_of_last
from rollwright.engine.site import Site
from rollwright.engine.writing.applyset import remove_parent
from rollwright.engine.writing.together import together
from rollwright.errors import Refused
from rollwright.plugins.contracts import Cluster, Lock, PatchRequest, StateStore
from rollwright.rollouts.blast import going_of, with_blast
from rollwright.rollouts.hooks.left import with_stale
from rollwright.rollouts.hooks.steps import with_delete_hooks
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.ownership.fields import PART_OF, ROLLOUT_LABEL
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.pruning.marks import (
    describe_removal,
    instant,
    make_removal_mark,
    mark_text,
    marking,
    not_due,
    releasing,
    unmarking,
)
from rollwright.rollouts.pruning.removal import make_removal
from rollwright.rollouts.spec import DeletionPolicy, DeletionRule, RolloutSpec
from rollwright.rollouts.state import AuditEntry, Removal, RolloutState
from rollwright.rollouts.trigger import Trigger

CONFIRMED = "whoever confirms the name"
_OUR_LABELS = (ROLLOUT_LABEL, PART_OF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What became of a rollout without a run.

    Attributes:
        rollout: Its name.
        action: ``mark``, ``cancel``, ``orphan`` or ``keep``.
        message: The same, in a sentence.
        refs: The objects that were changed.
        removal: The mark that stands now, if any.
    """

    rollout: str
    action: str
    message: str
    refs: tuple[ObjectRef, ...] = ()
    removal: Removal | None = None


def deletion_of(site: Site, name: str) -> DeletionPolicy:
    """Return what the rollout's own file says about its deletion; the default without one.

    The objects of a suspended rollout stay: whoever suspended it wants nothing touched (PR-35).
    """
    declared = declared_spec(site, name)
    if declared is None:
        return DeletionPolicy()
    if declared.suspend and declared.deletion.policy is DeletionRule.DELETE:
        return declared.deletion.model_copy(update={"policy": DeletionRule.ORPHAN})
    return declared.deletion


async def plan_removal(
    site: Site, spec: RolloutSpec, state: RolloutState, *, is_due: bool = False
) -> Plan:
    """Return the plan that removes a rollout, with its blast radius; changes nothing.

    Args:
        site: The installation.
        spec: Of which only name and target matter.
        state: What is remembered.
        is_due: Whether nobody confirms: then only what was marked goes, once its time is over.

    Raises:
        Refused: ``is_due``, and the rollout is not marked or nothing of it is due yet.
    """
    now = datetime.now(UTC)
    cluster = await site.cluster(spec)
    live = await _read(site, spec, state)
    leaving = await find_leaving(site, spec, ManifestSet(), live, state)
    policy = spec.prune
    if (declared := declared_spec(site, spec.name)) is not None:
        policy = policy.model_copy(update={"propagation": declared.prune.propagation})
    if is_due:
        removal = _due(spec.name, state, now)
        leaving = replace(leaving, waiting=not_due(removal, state.by_ref, now))
    plan = make_removal(spec.name, live, state, leaving, policy)
    plan = with_delete_hooks(plan, await hooks_of_last(site, spec, state), state)
    plan = with_stale(plan, state)
    dependants = depending_on(site, spec.name, spec.target.cluster)
    effects = await measure(cluster, spec.name, going_of(plan, live), dependants=dependants)
    return with_blast(plan, effects, confirmed="" if is_due else CONFIRMED)


def _due(name: str, state: RolloutState, now: datetime) -> Removal:
    removal = state.removal
    if removal is None:
        raise Refused(
            f"{name}: is not marked for deletion; nothing was changed",
            hint=f"mark it with `rollwright delete {name} --mark`",
        )
    if removal.due_at > now:
        raise Refused(
            f"{name}: is {describe_removal(removal)}; nothing was changed",
            hint=f"a person may delete it now: `rollwright delete {name} --confirm {name}`",
        )
    return removal


async def mark(site: Site, spec: RolloutSpec, plan: Plan, trigger: Trigger) -> Removed:
    """Mark everything that a removal would delete, and delete nothing (PR-31).

    A mark of the same plan that stands already keeps its time.

    Raises:
        Refused: The state moved on since the plan was made.
    """
    async with _held(site, spec, trigger) as (store, state, lock):
        if state.version != plan.state_version:
            raise Refused(
                f"{spec.name}: another run changed the state since the plan was made",
                hint="look at what goes once more",
            )
        removal = state.removal
        if removal is None or removal.plan_id != plan.id:
            removal = make_removal_mark(plan.id, trigger.actor, datetime.now(UTC))
            words = f"marked for deletion; may go from {instant(removal.due_at)}"
            marked = replace(state, removal=removal, token=lock.token)
            await _save(store, marked, trigger, ("mark", words))
        live, text = await _read(site, spec, state), mark_text(removal)
        going = (live.get(change.ref) for change in plan.changes)
        patches = {one.ref: (one, marking(one, text)) for one in going if one is not None}
        refs = await _patch(await site.cluster(spec), patches, lock)
    message = f"{len(refs)} objects marked; nothing was deleted; {describe_removal(removal)}"
    return Removed(
        rollout=spec.name, action="mark", message=message, refs=refs, removal=removal
    )  # fmt: skip


async def cancel(site: Site, spec: RolloutSpec, trigger: Trigger) -> Removed:
    """Take the marks off again (PR-32).

    Raises:
        Refused: The rollout is not marked.
    """
    async with _held(site, spec, trigger) as (store, state, lock):
        if state.removal is None:
            raise Refused(f"{spec.name}: is not marked for deletion; nothing was changed")
        refs = await unmark(site, spec, state, lock)
        freed = replace(state, removal=None, token=lock.token)
        await _save(store, freed, trigger, ("cancel", "the deletion was cancelled"))
    message = f"the deletion is cancelled; {len(refs)} objects are no longer marked"
    return Removed(rollout=spec.name, action="cancel", message=message, refs=refs)


async def unmark(
    site: Site, spec: RolloutSpec, state: RolloutState, lock: Lock
) -> tuple[ObjectRef, ...]:
    """Take the marks off every object of the inventory, and return those that had one."""
    live = await _read(site, spec, state)
    patches = {one.ref: (one, unmarking(one)) for one in _proven(live, state)}
    return await _patch(await site.cluster(spec), patches, lock)


async def orphan(site: Site, spec: RolloutSpec, trigger: Trigger) -> Removed:
    """Take our labels off every object and forget the rollout: they stay, and are nobody's."""
    async with _held(site, spec, trigger) as (store, state, lock):
        live = await _read(site, spec, state)
        patches = {
            one.ref: (one, releasing(one, spec.name, _OUR_LABELS)) for one in _proven(live, state)
        }
        refs = await _patch(await site.cluster(spec), patches, lock)
        await store.delete(spec.name, after=state.version)
        await remove_parent(site, spec, replace(state, token=lock.token))
    message = f"forgotten; {len(refs)} objects stay and belong to nobody now"
    return Removed(rollout=spec.name, action="orphan", message=message, refs=refs)


async def keep(site: Site, spec: RolloutSpec, trigger: Trigger) -> Removed:
    """Forget the rollout and touch nothing in the cluster."""
    async with _held(site, spec, trigger) as (store, state, lock):
        lock.check()
        await store.delete(spec.name, after=state.version)
    message = f"forgotten; {len(state.inventory)} objects stay as they are, labels included"
    return Removed(rollout=spec.name, action="keep", message=message)


@asynccontextmanager
async def _held(
    site: Site, spec: RolloutSpec, trigger: Trigger
) -> AsyncIterator[tuple[StateStore, RolloutState, Lock]]:
    """Hold the rollout's lock, and give its store and its state as it is then."""
    async with site.lock(spec, trigger) as lock:
        store = await site.store(spec)
        state = await store.load(spec.name)
        if state is None:
            raise Refused(f"{spec.name}: is gone meanwhile; nothing was changed")
        yield store, state, lock


async def _save(
    store: StateStore, state: RolloutState, trigger: Trigger, what: tuple[str, str]
) -> None:
    kind, message = what
    entry = AuditEntry(at=datetime.now(UTC), kind=kind, actor=trigger.actor, message=message)
    await store.save(state.audited(entry), after=state.version)


async def _read(site: Site, spec: RolloutSpec, state: RolloutState) -> LiveSet:
    target, ask_salt = await site.cluster(spec), partial(site.salt, spec)
    return await read_live(target, spec.name, ManifestSet(), state, ask_salt)


def _proven(live: LiveSet, state: RolloutState) -> Iterable[LiveObject]:
    """Return the live objects of the inventory that still are the ones that were applied."""
    for entry in state.inventory:
        found = live.get(entry.ref)
        if found is not None and entry.uid in {"", found.uid}:
            yield found


async def _patch(
    cluster: Cluster,
    patches: Mapping[ObjectRef, tuple[LiveObject, tuple[Mapping[str, Any], ...]]],
    lock: Lock,
) -> tuple[ObjectRef, ...]:
    """Send the patches that hold something, and return what they changed."""
    requests = [
        PatchRequest(ref=ref, api_version=live.api_version, operations=operations)
        for ref, (live, operations) in sorted(patches.items())
        if operations
    ]
    lock.check()
    await together(_send(cluster, request) for request in requests)
    return tuple(request.ref for request in requests)


async def _send(cluster: Cluster, request: PatchRequest) -> LiveObject:
    return await cluster.patch(request)
