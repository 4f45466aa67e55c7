"""Deleting an object that is created again right after: one node of the graph (OR-84, AP-57).

Before: ``objects.write`` has a change whose field cannot change in place, and the permission.
After: the former object is gone, and ``write`` applies the new one; whatever waits for the object
waits for the end of both.

A run that breaks off in between leaves no object: the next one finds it absent and creates it.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from rollwright.engine.run import Run
from rollwright.engine.waiting.waiter import Subject, Waited
from rollwright.plugins.contracts import (
    DeleteRequest,
    EventType,
    ListRequest,
    Propagation,
    WatchEvent,
)
from rollwright.rollouts.change import Change
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.report import Outcome

JOB = ("batch", "Job")
WAYS = {
    JOB: Propagation.BACKGROUND,
    ("apps", "StatefulSet"): Propagation.ORPHAN,
}
"""What becomes of an object's dependants: a StatefulSet's pods live on and are adopted, those of
a finished Job hold nobody up. All other kinds take theirs along before they go."""

_FINISHED = frozenset({"Complete", "Failed"})


async def remove(run: Run, change: Change) -> Waited | None:
    """Delete an object that is created again, and wait until it is gone.

    Returns:
        How a wait ended, well or badly; ``None`` when nothing had to be waited for.
    """
    if change.is_immutable and change.ref.group_kind == JOB:
        ended = await wait_until_ended(run, change)
        if ended is not None:
            return ended
    run.lock.check()
    left = await run.cluster.delete(
        DeleteRequest(
            ref=change.ref,
            api_version=change.api_version,
            uid=change.live_uid,
            propagation=WAYS.get(change.ref.group_kind, Propagation.FOREGROUND),
        )
    )
    if left is None:
        return None
    waited = await run.observer.wait_until_gone(departing(run, change, left), run.stop)
    return waited if waited.outcome is Outcome.SUCCEEDED else _complained(waited)


def _complained(waited: Waited) -> Waited:
    return replace(waited, message=f"does not go away: {waited.message}")


def departing(run: Run, change: Change, left: LiveObject) -> Subject:
    """Return what the end of an object is waited for with."""
    return Subject(
        ref=change.ref,
        api_version=change.api_version,
        applied_at=run.now(),
        live=left,
        uid=left.uid,
    )


async def wait_until_ended(run: Run, change: Change) -> Waited | None:
    """Wait until a Job does not run any more: deleting it would cut its work off.

    Returns:
        How the wait ended, if badly; ``None`` once the Job has ended, or is not there.
    """
    limit = run.spec.health.timeout
    ending = asyncio.create_task(_until_ended(run, change))
    stopping = asyncio.create_task(run.stop.wait())
    try:
        await asyncio.wait(
            (ending, stopping),
            timeout=limit.total_seconds(),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if ending.done():
            ending.result()
            return None
    finally:
        for task in (ending, stopping):
            task.cancel()
        await asyncio.gather(ending, stopping, return_exceptions=True)
    if run.stop.is_set():
        message = "cancelled while the former Job was still running"
        return Waited(outcome=Outcome.CANCELLED, message=message)
    return Waited(
        outcome=Outcome.TIMED_OUT,
        message=f"the former Job still runs after {limit.total_seconds():g} s",
        hint="raise health.timeout, delete the Job by hand, or give the new one another name",
    )


async def _until_ended(run: Run, change: Change) -> None:
    request = ListRequest(
        api_version=change.api_version,
        kind=change.ref.kind,
        namespace=change.ref.namespace,
        field_selector=f"metadata.name={change.ref.name}",
    )
    is_there = False
    # NB: the iterator's own end closes the watch; a break alone would leave it open.
    events = run.cluster.watch(request)
    async with aclosing(events) as told:  # type: ignore[type-var]  # every watch is a generator
        async for event in told:
            if event.type is EventType.SYNCED and not is_there:
                return
            if event.object is None or event.object.uid != change.live_uid:
                continue
            is_there = True
            if _has_ended(event):
                return


def _has_ended(event: WatchEvent) -> bool:
    live = event.object
    if live is None or event.type is EventType.DELETED or live.is_being_deleted:
        return True
    body = live.body
    if (body.get("spec") or {}).get("suspend"):
        return True
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(one.get("type") in _FINISHED and one.get("status") == "True" for one in conditions)
