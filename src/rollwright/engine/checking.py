"""Whether a step has succeeded with an object: its checks, at every event that ``observe`` tells.

Before: ``steps`` carried out the step's action on the object.
After: the wait goes on, or ends well, badly, or because time is over.

Success checks hold one after another, failure checks are asked side by side. Nothing polls: the
observer's watches call, and a check that time can change says when it wants to be asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from rollwright.engine.waiter import Look
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Check, CheckRequest, CheckResult, Verdict
from rollwright.rollouts.health import WaitOutcome, WaitVerdict
from rollwright.rollouts.plan import Planned, Step

Build = Callable[[str, str, Mapping[str, Any]], Any]
"""Makes a plugin: its group, its name, its options."""

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
    """

    success: tuple[NamedCheck, ...] = ()
    failure: tuple[NamedCheck, ...] = ()
    limit: timedelta = timedelta(minutes=10)
    deadline: datetime | None = None


def make_checks(
    step: Step, build: Build, *, limit: timedelta, deadline: datetime | None
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
        passed: How many success checks held already.
        memories: What each check remembers of this object.
        has_failed: Whether a check said so, and not the clock.
    """

    checks: StepChecks
    started_at: datetime
    passed: int = 0
    memories: dict[str, dict[str, Any]] = field(default_factory=dict)
    has_failed: bool = False

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
        return self._by_clock(seen, _sooner(found, failure))

    async def _by_success(self, seen: Look) -> WaitVerdict:
        while self.passed < len(self.checks.success):
            one = self.checks.success[self.passed]
            result = await self._ask(one, seen, f"success {self.passed}")
            if result.verdict is not Verdict.SUCCESS:
                return self._verdict(one, result, seen)
            self.passed += 1
        return WaitVerdict(outcome=WaitOutcome.PASSED, reason="Checked", unblocks=True)

    async def _by_health(self, seen: Look) -> WaitVerdict:
        """Wait until Current; the step's own time counts instead of the rollout's."""
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
                return self._verdict(one, result, seen)
            waiting = _sooner(waiting, self._verdict(one, result, seen))
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

    def _verdict(self, one: NamedCheck, result: CheckResult, seen: Look) -> WaitVerdict:
        if result.verdict is Verdict.FAILURE:
            self.has_failed = not result.is_timeout
            outcome = WaitOutcome.TIMED_OUT if result.is_timeout else WaitOutcome.FAILED
            reason = "TimedOut" if result.is_timeout else "CheckFailed"
            message = f"check {one.name}: {result.reason}"
            return WaitVerdict(outcome=outcome, reason=reason, message=message)
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
            took = (ends_at - self.started_at).total_seconds()
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
            return None  # health keeps its own time
        is_timed = checks.success[min(self.passed, len(checks.success) - 1)].keeps_time
        return None if is_timed else self.started_at + checks.limit


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
