"""Answers to runs that wait for a person, from wherever that person is.

Before: a ``Pause`` with ``until: approval`` waits, on a terminal or where there is none.
After: it goes on, or fails; who said so, when and why stands in the audit trail.

The run owns the state, so the question and the answer are notes beside it; the run itself writes
what was said into the state. It looks every two seconds: the one thing that every store can do
is read, a person takes longer than that, and one read of one small document is cheap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import orjson

from rollwright.engine.custody.notes import Notes, change_notes, read_notes
from rollwright.engine.progress import Note
from rollwright.engine.run import Run
from rollwright.engine.site import Site, actor_here
from rollwright.engine.stepping.step_journal import note_audit
from rollwright.errors import NotFound, Refused, Unreachable, excerpt
from rollwright.plugins.contracts import Answer
from rollwright.rollouts.approving import Question
from rollwright.rollouts.plan import Step
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import AuditEntry, Journal

ANSWERS = "answer"
"""The kind of note that holds what was answered."""

QUESTIONS = "question"
"""The kind of note that holds what runs wait for."""

LOOK_SECONDS = 2.0
"""How often a run looks for an answer."""

Decision: TypeAlias = Literal["approve", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAnswer:
    """What somebody said to a step that waits; ``at`` is in ISO 8601."""

    run: str
    step: str
    decision: Decision
    actor: str
    reason: str
    at: str


# ------------------------------------------------------------------ who answers


async def leave_answer(  # noqa: PLR0913  (who says what to which step, and why)
    site: Site,
    spec: RolloutSpec,
    *,
    decision: Decision,
    actor: str,
    reason: str,
    run_id: str = "",
    step: str = "",
) -> str:
    """Answer a step that waits for a person; return a sentence that says what was answered.

    Args:
        site: The installation.
        spec: The rollout.
        decision: Whether the run may go on.
        actor: Who says so.
        reason: Why, for those who ask later.
        run_id: The run, or how its id begins; empty for the one under way.
        step: The step; empty for the one that waits.

    Raises:
        NotFound: Nothing waits there for an answer.
        Refused: Several steps wait and none is named, or somebody answered already.
    """
    journal = await _open_journal(site, spec, run_id)
    at = datetime.now(UTC).isoformat()
    answered: list[Question] = []

    def change(notes: Notes) -> Notes:
        found = _find(spec.name, journal, notes, step)
        answered[:] = [found]
        answer = LeftAnswer(
            run=found.run, step=found.step, decision=decision,
            actor=actor, reason=excerpt(reason), at=at,
        )  # fmt: skip
        return _with(notes, ANSWERS, [*_answers(notes), answer])

    await change_notes(site, spec, change)
    word = "approved" if decision == "approve" else "rejected"
    return f"{spec.name}: {answered[0].step} of run {journal.run_id} {word} by {actor}"


async def waiting_questions(site: Site, spec: RolloutSpec) -> tuple[Question, ...]:
    """Return the steps of the run under way that wait for a person; none if none is under way."""
    state = await (await site.store(spec)).load(spec.name)
    if state is None or state.journal is None:
        return ()
    return _waiting(state.journal, await read_notes(site, spec))


async def _open_journal(site: Site, spec: RolloutSpec, run_id: str) -> Journal:
    state = await (await site.store(spec)).load(spec.name)
    if state is None:
        raise NotFound(
            f"no rollout {spec.name!r} is remembered, so nothing waits for an answer",
            hint="`rollwright status` shows what there is",
        )
    if state.journal is None:
        raise NotFound(
            f"{spec.name}: no run is under way, so nothing waits for an answer",
            hint=f"`rollwright history {spec.name}` shows how the last one ended",
        )
    ids = state.journal.run_id, _first_run(state.journal)
    if not any(one.startswith(run_id) for one in ids):
        raise NotFound(
            f"{spec.name}: run {run_id} is not under way; run {ids[0]} is",
            hint="leave the run out to answer the one that is under way",
        )
    return state.journal


def _first_run(journal: Journal) -> str:
    """Return the id that questions are kept under: a resumed run asks what was asked before."""
    return journal.goes_on_from or journal.run_id


def _waiting(journal: Journal, notes: Notes) -> tuple[Question, ...]:
    first = _first_run(journal)
    said = {one.step for one in _answers(notes) if one.run == first}
    asked = (one for one in _questions(notes) if one.run == first)
    return tuple(one for one in asked if one.step not in said)


def _find(rollout: str, journal: Journal, notes: Notes, step: str) -> Question:
    """Return the question to be answered."""
    _refuse_answered(rollout, journal, notes, step)
    waiting = _waiting(journal, notes)
    found = [one for one in waiting if not step or step in {one.step, _short(one.step)}]
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.step for one in waiting)
    if found:
        raise Refused(
            f"{rollout}: several steps wait for an answer: {names}", hint="name one of them"
        )
    if step and waiting:
        raise NotFound(f"{rollout}: step {step!r} waits for no answer; waiting: {names}")
    raise NotFound(
        f"{rollout}: run {journal.run_id} waits for no answer",
        hint=f"`rollwright status {rollout}` shows what it does; a step waits for an answer"
        " with `Pause` and `until: approval`",
    )


def _refuse_answered(rollout: str, journal: Journal, notes: Notes, step: str) -> None:
    for one in _answers(notes):
        if one.run == _first_run(journal) and step and step in {one.step, _short(one.step)}:
            word = "approved" if one.decision == "approve" else "rejected"
            raise Refused(f"{rollout}: {one.step} was {word} already, by {one.actor} at {one.at}")


def _short(step: str) -> str:
    """Return a step's name without that of its group."""
    return step.rpartition("/")[2]


# ------------------------------------------------------------------ who waits


@dataclass(frozen=True, kw_only=True)
class StepAnswers:
    """Where one step of a run finds what people answer from elsewhere."""

    owner: Run
    site: Site
    step: Step

    @property
    def _run_id(self) -> str:
        return self.owner.goes_on_from or self.owner.id

    async def wait(self, question: str) -> Answer:
        """Say that an answer is waited for, and return it when it is there."""
        await change_notes(self.site, self.owner.spec, lambda notes: self._asked(notes, question))
        is_silent = False
        while True:
            try:
                for one in _answers(await read_notes(self.site, self.owner.spec)):
                    if (one.run, one.step) == (self._run_id, self.step.name):
                        return _answer(one)
                is_silent = False
            except Unreachable as error:
                if not is_silent:
                    self.owner.tell(Note(f"{self.step.name}: cannot look for answers: {error}"))
                is_silent = True  # a person may take hours: the store is back by then
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self, answer: Answer) -> None:
        """Write who said what into the audit trail; a resumed run does not ask again.

        Raises:
            LockLost: Our lease may be gone.
            StateConflict: Another run wrote the state although we hold the lock.
        """
        spec, actor = self.owner.spec, answer.actor or actor_here()
        said = LeftAnswer(
            run=self._run_id, step=self.step.name,
            decision="approve" if answer.may_go_on else "reject",
            actor=actor, reason=answer.reason, at=answer.at.isoformat(),
        )  # fmt: skip
        words = f"{self.step.name} {'approved' if answer.may_go_on else 'rejected'}"
        entry = AuditEntry(
            at=answer.at,
            kind=said.decision,
            actor=actor,
            message=f"{words}: {answer.reason}" if answer.reason else words,
        )
        await note_audit(self.owner, entry)
        await change_notes(self.site, spec, lambda notes: self._answered(notes, said))

    def _asked(self, notes: Notes, question: str) -> Notes:
        """Return the notes with this question; what was said to other runs is over."""
        mine = [one for one in _questions(notes) if one.run == self._run_id]
        if not any(one.step == self.step.name for one in mine):
            at = self.owner.now().isoformat()
            mine.append(Question(run=self._run_id, step=self.step.name, question=question, at=at))
        said = [one for one in _answers(notes) if one.run == self._run_id]
        return _with(_with(notes, QUESTIONS, mine), ANSWERS, said)

    def _answered(self, notes: Notes, said: LeftAnswer) -> Notes:
        mine = (said.run, said.step)
        asked = [one for one in _questions(notes) if (one.run, one.step) != mine]
        answers = list(_answers(notes))
        if all((one.run, one.step) != mine for one in answers):
            answers.append(said)
        return _with(_with(notes, QUESTIONS, asked), ANSWERS, answers)


def _answer(left: LeftAnswer) -> Answer:
    return Answer(
        may_go_on=left.decision == "approve",
        actor=left.actor,
        reason=left.reason,
        at=datetime.fromisoformat(left.at),
    )


# ------------------------------------------------------------------ as JSON


def _questions(notes: Notes) -> tuple[Question, ...]:
    return tuple(Question(**one) for one in _list(notes, QUESTIONS))


def _answers(notes: Notes) -> tuple[LeftAnswer, ...]:
    return tuple(LeftAnswer(**one) for one in _list(notes, ANSWERS))


def _list(notes: Notes, kind: str) -> Iterable[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(notes.get(kind) or "[]")
    return found


def _with(notes: Notes, kind: str, entries: Sequence[Question | LeftAnswer]) -> Notes:
    rest = {name: said for name, said in notes.items() if name != kind}
    if not entries:
        return rest
    return {**rest, kind: orjson.dumps([asdict(one) for one in entries]).decode()}
