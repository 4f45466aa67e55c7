"""What is told about one run, while it is at work and at its end; it neither delays nor fails it.

Before: ``walk`` begins a run. After: those who are to know do, or a letter lies beside the
rollout's state that somebody can send again.

Events are put into words as they happen; whether anybody was told already is decided beside the
run, and what is told is carried in the background. Only the end of the process waits for it, and
not for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rollwright.engine.progress import (
    Listener,
    Note,
    Planned,
    Progress,
    StageBegan,
    StepEnded,
)
from rollwright.engine.telling.desk import Desk, Said
from rollwright.engine.telling.subscribers import is_anybody_told, subscribers
from rollwright.errors import ApprovalNeeded, RolloutError
from rollwright.plugins.contracts import Lock, Subject
from rollwright.rollouts.describe.feedback import (
    About,
    of_error,
    of_group,
    of_plan,
    of_report,
    of_revisions,
    of_step,
    with_form,
)
from rollwright.rollouts.feedback import Event, Feedback
from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.reasons import is_quiet, reason_of_error
from rollwright.rollouts.report import Outcome, Report, StepResult
from rollwright.rollouts.state import Revision, RolloutState
from rollwright.rollouts.telling import Told, untold
from rollwright.rollouts.trigger import Trigger

if TYPE_CHECKING:
    from rollwright.engine.run import Run
    from rollwright.engine.site import Site
    from rollwright.engine.stages import Stages
    from rollwright.rollouts.spec import RolloutSpec

_STOPS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)


@asynccontextmanager
async def telling(
    site: Site, spec: RolloutSpec, trigger: Trigger, stages: Stages, plan: Plan | None = None
) -> AsyncIterator[Stages]:
    """Tell of a run whatever becomes of it; give the stages that it is to be made with.

    Args:
        site: The installation.
        spec: What was declared.
        trigger: What set the run off.
        stages: As they are.
        plan: What is carried out, if it is made already.
    """
    if site.telling is not None or not is_anybody_told(site, spec):
        yield stages
        return
    told = Telling(site, spec, trigger, plan)
    before, site.telling = site.tell, told
    site.tell = _both(told.hear, before)
    try:
        yield told.wrapped(stages)
    except RolloutError as error:
        with suppress(Exception):  # a defect in telling fails no run
            told.broken(error)
        raise
    finally:
        told.leave()
        site.tell, site.telling = before, None


async def tell_report(site: Site, report: Report) -> Report:
    """Tell of the end of a run; return its report."""
    if site.telling is not None:
        site.telling.conclude(report)
        return report
    spec = _spec_of(site, report)
    if not is_anybody_told(site, spec):
        return report
    told = Telling(site, spec, report.trigger, report.plan)
    told.conclude(report)
    told.leave()
    return report


def _spec_of(site: Site, report: Report) -> RolloutSpec:
    from rollwright.engine.operations import named_spec  # noqa: PLC0415  (as above)
    from rollwright.engine.removal.moves import declared_spec  # noqa: PLC0415  (it needs the stages)

    if site.rollout is not None and site.rollout.spec.name == report.rollout:
        return site.rollout.spec
    cluster = report.plan.cluster if report.plan.cluster in site.loaded.file.clusters else ""
    spec = named_spec(report.rollout, cluster)
    declared = declared_spec(site, report.rollout)
    return spec if declared is None else declared


def _both(hear: Listener, before: Listener) -> Listener:
    def tell(progress: Progress) -> None:
        try:
            before(progress)
        finally:
            hear(progress)

    return tell


class Telling:
    """What is told about one run."""

    def __init__(
        self, site: Site, spec: RolloutSpec, trigger: Trigger, plan: Plan | None = None
    ) -> None:
        self._site, self._spec = site, spec
        url = spec.source.options.get("url")
        self.about = About(
            rollout=spec.name,
            cluster=plan.cluster if plan else spec.target.cluster,
            revision=plan.source if plan else trigger.revision,
            repository=url if isinstance(url, str) else "",
            plan_id=plan.id if plan else "",
            url=trigger.url,
            actor=trigger.actor,
            trigger=trigger.kind,
            labels=dict(spec.labels),
            subject=_subject_here(trigger, spec),
            link=site.loaded.file.site.link or "",
        )
        self.subscribers, faults = subscribers(site, spec)
        for fault in faults:
            site.tell(Note(fault))
        self._plan = plan
        self._stage = ""
        self._has_ended = False
        self._has_said = False
        self._revisions: Sequence[Revision] = ()
        self._waited = ""
        self._steps: dict[str, Step] = {step.name: step for step in plan.steps} if plan else {}
        self._left: dict[str, set[str]] = {}
        self._results: dict[str, list[StepResult]] = {}
        self._desk = Desk(site, spec, self.subscribers)
        self._count_groups()

    # -------------------------------------------------------------- while it is at work

    def wrapped(self, stages: Stages) -> Stages:
        """Return the stages such that what was found, and a plan that waits, are heard of."""

        async def fetch(site: Site, spec: RolloutSpec, trigger: Trigger) -> Any:
            checkout = await stages.fetch(site, spec, trigger)
            self.about = replace(self.about, revision=checkout.revision)
            return checkout

        async def load_state(site: Site, spec: RolloutSpec) -> RolloutState | None:
            state = await stages.load_state(site, spec)
            self._remembered(state)
            return state

        async def begin(
            site: Site, spec: RolloutSpec, plan: Plan, trigger: Trigger, lock: Lock
        ) -> Run:
            run = await stages.begin(site, spec, plan, trigger, lock)
            self._remembered(run.state)  # of a plan that was made before
            return run

        async def approve(site: Site, spec: RolloutSpec, plan: Plan) -> None:
            try:
                await stages.approve(site, spec, plan)
            except (*_STOPS, RolloutError):
                raise
            except BaseException:
                # A flow run that is suspended until somebody answers.
                self._waits(plan, "")
                raise

        return replace(stages, fetch=fetch, load_state=load_state, begin=begin, approve=approve)

    def _remembered(self, state: RolloutState | None) -> None:
        """Keep how earlier runs ended: whoever made them may have ended before it was told."""
        if not self._revisions and state is not None:
            self._revisions = state.revisions

    def _say(self, said: Said) -> None:
        """Say something; before the first, what nobody said of earlier runs."""
        earlier, self._revisions = self._revisions, ()
        if earlier and not self._has_said:
            self._desk.say(self._late(earlier))
        self._has_said = True
        self._desk.say(said)

    def _late(self, found: Sequence[Revision]) -> Said:
        about, now = self.about, datetime.now(UTC)

        def ended(told: Told) -> Feedback | None:
            left = untold(told, found, now)
            since = told.trouble.since if told.trouble else None
            return of_revisions(about, left, since) if left else None

        return ended

    def hear(self, progress: Progress) -> None:
        """Hear what happens; nothing is waited for."""
        now = datetime.now(UTC)
        if isinstance(progress, StageBegan):
            self._stage = progress.stage
            if progress.stage == "begin" and self._plan is not None:
                self._say(of_plan(self.about, Event.STARTED, self._plan, now))
        elif isinstance(progress, Planned):
            self._planned(progress.plan, now)
        elif isinstance(progress, StepEnded):
            self._step_ended(progress.result, now)

    def _planned(self, plan: Plan, now: datetime) -> None:
        is_first, self._plan = self._plan is None, plan
        self._steps = {step.name: step for step in plan.steps}
        self._count_groups()
        self.about = replace(
            self.about,
            cluster=plan.cluster or self.about.cluster,
            revision=plan.source or self.about.revision,
            plan_id=plan.id,
        )
        if is_first and not plan.is_done:
            self._say(of_plan(self.about, Event.PLANNED, plan, now))

    def _count_groups(self) -> None:
        self._left, self._results = {}, {}
        for step in self._steps.values():
            if step.group:
                self._left.setdefault(step.group, set()).add(step.name)

    def _step_ended(self, result: StepResult, now: datetime) -> None:
        step = self._steps.get(result.step)
        if step is None:
            return
        if self._is_wanted(Event.STEP_ENDED):
            self._say(of_step(self.about, step, result, now))
        left = self._left.get(step.group)
        if left is None or not self._is_wanted(Event.GROUP_ENDED):
            return
        left.discard(result.step)
        results = self._results.setdefault(step.group, [])
        results.append(result)
        # One that failed ends its group: what is left of it is not begun.
        if not left or (result.outcome is not Outcome.SUCCEEDED and not step.continue_on_error):
            del self._left[step.group]
            self._say(of_group(self.about, step.group, results, now))

    def _is_wanted(self, event: Event) -> bool:
        """Whether anybody may want such events: there may be thousands."""
        part = "groups" if event is Event.GROUP_ENDED else "steps"
        return any(
            event in one.usual
            or any(event in when.events or getattr(when, part) for when in one.rules.when)
            for one in self.subscribers
        )

    def _waits(self, plan: Plan, why: str) -> None:
        if self._waited != plan.id:
            self._waited = plan.id
            self._say(of_plan(self.about, Event.APPROVAL_NEEDED, plan, datetime.now(UTC), why=why))

    # -------------------------------------------------------------- its end

    def conclude(self, report: Report) -> None:
        """Tell what became of the run."""
        if self._has_ended:
            return
        self._has_ended = True
        self._desk.is_removed = report.plan.is_removal and report.outcome is Outcome.SUCCEEDED
        back = report.rollback
        self._desk.number = max(report.revision, back.revision if back else 0)
        about = replace(
            self.about,
            cluster=report.cluster or self.about.cluster,
            revision=report.plan.source or self.about.revision,
        )

        def ended(told: Told) -> Feedback:
            since = told.trouble.since if told.trouble else None
            lasted = report.ended_at - since if since else None
            return of_report(about, report, failing_for=lasted)

        self._say(ended)

    def broken(self, error: RolloutError) -> None:
        """Tell that something kept the run from being made, or broke it off."""
        if isinstance(error, ApprovalNeeded) and self._plan is not None:
            self._waits(self._plan, error.reason)
        elif not self._has_ended:
            self._has_ended = True
            reason = reason_of_error(type(error), self._stage, error.message)
            told = of_error(self.about, error.message, reason, datetime.now(UTC))
            self._say(with_form(replace(told, outcome="refused")) if is_quiet(error) else told)
        self.leave()

    def leave(self) -> asyncio.Task[None] | None:
        """Come to the end without waiting for it."""
        return self._desk.leave()


def _subject_here(trigger: Trigger, spec: RolloutSpec) -> dict[str, str]:
    """Return the object that the run is about, if it is in the rollout's target."""
    subject = dict(trigger.subject)
    return subject if subject.get("cluster", "") == spec.target.cluster else {}


def subject_of(subject: Subject | None) -> dict[str, str]:
    """Return the object that fired, as Kubernetes refers to objects; empty if none did."""
    if subject is None:
        return {}
    return {
        "apiVersion": subject.api_version, "kind": subject.kind, "namespace": subject.namespace,
        "name": subject.name, "uid": subject.uid, "cluster": subject.cluster,
    }  # fmt: skip
