"""What was told about a rollout, and what could not be: notes beside its state.

Before: ``telling`` carried what is to be told. After: the next run does not tell it again, and a
person sees what nobody heard, and sends it once more (NO-07, NO-12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from rollwright.engine.custody.notes import Notes, change_notes, read_notes
from rollwright.engine.progress import Note
from rollwright.engine.telling.courier import LONG_PATIENCE, PATIENCE, Letter
from rollwright.engine.telling.subscribers import sink_named
from rollwright.errors import NotFound, RolloutError, Unreachable
from rollwright.plugins.contracts import StateSink
from rollwright.rollouts.describe.feedback import of_test
from rollwright.rollouts.feedback import Feedback
from rollwright.rollouts.machine.feedback import feedback_form, read_feedback_form
from rollwright.rollouts.machine.values import instant
from rollwright.rollouts.telling import (
    Record,
    Told,
    merged,
    read_told,
    told_form,
    with_records,
)

if TYPE_CHECKING:
    from rollwright.engine.site import Site
    from rollwright.rollouts.spec import RolloutSpec

TOLD = "told"
"""The kind of note that says what was told."""
UNDELIVERED = "undelivered"
"""The kind of note that holds what could not be told."""

KEPT = 20
"""How many are kept that could not be told; the oldest go."""

UNDER_WAY = LONG_PATIENCE + timedelta(minutes=1)
"""How long something may be on its way; then whoever was to tell it is gone."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who is told an event, and what is told once they are."""

    told: Told
    letters: tuple[Letter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """One event that a sink could not be told.

    Attributes:
        id: Of the letter.
        sink: Who was to be told.
        at: When it was given up.
        tries: How often it was tried.
        error: Why it failed last.
        feedback: What was to be told.
    """

    id: str
    sink: str
    at: datetime
    tries: int
    error: str
    feedback: Feedback


async def recall_told(site: Site, spec: RolloutSpec) -> Told:
    """Return what was told about a rollout; nothing if nobody can say."""
    return (await _recalled(site, spec))[0]


async def recall(site: Site, spec: RolloutSpec) -> tuple[Told, tuple[Undelivered, ...]]:
    """Return what was told about a rollout, and take over what was left on its way."""
    told, lost = await _recalled(site, spec)
    now = datetime.now(UTC)
    left = {one.id for one in lost if _is_left(one, now)}
    if not left:
        return told, ()
    taken: list[Undelivered] = []

    def change(notes: Notes) -> Notes:
        found = _lost_in(notes)
        # What somebody else took over meanwhile is on its way again.
        taken[:] = [one for one in found if one.id in left and _is_left(one, now)]
        return _with_lost(notes, (replace(one, at=now) if one in taken else one for one in found))

    try:
        await change_notes(site, spec, change)
    except RolloutError:
        return told, ()  # it stays where it is
    return told, tuple(taken)


async def _recalled(site: Site, spec: RolloutSpec) -> tuple[Told, tuple[Undelivered, ...]]:
    try:
        notes = await read_notes(site, spec)
    except RolloutError as error:
        site.tell(Note(f"{spec.name}: cannot look up what was told: {error.message}"))
        return Told(), ()
    return _told_in(notes), _lost_in(notes)


async def claim(
    site: Site, spec: RolloutSpec, told: Told, choose: Callable[[Told], Chosen]
) -> Chosen:
    """Note who is going to be told before anybody is; return who that is.

    So two processes tell the same once, and what a crash leaves on its way is told later.

    Args:
        site: The installation.
        spec: The rollout.
        told: What we know of what was told.
        choose: Says who is told an event; asked again with what others told by then.
    """
    chosen, now = choose(told), datetime.now(UTC)
    ours = {one.id for one in _on_their_way(chosen)}

    def change(notes: Notes) -> Notes:
        nonlocal chosen
        # What we wrote ourselves is not what others told: a write may arrive, and its answer not.
        if not ours & {one.id for one in _lost_in(notes)}:
            chosen = choose(merged(_told_in(notes), told, now))
        under_way = _on_their_way(chosen)
        if not under_way:
            return notes
        kept = {**notes, TOLD: orjson.dumps(told_form(chosen.told)).decode()}
        return _with_lost(kept, (*_lost_in(notes), *under_way))

    try:
        await change_notes(site, spec, change)
    except RolloutError as error:
        site.tell(Note(f"{spec.name}: cannot note what is told: {error.message}"))
    return chosen


async def keep_told(
    site: Site, spec: RolloutSpec, told: Told, letters: Sequence[tuple[Letter, str]]
) -> bool:
    """Note what was told, and what could not be; whether it could be noted."""
    now = datetime.now(UTC)
    mine = [(one, state) for one, state in letters if not one.is_void]
    records = [
        Record(sink=one.name, event=str(one.feedback.event), at=now, result=one.error or "told")
        for one, _ in mine
    ]
    told = with_records(told, records)
    lost = [_lost(one, now) for one, _ in mine if one.error]
    settled = {_id_of(one) for one, _ in letters}

    def change(notes: Notes) -> Notes:
        whole = merged(_told_in(notes), told, now)
        kept = {**notes, TOLD: orjson.dumps(told_form(whole)).decode()}
        return _with_lost(kept, (*(o for o in _lost_in(notes) if o.id not in settled), *lost))

    try:
        await change_notes(site, spec, change)
    except RolloutError as error:
        site.tell(Note(f"{spec.name}: cannot note what was told: {error.message}"))
        return False
    return True


async def undelivered(site: Site, spec: RolloutSpec) -> tuple[Undelivered, ...]:
    """Return what could not be told about a rollout, the oldest first; not what is on its way."""
    now = datetime.now(UTC)
    found = _lost_in(await read_notes(site, spec))
    return tuple(
        replace(one, error=one.error or "whoever was to tell it ended before")
        for one in found
        if one.error or _is_left(one, now)
    )


def _is_left(one: Undelivered, now: datetime) -> bool:
    """Whether something was to be told, and whoever was to tell it is gone."""
    return not one.error and now - one.at > UNDER_WAY


async def send_again(
    site: Site, spec: RolloutSpec, chosen: Iterable[Undelivered]
) -> tuple[tuple[Undelivered, str], ...]:
    """Tell once more what could not be told; return each with why it failed, empty if it did not."""
    results: list[tuple[Undelivered, str]] = []
    away: dict[str, str] = {}
    for one in chosen:
        if one.sink in away:
            results.append((one, away[one.sink]))  # nobody waits once more for each of many
            continue
        letter = await _sent(site, spec, one.sink, one.feedback)
        results.append((one, letter.error))
        if letter.may_pass:
            away[one.sink] = letter.error
    now = datetime.now(UTC)
    done = {one.id for one, error in results if not error}
    failed = {one.id: error for one, error in results if error}
    records = [
        Record(sink=one.sink, event=str(one.feedback.event), at=now, result=error or "told")
        for one, error in results
    ]

    def change(notes: Notes) -> Notes:
        left = [
            replace(one, error=failed.get(one.id, one.error), tries=one.tries + (one.id in failed))
            for one in _lost_in(notes)
            if one.id not in done
        ]
        told = with_records(_told_in(notes), records)
        return _with_lost({**notes, TOLD: orjson.dumps(told_form(told)).decode()}, left)

    if results:
        await change_notes(site, spec, change)
    return tuple(results)


async def send_test(site: Site, spec: RolloutSpec, sink: str) -> None:
    """Tell a sink a test.

    Raises:
        NotFound: There is no such sink.
        RolloutError: It could not be told.
    """
    letter = await _sent(site, spec, sink, of_test(sink, datetime.now(UTC)), is_needed=True)
    if letter.error:
        raise Unreachable(f"feedback {sink}: {letter.error}", retryable=False)


async def _sent(
    site: Site, spec: RolloutSpec, name: str, feedback: Feedback, *, is_needed: bool = False
) -> Letter:
    try:
        sink = sink_named(site, spec, name)
    except RolloutError as error:
        if is_needed:
            raise
        return Letter(sink=_Nobody(), name=name, feedback=feedback, error=error.message)
    letter = Letter(sink=sink, name=name, feedback=feedback)
    site.courier.post(letter)
    await site.courier.settle([letter], PATIENCE)
    return letter


class _Nobody:
    """Stands for a sink that is not declared any more."""

    async def tell(self, feedback: Feedback) -> None:
        """Never called."""
        raise NotFound(f"nobody to tell {feedback.title}")


def without_failed(told: Told, letters: Sequence[tuple[Letter, str]]) -> Told:
    """Return what is told without states that are not shown after all: the next run tries again."""
    failed = {one.name for one, state in letters if one.error and state}
    return replace(told, shown={k: "" if k in failed else v for k, v in told.shown.items()})


def _told_in(notes: Notes) -> Told:
    text = notes.get(TOLD)
    return read_told(orjson.loads(text)) if text else Told()


def _id_of(letter: Letter) -> str:
    return f"{letter.feedback.id[:8]}-{letter.name}"


def _on_their_way(chosen: Chosen) -> list[Undelivered]:
    """Return what has to arrive once; a state that is not shown is shown by the next run."""
    now = datetime.now(UTC)
    return [
        replace(_lost(one, now), error="", tries=0)
        for one in chosen.letters
        if not isinstance(one.sink, StateSink)
    ]


def _lost(letter: Letter, now: datetime) -> Undelivered:
    return Undelivered(
        id=_id_of(letter),
        sink=letter.name,
        at=now,
        tries=letter.tries,
        error=letter.error,
        feedback=letter.feedback,
    )


def _with_lost(notes: Notes, lost: Iterable[Undelivered]) -> Notes:
    by_id = {one.id: one for one in lost}
    kept = sorted(by_id.values(), key=lambda one: one.at)[-KEPT:]
    others = {key: text for key, text in notes.items() if key != UNDELIVERED}
    if not kept:
        return others
    return {**others, UNDELIVERED: orjson.dumps([undelivered_form(one) for one in kept]).decode()}


def undelivered_form(one: Undelivered) -> dict[str, Any]:
    """Return what could not be told as JSON."""
    return {
        "id": one.id,
        "sink": one.sink,
        "at": instant(one.at),
        "tries": one.tries,
        "error": one.error,
        "feedback": feedback_form(one.feedback),
    }


def _lost_in(notes: Notes) -> tuple[Undelivered, ...]:
    found = []
    for form in orjson.loads(notes.get(UNDELIVERED, "[]")):
        try:
            feedback = read_feedback_form(form["feedback"])
            at = datetime.fromisoformat(form["at"])
            one = Undelivered(**{**form, "feedback": feedback, "at": at})
        except (KeyError, TypeError, ValueError):
            continue  # another version wrote it; it sends its own
        found.append(one)
    return tuple(found)
