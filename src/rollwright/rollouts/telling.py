"""Whom an event concerns, and whether they were told already. Pure: instants are given.

Before: ``describe.feedback`` put an event into words.
After: ``engine.telling`` sends what passes, and keeps ``Told`` beside the rollout's state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

from rollwright.rollouts.feedback import LAST_EVENTS, Event, Feedback
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.spec.feedback import FeedbackRules, FeedbackWhen
from rollwright.rollouts.state import Revision

WINDOW = timedelta(minutes=5)
"""How long the same is not told again (NO-03)."""

STORM_COUNT, STORM_WINDOW = 50, timedelta(minutes=1)
"""So many events of one sink within that time; what comes beyond is told together (NO-09)."""

LATE = timedelta(days=1)
"""Until when it is told how a run ended that nobody could tell at its end."""

_KEPT, _RECORDS = 200, 20
_NO_TROUBLE = frozenset({Outcome.CANCELLED.value, Outcome.SUPERSEDED.value})


# ------------------------------------------------------------------ whom it concerns


def concerns(rules: FeedbackRules, usual: Collection[Event], feedback: Feedback) -> bool:
    """Whether a sink is to be told of an event.

    Args:
        rules: The sink's.
        usual: What it tells where no rule says what.
        feedback: The event.
    """
    return any(_holds(when, usual, feedback) for when in rules.when or (FeedbackWhen(),))


def _holds(when: FeedbackWhen, usual: Collection[Event], feedback: Feedback) -> bool:
    if not _is_in_scope(when, feedback):
        return False
    if feedback.event is Event.RECOVERED:
        # Whoever was told of the failure is told that it is over (NO-05).
        return _has_event(when, usual, Event.FAILED) or _has_event(when, usual, Event.RECOVERED)
    return (
        _has_event(when, usual, feedback.event)
        and _has_outcome(when, feedback.outcome)
        and (not when.reasons or feedback.reason in when.reasons)
        and feedback.severity.rank >= when.severity.rank
        and _is_like(feedback.message, when.include)
        and not (when.exclude and _is_like(feedback.message, when.exclude))
    )


def _has_outcome(when: FeedbackWhen, outcome: str) -> bool:
    if outcome == Outcome.TIMED_OUT and Outcome.FAILED in when.outcomes:
        return True  # whoever waits for failures means these, too
    return not when.outcomes or outcome in {one.value for one in when.outcomes}


def _is_in_scope(when: FeedbackWhen, feedback: Feedback) -> bool:
    has_labels = when.labels.items() <= feedback.labels.items()
    is_group = feedback.event not in {Event.GROUP_ENDED, Event.STEP_ENDED}
    return (
        has_labels
        and _is_like(feedback.rollout, when.rollouts)
        and _is_like(feedback.cluster, when.clusters)
        and (is_group or _is_like(feedback.group, when.groups))
        and (feedback.event is not Event.STEP_ENDED or _is_like(feedback.step, when.steps))
    )


def _has_event(when: FeedbackWhen, usual: Collection[Event], event: Event) -> bool:
    if when.events:
        return event in when.events
    if when.steps:
        return event is Event.STEP_ENDED
    if when.groups:
        return event is Event.GROUP_ENDED
    return event in (LAST_EVENTS if when.outcomes else usual)


def _is_like(text: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatchcase(text, glob) for glob in globs)


# ------------------------------------------------------------------ whether it was told


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Since when a rollout fails, and how it began."""

    since: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One that was told, or could not be (NO-12)."""

    sink: str
    event: str
    at: datetime
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was told about one rollout in one cluster.

    Attributes:
        sent: When what was told last, by its key.
        shown: What each sink that shows a state shows, and of which revision.
        trouble: Since when it fails; ``None`` while it does not.
        records: What was told last, the latest last.
        heard: Number of the last revision whose end was told to whom it concerns.
    """

    sent: Mapping[str, datetime] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)
    trouble: Trouble | None = None
    records: tuple[Record, ...] = ()
    heard: int = 0


def tell_once(
    told: Told, sink: str, feedback: Feedback, once_per: Sequence[str], now: datetime
) -> Told | None:
    """Return what is told once a sink was told of it; ``None`` if it was told already.

    The same within five minutes is told once (NO-03); one plan that waits, a success that changed
    nothing, and each value of ``oncePer`` once and for all (NO-04). That a rollout recovered is
    always told (NO-05).
    """
    lasting = _lasting(sink, feedback, once_per)
    if any(key in told.sent for key in lasting):
        return None
    passing = _digest(
        sink, feedback.rollout, feedback.cluster, feedback.event, feedback.revision,
        feedback.group, feedback.step, feedback.message, lasting,
    )  # fmt: skip
    before = told.sent.get(passing)
    is_fresh = before is not None and now - before < WINDOW
    if is_fresh and feedback.event not in {Event.RECOVERED, Event.TEST}:
        return None
    sent = {**told.sent, **dict.fromkeys((*lasting, passing), now)}
    return replace(told, sent=_kept(sent, now))


def _lasting(sink: str, feedback: Feedback, once_per: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of what is told once and for all; they begin with ``=``."""
    keys = []
    about = (sink, feedback.rollout, feedback.cluster, feedback.event)
    if feedback.event is Event.APPROVAL_NEEDED:
        keys.append(_digest(*about, feedback.plan_id))
    if feedback.event is Event.SUCCEEDED and not feedback.changed_count and feedback.revision:
        keys.append(_digest(*about, feedback.revision))
    if once_per:
        values = [f"{name}={_value(feedback.machine, name)}" for name in once_per]
        keys.append(_digest(sink, *values))
    return tuple(f"={key}" for key in keys)


def also_settled(told: Told, sink: str, feedback: Feedback, now: datetime) -> Told:
    """Return what is told; a success that changed something speaks for its revision as well."""
    if feedback.event not in {Event.SUCCEEDED, Event.RECOVERED} or not feedback.revision:
        return told
    key = _digest(sink, feedback.rollout, feedback.cluster, Event.SUCCEEDED, feedback.revision)
    return replace(told, sent=_kept({**told.sent, f"={key}": now}, now))


def show_once(told: Told, sink: str, revision: str, state: str) -> Told | None:
    """Return what is told once a sink shows a state; ``None`` if it shows it already (FB-21)."""
    shown = f"{revision} {state}"
    if told.shown.get(sink) == shown:
        return None
    return replace(told, shown={**told.shown, sink: shown})


def with_trouble(told: Told, feedback: Feedback) -> Told:
    """Return what is told, with since when the rollout fails after an event."""
    if feedback.event in {Event.SUCCEEDED, Event.RECOVERED}:
        return replace(told, trouble=None)
    is_bad = feedback.event in {Event.FAILED, Event.ROLLED_BACK}
    if not is_bad or told.trouble or feedback.outcome in _NO_TROUBLE or feedback.at is None:
        return told
    reason = feedback.reason.value if feedback.reason else ""
    return replace(told, trouble=Trouble(since=feedback.at, reason=reason))


def with_records(told: Told, records: Iterable[Record]) -> Told:
    """Return what is told, with what came of it; the latest are kept."""
    return replace(told, records=(*told.records, *records)[-_RECORDS:])


def untold(told: Told, revisions: Sequence[Revision], now: datetime) -> tuple[Revision, ...]:
    """Return revisions whose end nobody told: whoever made them ended before.

    Where nothing was ever told of many revisions, those who are told are new.
    """
    if not told.heard and len(revisions) > 1:
        return ()
    return tuple(one for one in revisions if one.number > told.heard and now - one.ended_at < LATE)


def with_heard(told: Told, number: int) -> Told:
    """Return what is told once the end of a revision was."""
    return replace(told, heard=max(told.heard, number))


def merged(theirs: Told, ours: Told, now: datetime) -> Told:
    """Return what two who told the same rollout's events told together."""
    sent = dict(theirs.sent)
    for key, at in ours.sent.items():
        sent[key] = max(at, sent.get(key, at))
    known = set(theirs.records)
    records = (*theirs.records, *(one for one in ours.records if one not in known))
    by_time = sorted(records, key=lambda one: one.at)[-_RECORDS:]
    return Told(
        sent=_kept(sent, now),
        shown={**theirs.shown, **ours.shown},
        trouble=ours.trouble,
        records=tuple(by_time),
        heard=max(theirs.heard, ours.heard),
    )


def _kept(sent: Mapping[str, datetime], now: datetime) -> Mapping[str, datetime]:
    """Return what still counts: the window, and the latest of what counts for good."""
    fresh = {key: at for key, at in sent.items() if key[0] == "=" or now - at < WINDOW}
    latest = sorted(fresh.items(), key=lambda one: one[1])[-_KEPT:]
    return dict(latest)


def _digest(*parts: Any) -> str:
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


def _value(machine: Mapping[str, Any], path: str) -> Any:
    found: Any = machine
    head, _, rest = path.partition(".")
    for part in (head, *([rest] if rest else [])):  # a label's name holds dots itself
        found = found.get(part, "") if isinstance(found, Mapping) else ""
    return found


# ------------------------------------------------------------------ storms


@dataclass(frozen=True, slots=True)
class Burst:
    """When a sink was told lately, the latest last."""

    times: tuple[datetime, ...] = ()


def let_through(burst: Burst, now: datetime) -> Burst | None:
    """Return what is known after one more event; ``None`` if it is one too many (NO-09)."""
    recent = tuple(at for at in burst.times if now - at < STORM_WINDOW)
    return None if len(recent) >= STORM_COUNT else Burst((*recent, now))


# ------------------------------------------------------------------ as text


def told_form(told: Told) -> dict[str, Any]:
    """Return what is kept beside the rollout's state."""
    trouble = told.trouble
    return {
        "heard": told.heard,
        "sent": {key: at.isoformat() for key, at in told.sent.items()},
        "shown": dict(told.shown),
        "trouble": {"since": trouble.since.isoformat(), "reason": trouble.reason}
        if trouble
        else None,
        "records": [
            {"sink": one.sink, "event": one.event, "at": one.at.isoformat(), "result": one.result}
            for one in told.records
        ],
    }


def read_told(form: Mapping[str, Any]) -> Told:
    """Return what such a form says; nothing for one of another version."""
    try:
        trouble = form["trouble"]
        return Told(
            heard=int(form.get("heard", 0)),
            sent={key: datetime.fromisoformat(at) for key, at in form["sent"].items()},
            shown=dict(form["shown"]),
            trouble=Trouble(
                since=datetime.fromisoformat(trouble["since"]), reason=trouble["reason"]
            )
            if trouble
            else None,
            records=tuple(
                Record(**{**one, "at": datetime.fromisoformat(one["at"])})
                for one in form["records"]
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return Told()
