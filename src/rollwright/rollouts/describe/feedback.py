"""What is told about a run, in words: made of its plan, its report, or of what kept it from one.

Before: ``engine.telling`` hears what happens.
After: a sink sends it. Nothing here has values of objects: plans and reports have none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from rollwright.rollouts.change import Operation
from rollwright.rollouts.describe.plans import summary
from rollwright.rollouts.feedback import (
    OBJECTS_TOLD,
    Event,
    Feedback,
    Reason,
    Severity,
    TouchedObject,
)
from rollwright.rollouts.machine.feedback import feedback_form
from rollwright.rollouts.plan import Plan, Step
from rollwright.rollouts.reasons import ENDED, reason_of_report, reason_of_steps
from rollwright.rollouts.report import (
    ChangeResult,
    Outcome,
    Report,
    StepResult,
    is_good,
)
from rollwright.rollouts.state import Revision

_LATE = "told late: whoever made this run ended before it could be told"
_PLACE = re.compile(r"\{(rollout|cluster|revision|plan|run)\}")
_LINES = 20
_MESSAGE = 1000
_FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT})
_WORDS = {
    Event.PLANNED: "is planned",
    Event.APPROVAL_NEEDED: "needs an approval",
    Event.STARTED: "started",
    Event.SUCCEEDED: "succeeded",
    Event.FAILED: "failed",
    Event.ROLLED_BACK: "was rolled back",
    Event.RECOVERED: "recovered",
}
_SEVERITIES = {
    Event.APPROVAL_NEEDED: Severity.WARNING,
    Event.FAILED: Severity.ERROR,
    Event.ROLLED_BACK: Severity.ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What every event of one run has in common.

    ``link`` makes the address of a page about the run where none is known: the site's template.
    """

    rollout: str
    cluster: str = ""
    revision: str = ""
    repository: str = ""
    plan_id: str = ""
    url: str = ""
    actor: str = ""
    trigger: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    subject: Mapping[str, str] = field(default_factory=dict)
    link: str = ""

    def page(self, run_id: str) -> str:
        """Return the address of a page about the run; empty if nobody knows one."""
        if self.url or not self.link:
            return self.url
        facts = {
            "rollout": self.rollout, "cluster": self.cluster, "revision": self.revision,
            "plan": self.plan_id, "run": run_id,
        }  # fmt: skip
        return _PLACE.sub(lambda found: quote(facts[found[1]], safe=""), self.link)


def of_plan(about: About, event: Event, plan: Plan, at: datetime, *, why: str = "") -> Feedback:
    """Return what is told when a plan is made, waits for an approval, or is begun."""
    counts = Counter(str(one.operation) for one in plan.changes if one.writes)
    message = "; ".join(one for one in (why, summary(plan)) if one)
    is_asked = event is Event.APPROVAL_NEEDED
    return _made(
        about, event, at, outcome="waiting" if is_asked else "running", message=message,
        reason=Reason.WAITING_FOR_APPROVAL if is_asked else Reason.PROGRESSING,
        counts=counts, objects=_planned(plan),
    )  # fmt: skip


def of_step(about: About, step: Step, result: StepResult, at: datetime) -> Feedback:
    """Return what is told when a step ended."""
    name = step.name.partition("/")[2] or step.name if step.group else step.name
    return _of_part(
        about, Event.STEP_ENDED, (result,), at, title=f"step {step.name}", group=step.group,
        step=name,
    )  # fmt: skip


def of_group(about: About, group: str, results: Sequence[StepResult], at: datetime) -> Feedback:
    """Return what is told when the last step of a group ended."""
    return _of_part(about, Event.GROUP_ENDED, results, at, title=f"group {group}", group=group)


def _of_part(
    about: About, event: Event, results: Sequence[StepResult], at: datetime, **more: str
) -> Feedback:
    changes = [change for result in results for change in result.changes]
    bad = next((one for one in results if not is_good(one)), None)
    outcome = bad.outcome if bad else Outcome.SUCCEEDED
    title = more.pop("title")
    said = _worst(changes) or next((one.message for one in results if one.message), "")
    return _made(
        about, event, at, outcome=str(outcome), title=f"{title} {outcome}",
        severity=Severity.ERROR if bad else Severity.INFO, message=_with_counts(said, changes),
        reason=reason_of_steps(results) if bad else Reason.SUCCEEDED,
        counts=_counts(changes), objects=_touched(changes), **more,
    )  # fmt: skip


def of_report(about: About, report: Report, *, failing_for: timedelta | None = None) -> Feedback:
    """Return what is told at the end of a run.

    Args:
        about: What its events have in common.
        report: What became of it.
        failing_for: How long the rollout had been failing before; ``None`` if it had not.
    """
    event = _event_of(report, is_failing=failing_for is not None)
    back = report.rollback
    message = _with_counts(report.message, report.changes)
    if event is Event.RECOVERED and failing_for is not None:
        message = f"recovered after {in_words(failing_for)}: {message}"
    if back is not None:
        message = f"{message}; rollback to revision {_back_to(back)} {back.outcome}"
    failed = event in {Event.FAILED, Event.ROLLED_BACK}
    severity = _severity(report, event)
    return _made(
        replace(about, plan_id=report.plan.id or about.plan_id), event, report.ended_at,
        outcome=report.outcome.value, message=message, severity=severity,
        reason=reason_of_report(report) if failed else Reason.SUCCEEDED,
        title="" if report.outcome in _FAILURES or not failed else str(report.outcome),
        run_id=report.run_id, number=report.revision, lines=_lines(report),
        counts=_counts(report.changes), objects=_touched(report.changes),
    )  # fmt: skip


def of_revisions(about: About, untold: Sequence[Revision], trouble: datetime | None) -> Feedback:
    """Return what is told later of runs that ended with nobody to tell it: how the last one did.

    Args:
        about: What events of the rollout have in common.
        untold: What is remembered of the runs, the latest last.
        trouble: Since when the rollout had been failing before; ``None`` if it had not.
    """
    last = untold[-1]
    is_good = last.outcome == Outcome.SUCCEEDED
    is_back = bool(last.rolled_back_to) and any(one.outcome in _FAILURES for one in untold[:-1])
    event = Event.RECOVERED if trouble else Event.SUCCEEDED
    if is_back or not is_good:
        event = Event.ROLLED_BACK if is_back else Event.FAILED
    said = last.message
    if event is Event.RECOVERED and trouble is not None:
        said = f"recovered after {in_words(last.ended_at - trouble)}: {said}"
    about = replace(
        about, revision=last.source, url=last.url, plan_id=last.plan_id, actor=last.actor,
        trigger=last.kind, subject={},
    )  # fmt: skip
    reasons = {Event.FAILED: Reason.APPLY_FAILED, Event.ROLLED_BACK: Reason.ROLLED_BACK}
    ended = ENDED.get(Outcome(last.outcome)) if not is_good else None
    return _made(
        about, event, last.ended_at, outcome=last.outcome, message=said, number=last.number,
        reason=ended or reasons.get(event, Reason.SUCCEEDED), lines=(_LATE,),
    )  # fmt: skip


def of_error(about: About, message: str, reason: Reason, at: datetime) -> Feedback:
    """Return what is told when something kept a run from being made."""
    return _made(
        about, Event.FAILED, at, outcome=Outcome.FAILED.value, message=message, reason=reason
    )


def of_test(sink: str, at: datetime) -> Feedback:
    """Return what is told to try whether telling works."""
    message = f"rollwright feedback test {sink}: if you read this, it works"
    return _made(About(rollout=""), Event.TEST, at, outcome="test", title="test", message=message)


def of_storm(many: Sequence[Feedback], at: datetime) -> Feedback:
    """Return one summary of what would have been told one by one (NO-09)."""
    events = Counter(str(one.event) for one in many)
    counts = ", ".join(f"{count} {event}" for event, count in sorted(events.items()))
    urls = [one.url for one in many if one.url]
    about = About(rollout="", url=urls[-1] if urls else "")
    lines = tuple(one.title for one in many[:OBJECTS_TOLD])
    more = len(many) - len(lines)
    return _made(
        about, Event.SUMMARY, at, outcome="summary", counts=events,
        title=f"{len(many)} more events within a minute", message=f"not told one by one: {counts}",
        severity=max((one.severity for one in many), key=lambda one: one.rank),
        lines=(*lines, f"and {more} more") if more else lines,
    )  # fmt: skip


def _made(about: About, event: Event, at: datetime, **more: Any) -> Feedback:
    """Put it together, and make the forms for people and programs of it."""
    where = f" ({about.cluster})" if about.cluster else ""
    words = more.pop("title", "") or _WORDS.get(event, str(event))
    title = f"{about.rollout}{where}: {words}" if about.rollout else words
    message = _cut(more.pop("message", ""), _MESSAGE)
    lines = tuple(more.pop("lines", ()))
    severity = more.pop("severity", None) or _SEVERITIES.get(event, Severity.INFO)
    about = replace(about, url=about.page(more.get("run_id", "")), link="")
    facts = {name: getattr(about, name) for name in About.__dataclass_fields__ if name != "link"}
    made = Feedback(
        title=title, event=event, at=at, message=message, lines=lines, severity=severity,
        markdown=_markdown(title, message, lines, about), **facts, **_objects(more),
    )  # fmt: skip
    return with_form(made)


def with_form(feedback: Feedback) -> Feedback:
    """Return it with its form for programs made anew."""
    return replace(feedback, machine=feedback_form(feedback))


def _objects(more: dict[str, Any]) -> dict[str, Any]:
    found = tuple(more.pop("objects", ()))
    kept = found[:OBJECTS_TOLD]
    counts = dict(more.pop("counts", {}))
    return {**more, "counts": counts, "objects": kept, "omitted_count": len(found) - len(kept)}


def _event_of(report: Report, *, is_failing: bool) -> Event:
    if report.outcome is Outcome.SUCCEEDED:
        return Event.RECOVERED if is_failing else Event.SUCCEEDED
    back = report.rollback
    is_back = back is not None and back.outcome is Outcome.SUCCEEDED
    return Event.ROLLED_BACK if is_back else Event.FAILED


def _severity(report: Report, event: Event) -> Severity:
    if report.outcome is Outcome.SUPERSEDED:
        return Severity.INFO
    if report.outcome is Outcome.CANCELLED or (event is Event.SUCCEEDED and report.failures):
        return Severity.WARNING
    return _SEVERITIES.get(event, Severity.INFO)


def _planned(plan: Plan) -> Iterable[TouchedObject]:
    return tuple(
        TouchedObject(ref=one.ref, operation=str(one.operation), outcome="planned")
        for one in plan.changes
        if one.writes
    )


def _touched(changes: Iterable[ChangeResult]) -> tuple[TouchedObject, ...]:
    """Return what was changed or failed; what failed comes first."""
    found = [
        TouchedObject(ref=one.ref, operation=str(one.operation), outcome=str(one.outcome))
        for one in changes
        if _is_told(one)
    ]
    return tuple(sorted(found, key=lambda one: one.outcome == Outcome.SUCCEEDED))


def _is_told(change: ChangeResult) -> bool:
    if change.outcome is Outcome.SUCCEEDED:
        return change.operation is not Operation.KEEP
    return change.outcome in _FAILURES


def _counts(changes: Iterable[ChangeResult]) -> dict[str, int]:
    found = Counter(
        "failed" if one.outcome in _FAILURES else str(one.operation)
        for one in changes
        if _is_told(one)
    )
    return dict(sorted(found.items()))


_PAST = {
    "create": "created", "update": "updated", "adopt": "adopted", "replace": "replaced",
    "prune": "deleted", "failed": "failed",
}  # fmt: skip


def _with_counts(said: str, changes: Sequence[ChangeResult]) -> str:
    counts = ", ".join(f"{count} {_PAST[name]}" for name, count in _counts(changes).items())
    return "; ".join(one for one in (said, counts) if one)


def _worst(changes: Iterable[ChangeResult]) -> str:
    bad = sorted((one for one in changes if one.outcome in _FAILURES), key=lambda one: one.ref)
    return f"{bad[0].ref}: {bad[0].message}" if bad else ""


def _back_to(back: Report) -> str:
    return str(back.plan.rollback.revision) if back.plan.rollback else "?"


def _lines(report: Report) -> tuple[str, ...]:
    found = [f"{one.ref}: {one.message}" for one in report.failures]
    lines = [_cut(one, _MESSAGE) for one in found[:_LINES]]
    if more := len(found) - len(lines):
        lines.append(f"and {more} more")
    return (*lines, *([f"hint: {report.hint}"] if report.hint else []))


_MARKUP = str.maketrans({one: f"\\{one}" for one in "\\`*_[]<>|"})


def _markdown(title: str, message: str, lines: Sequence[str], about: About) -> str:
    facts = {"revision": about.revision, "by": about.actor, "trigger": about.trigger}
    told = [f"- {name}: `{value.replace('`', '')}`" for name, value in facts.items() if value]
    parts = [
        f"**{_plain(title)}**",
        _plain(message),
        "\n".join(f"- {_plain(one)}" for one in lines),
    ]
    link = f"[the run](<{about.url}>)" if about.url else ""
    return "\n\n".join(one for one in (*parts, "\n".join(told), link) if one)


def _plain(words: str) -> str:
    """Return words of others such that Markdown takes them for words."""
    return words.translate(_MARKUP)


def _cut(words: str, length: int) -> str:
    line = " ".join(words.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def in_words(length: timedelta) -> str:
    """Return a length of time for people: its two greatest units at most."""
    seconds = max(0, int(length.total_seconds()))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts = []
    for name, size in units:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}")
        if len(parts) == 2 or (parts and name == "min"):
            break
    return " ".join(parts) or "0 s"
