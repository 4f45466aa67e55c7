"""Writing one object the way a step says: apply, create, PUT, patch, delete.

Before: ``steps`` found that everything the change waits for is done.
After: ``checking`` decides when the object is as it has to be.

What was planned is looked at again where the request itself cannot prove it: an object that came
back under another UID is not the one that somebody agreed to delete or to replace.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from rollwright.engine.run import Run
from rollwright.engine.waiting.waiter import Waited
from rollwright.engine.writing import objects
from rollwright.engine.writing.pinned import why_other
from rollwright.engine.writing.recreate import departing
from rollwright.errors import ClusterError, Refused
from rollwright.plugins.contracts import (
    DeleteRequest,
    GetRequest,
    PatchForm,
    PatchRequest,
    Propagation,
)
from rollwright.rollouts.change import Change, Operation, Way
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.plan import Step
from rollwright.rollouts.pruning.keeping import allowing
from rollwright.rollouts.report import ChangeResult, Outcome
from rollwright.rollouts.steps.full_put import is_same_account, prepared
from rollwright.rollouts.steps.guards import why_not_deleted
from rollwright.rollouts.steps.options import PatchOptions, options_of

_CONFLICT = 409
_PUT_ATTEMPTS = 5
"""How often an object that others write at the same time is read again."""

EXISTS = "somebody else has created it meanwhile: it is left alone"


async def write_object(run: Run, step: Step, change: Change) -> LiveObject | Waited:
    """Write an object; return it as it is now, or how a wait ended, badly, before that.

    Raises:
        LockLost: Our lease may be gone.
        Refused: The object is not the one that the plan was made for.
        ClusterError: The server refuses.
    """
    match change.way:
        case Way.CREATE:
            return await _create(run, change)
        case Way.PUT:
            return await _put(run, change)
        case Way.PATCH:
            return await _patch(run, step, change)
        case Way.RECREATE:
            return await objects.write(run, await _as_live(run, change))
        case _:
            return await objects.write(run, change)


async def _create(run: Run, change: Change) -> LiveObject | Waited:
    if change.operation is Operation.REPLACE:
        return await objects.write(run, change)  # it waits for the end of the former one
    run.lock.check()
    try:
        return (await run.cluster.create(_wanted(change))).keyed(run.salt)
    except ClusterError as error:
        found = await _found(run, change) if error.status == _CONFLICT else None
        if found is None:
            raise
    return Waited(outcome=Outcome.SUCCEEDED, message=EXISTS)


async def _put(run: Run, change: Change) -> LiveObject | Waited:
    if change.operation is Operation.REPLACE:
        return await objects.write(run, change)
    wanted = _wanted(change)
    for attempt in range(1, _PUT_ATTEMPTS + 1):
        found = await _found(run, change)
        if found is not None:
            _check_same(run, change, found)
            if is_same_account(wanted, found.body):
                return found
        run.lock.check()
        try:
            if found is None:
                return (await run.cluster.create(wanted)).keyed(run.salt)
            return (await run.cluster.replace(prepared(wanted, found.body))).keyed(run.salt)
        except ClusterError as error:
            if error.status != _CONFLICT or attempt == _PUT_ATTEMPTS:
                raise
    raise AssertionError  # the last attempt returned or raised


async def _patch(run: Run, step: Step, change: Change) -> LiveObject:
    run.lock.check()
    return (await run.cluster.patch(patch_request(step, change.ref, change.api_version))).keyed(
        run.salt
    )


def patch_request(
    step: Step, ref: ObjectRef, api_version: str, *, is_dry_run: bool = False
) -> PatchRequest:
    """Return the patch of a step for one of its objects."""
    text = step.plugin.options if step.plugin else ""
    options: PatchOptions = options_of("Patch", orjson.loads(text or "{}"))
    patch: Any = options.patch
    is_list = isinstance(patch, tuple)
    return PatchRequest(
        ref=ref,
        api_version=api_version,
        form=PatchForm(options.type.value),
        operations=tuple(dict(one) for one in patch) if is_list else (),
        content={} if is_list else dict(patch),
        is_dry_run=is_dry_run,
    )


async def _as_live(run: Run, change: Change) -> Change:
    """Return a change with the UID of the object that an earlier step has made."""
    if not change.follows:
        return change
    found = await _found(run, change)
    if found is None:
        return replace(change, operation=Operation.CREATE)
    return replace(change, live_uid=found.uid)


async def delete_object(
    run: Run, change: Change, result: ChangeResult, *, must_wait: bool
) -> ChangeResult:
    """Delete an object if it is there; wait until it is gone, if asked to.

    The guards are asked again of what is live now (PR-23).
    """
    found = await _found(run, change)
    if found is None:
        return replace(result, message="is gone already", status=None)
    rule, why = why_not_deleted(run.spec, found, change.wanted)
    is_allowed = allowing(change.ref, run.plan.allowed, run.spec.target.namespace)
    if why and not (rule == "PR-04" and is_allowed):
        return replace(result, outcome=Outcome.FAILED, message=f"stays: it {why}")
    _check_same(run, change, found)
    run.lock.check()
    left = await run.cluster.delete(
        DeleteRequest(
            ref=change.ref,
            api_version=change.api_version,
            uid=found.uid,
            propagation=Propagation(change.propagation.capitalize()),
        )
    )
    result = replace(result, status=None)
    if left is None or not must_wait:
        return result
    waited = await run.observer.wait_until_gone(departing(run, change, left), run.stop)
    return objects.ended(result, waited)


async def _found(run: Run, change: Change) -> LiveObject | None:
    return await run.cluster.get(GetRequest(ref=change.ref, api_version=change.api_version))


def _check_same(run: Run, change: Change, found: LiveObject) -> None:
    """Refuse to touch an object that is not the one the plan was made for."""
    why = why_other(run, change, found)
    if change.live_uid and found.uid != change.live_uid and not change.follows:
        why = why or "was deleted and created again meanwhile"
    if why:
        raise Refused(f"{change.ref}: {why}", hint="make a new plan")


def _wanted(change: Change) -> dict[str, object]:
    if change.wanted is None:
        raise ValueError(f"{change.ref}: nothing to write")
    return dict((change.sent or change.wanted).body)
