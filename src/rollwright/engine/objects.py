"""Writing one object: apply, replace, prune.

Before: ``execute`` found that everything the change waits for is done.
After: ``observe`` waits until the object is Current, or gone.

Expected failures are results, not exceptions; a lost lock is an exception, because nothing more
may be written by anybody of this run.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rollwright.engine.forecast import immutable_fields
from rollwright.engine.run import Run
from rollwright.engine.waiter import Subject, Waited
from rollwright.errors import ClusterError, RolloutError
from rollwright.plugins.contracts import (
    ApplyRequest,
    DeleteRequest,
    GetRequest,
    Propagation,
)
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.plan import Change, Operation
from rollwright.rollouts.prune import may_delete
from rollwright.rollouts.report import ChangeResult, Outcome

_ORPHANING = frozenset({("apps", "StatefulSet")})
"""Kinds whose pods live on while the object is created again."""


def begun(change: Change, now: datetime) -> ChangeResult:
    """Return a result that later facts are put into."""
    return ChangeResult(
        ref=change.ref,
        operation=change.operation,
        outcome=Outcome.SUCCEEDED,
        status=change.status,
        conflicts=change.conflicts,
        started_at=now,
    )


def failed(result: ChangeResult, error: RolloutError) -> ChangeResult:
    """Return the result of a change that the server refused."""
    return replace(
        result, outcome=Outcome.FAILED, message=error.message, hint=error.hint or "", status=None
    )


def ended(result: ChangeResult, waited: Waited) -> ChangeResult:
    """Return the result of a change that waited, well or badly."""
    return replace(
        result,
        outcome=waited.outcome,
        message=waited.message,
        status=waited.status,
        hint=waited.hint,
    )


async def write(run: Run, change: Change) -> LiveObject | Waited:
    """Apply an object and return it as it is now.

    Returns:
        The object; or how a wait ended, badly, for the former object to go.

    Raises:
        LockLost: Our lease may be gone.
        ClusterError: The server refuses.
        Unreachable: The server does not answer.
    """
    if change.wanted is None:
        raise ValueError(f"{change.ref}: nothing to write")
    if change.operation is Operation.REPLACE:
        left = await _remove(run, change)
        if left is not None and left.outcome is not Outcome.SUCCEEDED:
            return replace(left, message=f"does not go away: {left.message}")
    run.lock.check()
    uid = change.live_uid if change.operation is not Operation.REPLACE else ""
    request = ApplyRequest(
        ref=change.ref, body=change.wanted.body, force=run.spec.apply.force, uid=uid
    )
    try:
        return await run.cluster.apply(request)
    except ClusterError as error:
        if immutable_fields(error) and not error.hint:
            error.hint = "list the kind in apply.recreateImmutable to delete and create it"
        raise


async def _remove(run: Run, change: Change) -> Waited | None:
    """Delete an object that is created again; return how the wait for its end ended."""
    run.lock.check()
    is_orphaning = change.ref.group_kind in _ORPHANING
    propagation = Propagation.ORPHAN if is_orphaning else Propagation.FOREGROUND
    left = await run.cluster.delete(
        DeleteRequest(
            ref=change.ref,
            api_version=change.api_version,
            uid=change.live_uid,
            propagation=propagation,
        )
    )
    if left is None:
        return None
    return await run.observer.wait_until_gone(_departing(run, change, left), run.stop)


def _departing(run: Run, change: Change, left: LiveObject) -> Subject:
    return Subject(
        ref=change.ref,
        api_version=change.api_version,
        applied_at=run.now(),
        live=left,
        uid=left.uid,
    )


def with_facts(result: ChangeResult, live: LiveObject) -> ChangeResult:
    """Return the result with what the next run needs to know of the object."""
    return replace(
        result,
        uid=live.uid,
        resource_version=live.resource_version,
        owned_digest=live.owned_digest,
    )


def with_later_version(result: ChangeResult, ours: LiveObject, last: LiveObject) -> ChangeResult:
    """Return the result with the version seen last, if nothing but the status moved since.

    The next run then sees an equal version, and need not look at the object's fields at all.
    """
    is_same = ours.uid == last.uid and ours.generation is not None
    if not is_same or ours.generation != last.generation:
        return result
    if _declared_metadata(ours) != _declared_metadata(last):
        return result
    return replace(result, resource_version=last.resource_version)


def _declared_metadata(live: LiveObject) -> tuple[object, ...]:
    keys = ("labels", "annotations", "ownerReferences", "finalizers", "deletionTimestamp")
    return tuple(live.metadata.get(key) for key in keys)


def kept_facts(result: ChangeResult, change: Change) -> ChangeResult:
    """Return the result of a kept object with what the plan knew of it."""
    return replace(
        result,
        uid=change.live_uid,
        resource_version=change.live_resource_version,
        owned_digest=change.owned_digest,
    )


async def prune(run: Run, change: Change, result: ChangeResult) -> ChangeResult:
    """Delete an object that left the set, and wait until it is gone.

    The guards are asked again of what is live now (PR-23).
    """
    found = await run.cluster.get(GetRequest(ref=change.ref, api_version=change.api_version))
    entry = run.state.by_ref.get(change.ref)
    if found is None or entry is None:
        return result
    used = {other.ref.namespace for other in run.plan.changes if other.wanted}
    if why := may_delete(run.spec.name, run.spec.prune, entry, found, used):
        return replace(result, outcome=Outcome.FAILED, message=f"stays: {why}")
    run.lock.check()
    left = await run.cluster.delete(
        DeleteRequest(ref=change.ref, api_version=change.api_version, uid=found.uid)
    )
    if left is None:
        return result
    waited = await run.observer.wait_until_gone(_departing(run, change, left), run.stop)
    return ended(result, waited)
