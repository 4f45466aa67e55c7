"""Going back to a former revision: after a failed run, after a killed one, or because asked.

Before: a run failed under its lock, or the state tells of one that was killed.
After: the last success is live again, and held until the source changes (RB-02 to RB-08).

A rollback is a plan like any other: live objects are read again, the server is asked for a
forecast, guards are evaluated. By itself it is carried out only if it breaches none (RB-04).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rollwright.engine.approval.permitting import refuse_breached
from rollwright.engine.carrying import carry_out_locked, nothing_begun
from rollwright.engine.progress import Note
from rollwright.engine.removal.leaving import show_blast
from rollwright.engine.returning.left_behind import left_behind
from rollwright.engine.returning.revisions import RecordedRevision, load_record
from rollwright.engine.site import Site
from rollwright.engine.stages import Stages, foretell
from rollwright.engine.writing.applyset import check_parent
from rollwright.errors import LockLost, Refused, RolloutError, excerpt
from rollwright.plugins.contracts import Lock
from rollwright.rollouts.candidates import candidates
from rollwright.rollouts.concluding import conclude
from rollwright.rollouts.hooks.steps import read_hooks
from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.plan import Plan, Rollback
from rollwright.rollouts.report import Outcome, Report
from rollwright.rollouts.revisions.history import find_revision
from rollwright.rollouts.revisions.rollback import (
    course_back,
    make_rollback,
    must_go_back_first,
    revision_to_return_to,
    set_to_bring_back,
    spec_to_go_back,
)
from rollwright.rollouts.spec import OnFailure, RolloutSpec
from rollwright.rollouts.state import Journal, Revision, RolloutState
from rollwright.rollouts.steps.stepping import left_to_steps
from rollwright.rollouts.trigger import Trigger

KIND = "rollback"
_MAY_GO_BACK = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})


@dataclass(frozen=True, kw_only=True)
class WayBack:
    """A plan that goes back, and the spec it is carried out by."""

    spec: RolloutSpec
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class _Left:
    """What is gone back from: why, digest and source of its set, and its hooks if known."""

    reason: str
    bad: tuple[str, str]
    hooks: Sequence[Manifest] | None = None


async def plan_back(
    site: Site,
    spec: RolloutSpec,
    state: RolloutState,
    back: Rollback,
    stages: Stages,
    *,
    hooks_left: Sequence[Manifest] | None = None,
) -> Plan:
    """Return the plan that brings a revision back; changes nothing.

    Args:
        site: The installation.
        spec: What ``spec_to_go_back`` gave.
        state: What is remembered.
        back: Which revision, and why.
        stages: The stages of the run.
        hooks_left: Hooks of the set that is left; by default those that the state knows of.
    """
    with nothing_begun():
        record = await load_record(site, spec, state, back.revision)
        live = await stages.read_live(site, spec, record.wanted, state)
        left = await left_behind(site, spec, state, record.wanted, live)
        if left.undo or any(one.is_from_left for one in read_hooks(left.hooks)):
            back = replace(back, left_snapshot=left.snapshot)
        rest = set_to_bring_back(record.wanted, live, state, back.revision)
        course, why = course_back(spec, record.wanted, rest)
        if why:
            site.tell(Note(why))
        others = left_to_steps(course, rest, live)
        asked = candidates(rest, live, state, spec.apply, others)
        forecast = await stages.forecast(site, spec, asked)
        course = await foretell(site, spec, stages, course, live)
    hooks = left.hooks if hooks_left is None else hooks_left
    plan = make_rollback(
        spec, record.wanted, live, forecast, state, back, course=course, left=hooks, undo=left.undo
    )
    with nothing_begun():
        plan = await show_blast(site, spec, plan, live)
        await check_parent(site, spec, plan)
    await stages.show(site, plan)
    return plan


def rollback_to(record: RecordedRevision, *, reason: str, bad: tuple[str, str]) -> Rollback:
    """Return what a plan says of a rollback; ``bad`` is digest and source of what is left."""
    revision, (digest, source) = record.revision, bad
    is_same = digest == revision.digest
    return Rollback(
        revision=revision.number,
        snapshot=revision.snapshot,
        reason=reason,
        bad_digest="" if is_same else digest,
        bad_source="" if is_same else source,
    )


def follows(spec: RolloutSpec, report: Report) -> bool:
    """Whether a run that ended is to be rolled back: it failed, and was no rollback (RB-08)."""
    is_asked = spec.on_failure is OnFailure.ROLLBACK and report.plan.rollback is None
    return is_asked and bool(report.run_id) and report.outcome in _MAY_GO_BACK


async def after_failure(
    spec: RolloutSpec, report: Report, trigger: Trigger, site: Site, stages: Stages, lock: Lock
) -> Report:
    """Roll a failed run back under its lock; return its report with what came of that.

    Raises:
        LockLost: Our lease may be gone; the next run brings the rollback to its end.
    """
    if site.stop.is_set():
        return _with_words(report, "not rolled back: the run was stopped")
    try:
        state = await stages.load_state(site, spec)
        way, why_not = await _way_back(spec, report, state, site, stages)
        if way is None:
            site.tell(Note(why_not))
            return _with_words(report, why_not)
        done = await carry_out_locked(way.spec, way.plan, _trigger(trigger), site, stages, lock)
    except LockLost:
        raise
    except RolloutError as error:
        return _with_words(report, f"not rolled back: {error.message}")
    return _with_rollback(report, done, report.message)


async def _way_back(
    spec: RolloutSpec, report: Report, state: RolloutState | None, site: Site, stages: Stages
) -> tuple[WayBack | None, str]:
    """Return the way back from a failed run, or why there is none."""
    if state is None:
        return None, "not rolled back: nothing is remembered"
    bad = report.plan.wanted_digest, report.plan.source
    target, why_not = revision_to_return_to(state, bad[0])
    if target is None:
        return None, f"not rolled back: {why_not}"
    site.tell(Note(f"{report.message}; going back to revision {target.number}"))
    reason = f"revision {report.revision} {report.outcome}: {excerpt(report.message)}"
    left = _Left(reason=reason, bad=bad, hooks=report.plan.hooks)
    way = await _plan_to(target, left, spec, state, site, stages)
    if way.plan.breached:
        words = "; ".join(guard.message for guard in way.plan.breached)
        return None, f"not rolled back to revision {target.number}: {words}"
    return way, ""


async def _plan_to(
    target: Revision,
    left: _Left,
    spec: RolloutSpec,
    state: RolloutState,
    site: Site,
    stages: Stages,
) -> WayBack:
    record = await load_record(site, spec, state, target.number)
    own = spec_to_go_back(record.spec, spec)
    back = rollback_to(record, reason=left.reason, bad=left.bad)
    plan = await plan_back(site, own, state, back, stages, hooks_left=left.hooks)
    return WayBack(spec=own, plan=plan)


# ------------------------------------------------------------------ a run that was killed


def interrupted(spec: RolloutSpec, state: RolloutState | None, plan: Plan) -> Revision | None:
    """Return the revision to go back to before anything else, because a run was killed (ST-14)."""
    if state is None or state.journal is None or not must_go_back_first(spec, state, plan):
        return None
    if number := state.journal.rolled_back_to:
        return find_revision(state, number)
    return revision_to_return_to(state, state.journal.digest)[0]


async def after_interruption(
    spec: RolloutSpec, plan: Plan, journal: Journal, trigger: Trigger, site: Site, stages: Stages
) -> Report:
    """Bring the last good revision back after a run was killed, and hold what it was about.

    Args:
        spec: What is declared.
        plan: What would have been carried out now.
        journal: Of the run that was killed, as it was seen without the lock.
        trigger: What set this run off.
        site: The installation.
        stages: The stages of the run.

    Raises:
        Refused: The killed run was at work after all, or a guard is breached.
    """
    async with site.lock(spec, trigger) as lock:
        state = await stages.load_state(site, spec)
        found = state.journal if state else None
        target = interrupted(spec, state, plan)
        if state is None or target is None or found is None or found.run_id != journal.run_id:
            raise Refused(
                f"{spec.name}: another run changed the state since the plan was made",
                hint="make a new plan",
            )
        what = f"run {journal.run_id} of {journal.owner} was interrupted"
        site.tell(Note(f"{what}; going back to revision {target.number}"))
        left = _Left(reason=what, bad=_left_by(state, journal))
        way = await _plan_to(target, left, spec, state, site, stages)
        refuse_breached(way.plan.breached)
        done = await carry_out_locked(way.spec, way.plan, _trigger(trigger), site, stages, lock)
    report = replace(conclude(plan, trigger, ()), outcome=Outcome.FAILED, calls=done.calls)
    return _with_rollback(report, done, what)


def _left_by(state: RolloutState, journal: Journal) -> tuple[str, str]:
    """Return digest and source of the set that a killed run was bringing about, or leaving."""
    if journal.rolled_back_to and state.hold is not None:
        return state.hold.bad_digest, state.hold.source
    return journal.digest, journal.source


# ------------------------------------------------------------------ what is said of it


def _trigger(trigger: Trigger) -> Trigger:
    now = datetime.now(UTC)
    return replace(
        trigger, id=f"{trigger.id}-{KIND}", kind=KIND, revision="", received_at=now, begun_at=now
    )


def _with_words(report: Report, words: str) -> Report:
    return replace(report, message=f"{report.message}; {words}")


def _with_rollback(report: Report, done: Report, before: str) -> Report:
    back = done.plan.rollback
    number = back.revision if back else 0
    if done.outcome is Outcome.SUCCEEDED:
        words = f"rolled back to revision {number}, which is held until the source changes"
    else:
        words = f"rolling back to revision {number} {done.outcome}: {done.message}"
    hint = f"change the source, or say `rollwright release {report.rollout}` to try it again"
    return replace(
        report,
        message=f"{before}; {words}",
        hint=report.hint or hint,
        ended_at=done.ended_at,
        calls=done.calls,
        rollback=replace(done, calls={}),
    )
