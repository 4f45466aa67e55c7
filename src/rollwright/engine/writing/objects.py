"""Writing one object: apply, replace, prune.

Before: ``execute`` found that everything the change waits for is done.
After: ``observe`` waits until the object is Current, or gone.

Expected failures are results, not exceptions; a lost lock is an exception, because nothing more
may be written by anybody of this run.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rollwright.engine.reading.forecast import immutable_fields
from rollwright.engine.reading.simulate import verify
from rollwright.engine.removal.leaving import leaving_now
from rollwright.engine.run import Run
from rollwright.engine.waiting.waiter import Waited
from rollwright.engine.writing.migrate import after_migration_of
from rollwright.engine.writing.pinned import apply_pinned, check_pinned, why_other
from rollwright.engine.writing.recreate import departing, remove
from rollwright.errors import ClusterError, RolloutError
from rollwright.plugins.contracts import (
    ApplyRequest,
    DeleteRequest,
    GetRequest,
    Propagation,
)
from rollwright.rollouts.change import Change, Operation, Prediction
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.pruning.prune import may_delete
from rollwright.rollouts.report import ChangeResult, Outcome


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
        await check_pinned(run, change)
        left = await remove(run, change)
        if left is not None and left.outcome is not Outcome.SUCCEEDED:
            return left
    run.lock.check()
    if change.prediction is Prediction.SIMULATED and change.is_owned:
        await verify(run, change)
    body = (change.sent or change.wanted).body
    change = await after_migration_of(run, change)
    uid = change.live_uid if change.operation is not Operation.REPLACE else ""
    request = ApplyRequest(
        ref=change.ref,
        body=body,
        manager=change.manager,
        force=run.spec.apply.force or any(one.action == "take" for one in change.conflicts),
        uid=uid,
    )
    try:
        return (await apply_pinned(run, change, request)).keyed(run.salt)
    except ClusterError as error:
        if change.operation is Operation.REPLACE:
            error.hint = "the former object is deleted, and the new one is not there: correct it"
        elif immutable_fields(error) and not error.hint:
            error.hint = "list the kind in apply.recreateImmutable to delete and create it"
        raise


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
    leaving = await leaving_now(run, change, found)
    why = may_delete(run.spec.name, run.spec.prune, entry, found, used, leaving)
    if why := why or why_other(run, change, found):
        return replace(result, outcome=Outcome.FAILED, message=f"stays: {why}")
    run.lock.check()
    left = await run.cluster.delete(
        DeleteRequest(
            ref=change.ref,
            api_version=change.api_version,
            uid=found.uid,
            propagation=Propagation(change.propagation.capitalize()),
        )
    )
    if left is None:
        return result
    waited = await run.observer.wait_until_gone(departing(run, change, left), run.stop)
    return ended(result, waited)
