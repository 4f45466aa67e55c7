"""Waiting until a Job or a Pod has ended, or until an object is gone: by watch, never by polling.

Before: ``job`` created it, or found what a killed run had created.
After: ``job`` has an outcome with a sentence, and the pods whose logs matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rollwright.errors import RolloutError
from rollwright.plugins.contracts import ActionRequest, EventType, ListRequest, WatchEvent
from rollwright.rollouts.health import (
    HealthContext,
    HealthOptions,
    SuspendedPolicy,
    WaitOutcome,
    compute,
    judge_wait,
)
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, ObjectRef
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.spec.durations import format_duration
from rollwright.rollouts.status import ObjectStatus, Status

_LOOK_SECONDS = 1.0
"""How often a wait asks whether the run is to stop; that asks nobody else."""

_FOREVER = timedelta(days=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a wait ended; ``pods`` are those that the object had."""

    outcome: Outcome
    message: str
    status: ObjectStatus | None = None
    pods: tuple[Body, ...] = ()
    hint: str = ""


@dataclass(kw_only=True)
class _Seen:
    """What the watches told."""

    uid: str
    live: LiveObject
    is_there: bool = False
    is_gone: bool = False
    error: BaseException | None = None
    pods: dict[str, LiveObject] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: WatchEvent) -> None:
        one = event.object
        if one is None:
            self.is_gone |= not self.is_there
        elif one.uid != self.uid:
            # Somebody deleted ours and made another one of that name.
            self.is_gone |= event.type is not EventType.DELETED
        else:
            self.is_there, self.live = True, one
            self.is_gone |= event.type is EventType.DELETED

    def take_pod(self, event: WatchEvent) -> None:
        one = event.object
        if one is not None and event.type is not EventType.DELETED and _is_below(one, self.uid):
            self.pods[one.uid] = one


def _is_below(pod: LiveObject, uid: str) -> bool:
    return any(owner.get("uid") == uid for owner in pod.metadata.get("ownerReferences") or ())


def has_ended(body: Body) -> bool:
    """Whether a Job or Pod has come to its end, good or bad."""
    status = body.get("status") or {}
    if body.get("kind") == "Pod":
        return status.get("phase") in {"Succeeded", "Failed"}
    return any(
        one.get("type") in {"Complete", "Failed"} and one.get("status") == "True"
        for one in status.get("conditions") or ()
    )


async def wait_until_ended(
    request: ActionRequest, ref: ObjectRef, live: LiveObject, limit: timedelta
) -> Ended:
    """Wait for the end of a Job or Pod.

    Args:
        request: Whose step it is.
        ref: What the verdict is about: the rendered object.
        live: The object of this run.
        limit: How long to wait.

    Raises:
        RolloutError: The cluster refuses to say, or does not answer.
    """
    begun_at = datetime.now(UTC)
    seen = _Seen(uid=live.uid, live=live)
    async with _watching(request, seen):
        while True:
            seen.changed.clear()
            now = datetime.now(UTC)
            if has_ended(seen.live.body):
                return await _ended(request, ref, seen)
            found = _judge(request, ref, seen, begun_at)
            if found is not None:
                return found
            left = (begun_at + limit - now).total_seconds()
            if left <= 0:
                return _too_late(ref, seen, request, limit)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _LOOK_SECONDS)):
                    await seen.changed.wait()


def _judge(request: ActionRequest, ref: ObjectRef, seen: _Seen, begun_at: datetime) -> Ended | None:
    """Return why a wait for something that runs is over; ``None`` while it goes on."""
    if seen.error is not None:
        raise seen.error
    name = f"{seen.live.ref.kind} {seen.live.ref.name}"
    if seen.is_gone or seen.live.is_being_deleted:
        message = f"{name} was deleted before it had ended"
        return Ended(
            outcome=Outcome.FAILED, message=message, pods=_pods(seen),
            hint="find out who deleted it, then run the rollout again",
        )  # fmt: skip
    if request.must_stop():
        message = f"the run was cancelled; {name} goes on in the cluster"
        return Ended(outcome=Outcome.CANCELLED, message=message, pods=_pods(seen))
    context, now = _context(request, seen, begun_at), datetime.now(UTC)
    status = compute(seen.live.body, context, now, ref=ref)
    verdict = judge_wait(status, seen.live.body, context, now=now, progressed_at=now)
    if verdict.outcome is not WaitOutcome.FAILED:
        return None
    message = verdict.message or status.message
    return Ended(outcome=Outcome.FAILED, message=message, status=status, pods=_pods(seen))


def _pods(seen: _Seen) -> tuple[Body, ...]:
    if seen.live.ref.kind == "Pod":
        return (seen.live.body,)
    return tuple(one.body for one in seen.pods.values())


def _context(request: ActionRequest, seen: _Seen, begun_at: datetime) -> HealthContext:
    options = HealthOptions(
        timeout=_FOREVER, progress_timeout=_FOREVER, suspended=SuspendedPolicy.WAIT
    )
    return HealthContext(
        applied_at=begun_at, options=options, pods=_pods(seen), secret_values=request.hidden
    )


async def _ended(request: ActionRequest, ref: ObjectRef, seen: _Seen) -> Ended:
    """Return the verdict on an object that ended, with all of its pods."""
    await _read_pods(request, seen)
    body = dict(seen.live.body)
    # It ended before somebody deleted it.
    metadata = {k: v for k, v in body["metadata"].items() if not k.startswith("deletion")}
    now = datetime.now(UTC)
    context = _context(request, seen, now)
    status = compute({**body, "metadata": metadata}, context, now, ref=ref)
    is_good = status.status is Status.CURRENT
    return Ended(
        outcome=Outcome.SUCCEEDED if is_good else Outcome.FAILED,
        message=status.message, status=status, pods=_pods(seen),
    )  # fmt: skip


def _too_late(ref: ObjectRef, seen: _Seen, request: ActionRequest, limit: timedelta) -> Ended:
    now = datetime.now(UTC)
    status = compute(seen.live.body, _context(request, seen, now - limit), now, ref=ref)
    message = f"not done within {format_duration(limit)}: {status.message}"
    return Ended(
        outcome=Outcome.TIMED_OUT, message=message, status=status, pods=_pods(seen),
        hint="it goes on in the cluster; raise the timeout of the action if it needs longer",
    )  # fmt: skip


def pod_requests(live: LiveObject) -> ListRequest:
    """Return the LIST of the pods that a Job may have made."""
    return ListRequest(
        api_version="v1", kind="Pod", namespace=live.ref.namespace,
        label_selector=f"job-name={live.ref.name}",
    )  # fmt: skip


async def _read_pods(request: ActionRequest, seen: _Seen) -> None:
    """Look once more: the watch of the pods may be behind, or forbidden."""
    if seen.live.ref.kind == "Pod":
        return
    with suppress(RolloutError):
        for one in await request.cluster.list(pod_requests(seen.live)):
            if _is_below(one, seen.uid):
                seen.pods[one.uid] = one


def _only(live: LiveObject) -> ListRequest:
    return ListRequest(
        api_version=live.api_version, kind=live.ref.kind, namespace=live.ref.namespace,
        field_selector=f"metadata.name={live.ref.name}",
    )  # fmt: skip


@asynccontextmanager
async def _watching(
    request: ActionRequest, seen: _Seen, *, with_pods: bool = True
) -> AsyncIterator[None]:
    """Follow the object and its pods while inside; nothing is left behind."""
    watches = [_follow(request, _only(seen.live), seen, seen.take)]
    if seen.live.ref.kind == "Job" and with_pods:
        watches.append(_follow(request, pod_requests(seen.live), seen, seen.take_pod))
    tasks = [asyncio.ensure_future(watch) for watch in watches]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(
    request: ActionRequest, wanted: ListRequest, seen: _Seen, take: Callable[[WatchEvent], None]
) -> None:
    try:
        events = request.cluster.watch(wanted)
        async with aclosing(events) as told:  # type: ignore[type-var]  # every watch is a generator
            async for event in told:
                take(event)
                seen.changed.set()
    except RolloutError as error:
        # Without its pods a Job is understood less well, and still waited for.
        if wanted.kind == seen.live.ref.kind:
            seen.error = error
            seen.changed.set()


async def wait_until_gone(request: ActionRequest, live: LiveObject, limit: timedelta) -> bool:
    """Wait until an object that is being deleted is no more; false if that takes too long, or the run stops.

    Raises:
        RolloutError: The cluster refuses to say, or does not answer.
    """
    seen = _Seen(uid=live.uid, live=live)
    with suppress(TimeoutError):
        async with (
            asyncio.timeout(limit.total_seconds()),
            _watching(request, seen, with_pods=False),
        ):
            while not seen.is_gone and not request.must_stop():
                seen.changed.clear()
                if seen.error is not None:
                    raise seen.error
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await seen.changed.wait()
    return seen.is_gone
