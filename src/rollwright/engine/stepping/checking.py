"""Whether a step has succeeded with an object: its checks, at every event that ``observe`` tells.

Before: ``steps`` carried out the step's action on the object.
After: the wait goes on, or ends well, badly, or because time is over.

Success checks hold one after another, failure checks are asked side by side. Nothing polls: the
observer's watches call, and a check that time can change says when it wants to be asked again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from rollwright.engine.waiting.waiter import Look
from rollwright.errors import LockLost, RolloutError
from rollwright.plugins.contracts import Check, CheckRequest, CheckResult, SqlReport, Verdict
from rollwright.rollouts.health import WaitOutcome, WaitVerdict
from rollwright.rollouts.plan import Planned, Step

Build = Callable[[str, str, Mapping[str, Any]], Any]
"""Makes a plugin: its group, its name, its options."""

Report = Callable[[SqlReport], Awaitable[None]]
"""Writes into a database of the site."""

_AT_ONCE = timedelta(milliseconds=50)
"""Least time before a check is asked again because it wants to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCheck:
    """A check and what reports call it."""

    name: str
    check: Check

    @property
    def keeps_time(self) -> bool:
        """Whether it says itself how long it waits, be it for ever."""
        return getattr(self.check, "timeout", None) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChecks:
    """The checks of a step, made.

    Attributes:
        success: In order.
        failure: Side by side.
        limit: How long a wait may last where nothing else bounds it.
        deadline: When the step's own time is over; ``None`` for never.
        time: The step's own time, as it was declared.
        report: Tells of a failure instead of failing; ``None`` where nobody can be told.
    """

    success: tuple[NamedCheck, ...] = ()
    failure: tuple[NamedCheck, ...] = ()
    limit: timedelta = timedelta(minutes=10)
    deadline: datetime | None = None
    time: timedelta | None = None
    report: Report | None = None


def make_checks(
    step: Step,
    build: Build,
    *,
    limit: timedelta,
    deadline: datetime | None,
    report: Report | None = None,
) -> StepChecks:
    """Return the checks that a step names.

    Raises:
        PluginNotFound: Nothing is registered under such a name.
        InvalidSpec: Options do not fit.
    """
    return StepChecks(
        success=tuple(_named(one, build) for one in step.success),
        failure=tuple(_named(one, build) for one in step.failure),
        limit=limit,
        deadline=deadline,
        time=step.timeout,
        report=report,
    )


def _named(planned: Planned, build: Build) -> NamedCheck:
    options = orjson.loads(planned.options) if planned.options else {}
    return NamedCheck(name=planned.name, check=build("checks", planned.name, options))


@dataclass(kw_only=True)
class Examination:
    """One object of a step under its checks.

    Attributes:
        checks: What to ask.
        started_at: When the wait for this object began.
        must_be_there: Whether the step made or found it: its absence is no matter of time then.
        passed: How many success checks held already.
        memories: What each check remembers of this object.
        has_failed: Whether a check said so, and not the clock.
        reported: What was told of a failure instead of failing; empty if nothing was.
    """

    checks: StepChecks
    started_at: datetime
    must_be_there: bool = True
    passed: int = 0
    memories: dict[str, dict[str, Any]] = field(default_factory=dict)
    has_failed: bool = False
    reported: str = ""

    async def look(self, seen: Look) -> WaitVerdict:
        """Return whether the wait goes on."""
        found = await (self._by_success(seen) if self.checks.success else self._by_health(seen))
        if found.outcome is WaitOutcome.PASSED:
            return found
        failure = await self._by_failure(seen)
        if failure.is_over:
            return failure
        if found.is_over:
            return found
        waiting = _sooner(found, failure)
        if seen.live is None and self.must_be_there:
            if _has_vanished(seen):
                return seen.verdict  # no check will hold of what somebody has deleted (HL-04)
            waiting = _sooner(waiting, seen.verdict)
        return self._by_clock(seen, waiting)

    async def _by_success(self, seen: Look) -> WaitVerdict:
        while self.passed < len(self.checks.success):
            one = self.checks.success[self.passed]
            result = await self._ask(one, seen, f"success {self.passed}")
            if result.verdict is Verdict.FAILURE:
                return await self._failed(one, result)
            if result.verdict is not Verdict.SUCCESS:
                return self._undecided(one, result, seen)
            self.passed += 1
        return WaitVerdict(outcome=WaitOutcome.PASSED, reason="Checked", unblocks=True)

    async def _by_health(self, seen: Look) -> WaitVerdict:
        """Wait until Current; the step's own time counts instead of the rollout's."""
        if _has_vanished(seen) and not self.must_be_there:
            return WaitVerdict(outcome=WaitOutcome.WAITING, message="it is not there")
        is_late = seen.verdict.outcome is WaitOutcome.TIMED_OUT
        if is_late and self.checks.deadline is not None and seen.verdict.reason == "TimedOut":
            return WaitVerdict(
                outcome=WaitOutcome.WAITING, message=seen.status.message,
                recheck_at=seen.status.recheck_at,
            )  # fmt: skip
        return seen.verdict

    async def _by_failure(self, seen: Look) -> WaitVerdict:
        waiting = WaitVerdict(outcome=WaitOutcome.WAITING)
        for number, one in enumerate(self.checks.failure):
            result = await self._ask(one, seen, f"failure {number}")
            if result.verdict is Verdict.FAILURE:
                return await self._failed(one, result)
            waiting = _sooner(waiting, self._undecided(one, result, seen))
        return waiting

    async def _ask(self, one: NamedCheck, seen: Look, place: str) -> CheckResult:
        request = CheckRequest(
            object=seen.live,
            status=seen.status,
            now=seen.now,
            started_at=self.started_at,
            pods=seen.pods,
            memory=self.memories.setdefault(place, {}),
        )
        try:
            return await one.check.evaluate(request)
        except RolloutError:
            raise
        except Exception as error:
            # NB: its words may hold anything, values of Secrets too.
            raise RolloutError(f"check {one.name} broke: {type(error).__name__}") from error

    async def _failed(self, one: NamedCheck, result: CheckResult) -> WaitVerdict:
        """Return the end of a wait that failed; a good one if somebody was told instead."""
        message = f"check {one.name}: {result.reason}"
        if result.report is not None:
            how = "timed out" if result.is_timeout else "failed"
            trouble = await self._tell(result.report)
            if not trouble:
                where = f"database {result.report.database!r}"
                self.reported = f"{how} and reported to {where}: {message}"
                return WaitVerdict(
                    outcome=WaitOutcome.PASSED, reason="Reported", message=self.reported,
                    unblocks=True,
                )  # fmt: skip
            message = f"{message}; and it could not be reported: {trouble}"
        self.has_failed = not result.is_timeout
        outcome = WaitOutcome.TIMED_OUT if result.is_timeout else WaitOutcome.FAILED
        reason = "TimedOut" if result.is_timeout else "CheckFailed"
        return WaitVerdict(outcome=outcome, reason=reason, message=message)

    async def _tell(self, report: SqlReport) -> str:
        """Tell of a failure; return why that was not possible, empty if it was."""
        if self.checks.report is None:
            return "the run has no site"
        try:
            await self.checks.report(report)
        except LockLost:
            raise
        except RolloutError as error:
            return error.message
        return ""

    def _undecided(self, one: NamedCheck, result: CheckResult, seen: Look) -> WaitVerdict:
        after = result.recheck_after
        recheck_at = seen.now + max(after, _AT_ONCE) if after is not None else None
        message = f"check {one.name}: {result.reason}"
        return WaitVerdict(outcome=WaitOutcome.WAITING, message=message, recheck_at=recheck_at)

    def _by_clock(self, seen: Look, waiting: WaitVerdict) -> WaitVerdict:
        """End a wait that nothing else ends in time."""
        ends_at = self._ends_at()
        if ends_at is None:
            return waiting
        if seen.now >= ends_at:
            # NB: the object may have begun to be waited for later than its step began.
            took = (self.checks.time or ends_at - self.started_at).total_seconds()
            message = f"not within {took:g} s: {waiting.message or seen.status.message}"
            return WaitVerdict(
                outcome=WaitOutcome.TIMED_OUT, reason="TimedOut", message=message.rstrip(": ")
            )
        return _sooner(waiting, WaitVerdict(outcome=WaitOutcome.WAITING, recheck_at=ends_at))

    def _ends_at(self) -> datetime | None:
        checks = self.checks
        if checks.deadline is not None:
            return checks.deadline
        if not checks.success:
            # Health keeps its own time, but only of what it knows to have been there.
            return None if self.must_be_there else self.started_at + checks.limit
        is_timed = checks.success[min(self.passed, len(checks.success) - 1)].keeps_time
        return None if is_timed else self.started_at + checks.limit


def _has_vanished(seen: Look) -> bool:
    return seen.live is None and seen.verdict.outcome is WaitOutcome.FAILED


def _sooner(first: WaitVerdict, second: WaitVerdict) -> WaitVerdict:
    """Return the first verdict, to be looked at again when either of the two wants to be."""
    times = [one.recheck_at for one in (first, second) if one.recheck_at is not None]
    return WaitVerdict(
        outcome=first.outcome,
        reason=first.reason,
        message=first.message,
        recheck_at=min(times, default=None),
        unblocks=first.unblocks,
    )
