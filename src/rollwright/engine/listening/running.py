"""One run that a trigger asked for, in this process.

Before: it is its turn. After: the queue knows whether it went well, and whether to try again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from rollwright.engine import operations
from rollwright.engine.custody.desired import in_order
from rollwright.engine.documents import LoadedRollout, load_rollout
from rollwright.engine.inputs.renders import HARD_REFRESH
from rollwright.engine.listening.behind import Behind
from rollwright.engine.listening.pending import Pending
from rollwright.engine.progress import Listener, ignore
from rollwright.engine.removal import removing
from rollwright.engine.run import Run
from rollwright.engine.site import Site
from rollwright.engine.stages import DIRECT, Stages
from rollwright.engine.telling.telling import subject_of
from rollwright.engine.walk import walk
from rollwright.errors import (
    ApprovalNeeded,
    Held,
    LockHeld,
    LockLost,
    NotFound,
    Refused,
    RolloutError,
    StateConflict,
)
from rollwright.rollouts.report import Outcome, Report
from rollwright.rollouts.spec import DeletionRule, RolloutSpec
from rollwright.rollouts.trigger import Trigger

LOOK_SECONDS = 0.5
"""How often it is seen whether a run only waits."""

APPROVAL_SECONDS = 30.0
"""When a run that needs an approval asks again (RT-10)."""

BUSY_SECONDS = 5.0
"""When a run that others kept from its work asks again; that is no failure of it."""

MANUAL = "manual"
BY_PERSON = frozenset({MANUAL, HARD_REFRESH})
"""Kinds of firings by a person; their runs are not tried again by themselves (RT-06)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended, for the queue and for those who look.

    Attributes:
        outcome: In a word, such as ``succeeded``, ``superseded``, ``failed`` or ``refused``.
        message: In a sentence.
        is_good: Whether all is as it was asked for.
        again: Whether it is to be tried again.
        after: Seconds until then; ``None`` leaves it to the queue.
        is_settled: Whether what was asked for needs no run any more.
        report: The record of the run, if there was one.
        exit_code: What a command that made this run alone would end with.
        cause: Kind of the error that it broke off with, such as ``LockLost``; empty without one.
        is_held: Whether somebody wants nothing to run now, and lets go of it later.
        is_told: Whether whoever made the run told the object that set it off, too.
    """

    outcome: str
    message: str
    is_good: bool = False
    again: bool = True
    after: float | None = None
    is_settled: bool = True
    report: Report | None = None
    exit_code: int = 1
    cause: str = ""
    is_held: bool = False
    is_told: bool = False


Idle = Callable[[bool], None]
"""Told true when a run begins to wait for others, false when it works again."""


class Runner(Protocol):
    """Makes a run of what is pending."""

    async def run(self, pending: Pending, *, at: str, idle: Idle, tell: Listener = ignore) -> Ended:
        """Run it.

        Args:
            pending: What is asked for.
            at: Where what the trigger brought stands among the values, dotted.
            idle: Told whenever the run begins or ceases to only wait.
            tell: Called with what happens meanwhile.
        """
        ...


@dataclass(frozen=True, slots=True)
class LocalRunner:
    """Runs in this process, with the connections of one site.

    Attributes:
        site: Whose connections are shared; its ``stop`` ends every run after the write in flight.
        rollouts: Where each declared rollout is written.
    """

    site: Site
    rollouts: Mapping[str, LoadedRollout]

    async def run(self, pending: Pending, *, at: str, idle: Idle, tell: Listener = ignore) -> Ended:
        """Run it; whatever goes wrong is a value."""
        try:
            return await self._run(pending, at, idle, tell)
        except RolloutError as error:
            return of_error(error)
        except Exception as error:  # noqa: BLE001  (one run's defect does not end the others)
            # The words of a defect may hold anything.
            return Ended(outcome="failed", message=f"unexpected {type(error).__name__}")

    async def _run(self, pending: Pending, at: str, idle: Idle, tell: Listener) -> Ended:
        declared = self.rollouts.get(pending.rollout)
        if declared is None:
            return _gone(pending)
        loaded = await asyncio.to_thread(load_rollout, declared.path)
        if loaded.spec.name != pending.rollout:
            return _gone(pending)
        loaded = as_instance(loaded, pending.instance)
        guest = self.site.beside(loaded, tell=tell)
        guest.stop = self.site.stop
        if pending.firing.is_gone:
            guest.trigger = trigger_of(pending, at)
            return await remove_gone(guest, loaded.spec)
        behind = Behind(
            site=guest, spec=loaded.spec, pending=pending, idle=idle, by_person=BY_PERSON
        )
        if words := await behind.wait():
            return of_cancelled(words) if guest.stop.is_set() else of_overtaken(pending, words)
        trigger = await in_order(guest, loaded.spec, trigger_of(pending, at))
        async with _watched(idle) as stages:
            return of_report(await walk(loaded.spec, trigger, guest, stages))


def _gone(pending: Pending) -> Ended:
    message = f"rollout {pending.rollout!r} is not declared any more"
    return Ended(outcome="gone", message=message, again=False)


def of_cancelled(words: str) -> Ended:
    """Return what the queue makes of a run that was not begun; the next process makes it."""
    return Ended(outcome="cancelled", message=words, again=False, is_settled=False)


def of_overtaken(pending: Pending, words: str) -> Ended:
    """Return what the queue makes of something that needs no run any more."""
    return Ended(
        outcome="superseded",
        message=f"{pending.instance}: {words}",
        is_good=True,
        is_settled=False,  # by whoever overtook it
        exit_code=0,
    )


def as_instance(loaded: LoadedRollout, instance: str) -> LoadedRollout:
    """Return a declared rollout under the name of one of its instances."""
    if loaded.spec.name == instance:
        return loaded
    return replace(loaded, spec=loaded.spec.model_copy(update={"name": instance}))


def trigger_of(pending: Pending, at: str = "") -> Trigger:
    """Return what the run is told of its cause.

    The revision of a delivery is only a hint (TR-01): a run of it takes what the source has.
    """
    firing = pending.firing
    config: Mapping[str, Any] = firing.config
    for part in reversed(at.split(".") if at else ()):
        config = {part: config}
    return Trigger(
        id=pending.id,
        kind=pending.kind,
        rollout=pending.instance,
        actor=firing.actor or f"trigger {pending.trigger}",
        received_at=pending.at,
        begun_at=datetime.now(UTC),
        config=config,
        data=firing.data,
        subject=subject_of(firing.subject),
    )


async def remove_gone(site: Site, spec: RolloutSpec) -> Ended:
    """Remove an instance whose resource is gone, as its document says.

    Nobody confirms it, so kinds that the document protects stay, and stay remembered.
    """
    cluster, rule = spec.target.cluster, spec.deletion.policy
    named = operations.named_spec(spec.name, cluster)
    named = named.model_copy(update={"prune": spec.prune})
    try:
        state = await operations.remembered(site, named)
    except NotFound:
        return _well(f"{spec.name}: nothing is remembered of it, so nothing is removed")
    if rule is not DeletionRule.DELETE:
        leave = removing.orphan if rule is DeletionRule.ORPHAN else removing.keep
        trigger = operations.manual_trigger(spec.name, kind="delete")
        return _well((await leave(site, named, trigger)).message)
    removal = await removing.plan_removal(site, named, state)
    asked_at = site.trigger.received_at if site.trigger else None
    return of_report(await operations.delete(site, removal, cluster=cluster, asked_at=asked_at))


def _well(message: str) -> Ended:
    return Ended(outcome="succeeded", message=message, is_good=True, exit_code=0)


def of_nothing(pending: Pending) -> Ended:
    """Return what the queue makes of a firing whose object is gone when its turn comes."""
    if pending.kind not in BY_PERSON:
        return _well(f"{pending.instance}: what it is about is gone, or about to go")
    words = f"trigger {pending.trigger!r} finds nothing of key {pending.firing.key!r}"
    return Ended(outcome="gone", message=f"{pending.instance}: {words}", again=False)


def of_report(report: Report) -> Ended:
    """Return what the queue makes of a run that has a report."""
    outcome, good = report.outcome, {Outcome.SUCCEEDED, Outcome.SUPERSEDED}
    is_good = outcome in good
    return Ended(
        outcome=outcome.value,
        message=report.message,
        is_good=is_good,
        again=not is_good and outcome is not Outcome.CANCELLED,
        # A run that was cancelled with this process is made by the next one.
        is_settled=outcome is not Outcome.CANCELLED,
        report=report,
        exit_code=0 if is_good else 1,
    )


def of_error(error: RolloutError) -> Ended:
    """Return what the queue makes of a run that was refused or broke off."""
    if isinstance(error, ApprovalNeeded):
        return Ended(
            outcome="waiting",
            message=error.message,
            after=APPROVAL_SECONDS,
            is_settled=False,
            exit_code=error.exit_code,
            cause=type(error).__name__,
        )
    is_busy = isinstance(error, LockHeld | LockLost | StateConflict)
    is_refused = isinstance(error, Refused)
    return Ended(
        outcome="refused" if is_refused else "failed",
        message=str(error),
        again=is_busy or not isinstance(error, Refused) or error.wants_plan,
        after=BUSY_SECONDS if is_busy else None,
        exit_code=error.exit_code,
        cause=type(error).__name__,
        is_held=isinstance(error, Held),
    )


@asynccontextmanager
async def _watched(idle: Idle) -> AsyncIterator[Stages]:
    """Give stages whose run is watched: whether it works, or only waits."""
    began: asyncio.Future[Run] = asyncio.get_running_loop().create_future()

    async def begin(*args: Any) -> Run:
        run = await DIRECT.begin(*args)
        if not began.done():
            began.set_result(run)
        return run

    async def watch() -> None:
        run, is_idle = await began, False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if run.is_waiting != is_idle:
                is_idle = not is_idle
                idle(is_idle)

    task = asyncio.create_task(watch())
    try:
        yield replace(DIRECT, begin=begin)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
