"""Whatever of a rollout waits for a person: a plan, or a step of a run; and the answer to it.

Before: a run left a request (``approval_notes``), or one of its steps asks (``answers``).
After: the next run, or the run that waits, goes on or does not.

``cli`` and ``library`` look here; what waits in Prefect alone is known to ``flows`` only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rollwright.engine.approval.approval_notes import (
    all_requests,
    read_noted,
    whole_now,
)
from rollwright.engine.approval.deciding import decide, is_named
from rollwright.engine.custody.notes import is_notes
from rollwright.engine.operations import named_spec
from rollwright.engine.site import Site
from rollwright.engine.stepping.answers import Decision, leave_answer, waiting_questions
from rollwright.errors import NotFound, Refused
from rollwright.rollouts.approving import ApprovalRequest, Verdict, brief, is_waiting
from rollwright.rollouts.spec import RolloutSpec

SHORTEST = 8
"""Hex characters of the id of a plan or run that name it well enough."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Something that waits for a person's word.

    Attributes:
        rollout: Of which rollout.
        name: What it is called by, to answer it alone: a plan's id, a flow run's, a run and step.
        words: What waits, for people.
        since_at: Since when.
        plan_id: The plan that waits; empty for a step.
        run: The run, or flow run, that waits.
        step: The step that waits; empty for a plan.
        is_answered: Whether somebody answered, and may think again until the run begins.
    """

    rollout: str
    name: str
    words: str
    since_at: datetime
    plan_id: str = ""
    run: str = ""
    step: str = ""
    is_answered: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.words}, since {self.since_at:%Y-%m-%d %H:%M:%SZ}"


async def waits_of(site: Site, spec: RolloutSpec) -> tuple[Wait, ...]:
    """Return what of a rollout waits for a person."""
    noted, now = await read_noted(site, spec), whole_now()
    asked = await waiting_questions(site, spec)
    plans = [
        _of_request(one, is_answered=not is_waiting(one, noted.decision, now))
        for one in (noted.request,)
        if one is not None and now < one.expires_at
    ]
    steps = (
        Wait(
            rollout=spec.name,
            name=f"{one.run} {one.step}",
            words=f"step {one.step} of run {one.run} asks: {one.question}",
            since_at=datetime.fromisoformat(one.at).astimezone(UTC),
            run=one.run,
            step=one.step,
        )
        for one in asked
    )
    return (*plans, *steps)


def _of_request(request: ApprovalRequest, *, is_answered: bool = False) -> Wait:
    return Wait(
        rollout=request.rollout,
        name=brief(request.plan_id),
        words=f"plan {brief(request.plan_id)} of {request.rollout} ({request.summary})",
        since_at=request.asked_at,
        plan_id=request.plan_id,
        run=request.run,
        is_answered=is_answered,
    )


def is_name(text: str) -> bool:
    """Whether a rollout may be called so."""
    return _NAME.fullmatch(text) is not None


async def find_waits(site: Site, name: str, *, cluster: str = "") -> tuple[Wait, ...]:
    """Return what waits under a name: of a rollout, a plan, a flow run or a run."""
    if is_name(name) and (found := await waits_of(site, named_spec(name, cluster))):
        return found
    if len(name.removeprefix("sha256:")) < SHORTEST:
        return ()
    store = await site.store(named_spec("all", cluster))
    found = tuple(
        _of_request(one)
        for one in await all_requests(store)
        if is_named(name, one.plan_id) or name in {one.run, one.run_name}
    )
    return found or await _waits_of_run(site, name, cluster)


async def _waits_of_run(site: Site, run: str, cluster: str) -> tuple[Wait, ...]:
    store = await site.store(named_spec("all", cluster))
    names = [name for name in await store.list() if not is_notes(name)]
    found: list[Wait] = []
    for name in names:
        waits = await waits_of(site, named_spec(name, cluster))
        found += [one for one in waits if one.step and one.run.startswith(run)]
    return tuple(found)


def the_one(waits: Sequence[Wait], name: str) -> Wait:
    """Return the only one of what waits.

    Raises:
        NotFound: Nothing waits.
        Refused: Several wait; each is listed.
    """
    waits = [one for one in waits if not one.is_answered] or waits
    if not waits:
        raise NotFound(
            f"nothing waits for an answer under {name!r}",
            hint="`rollwright status NAME` shows what waits; a run that needs an approval leaves a"
            " request when it is refused",
        )
    if len(waits) > 1:
        listed = "\n".join(f"  {one}" for one in waits)
        raise Refused(
            f"{name}: several wait for an answer:\n{listed}",
            hint="name one of them as its line begins",
        )
    return waits[0]


async def answer(
    site: Site, spec: RolloutSpec, wait: Wait, verdict: Verdict, *, actor: str, reason: str = ""
) -> str:
    """Answer what waits here; return a sentence that says what was answered.

    Raises:
        NotFound: It waits no longer.
        Refused: Somebody said the same before.
    """
    if wait.step:
        word: Decision = "approve" if verdict is Verdict.APPROVED else "reject"
        return await leave_answer(
            site, spec, decision=word, actor=actor, reason=reason, run_id=wait.run, step=wait.step
        )
    await decide(site, spec, verdict, actor=actor, reason=reason, plan_id=wait.plan_id)
    words = f"{spec.name}: plan {brief(wait.plan_id)} is {verdict}"
    if verdict is Verdict.APPROVED:
        return f"{words}; run it again within the time it has: it will not ask"
    return f"{words}; its next run is refused"


async def answer_only(
    site: Site, spec: RolloutSpec, verdict: Verdict, *, actor: str, reason: str = "", plan: str = ""
) -> str:
    """Answer the only thing that waits of a rollout, or the named plan.

    Raises:
        NotFound: Nothing waits.
        Refused: Several wait, or somebody said the same before.
    """
    waits = await waits_of(site, spec)
    if plan:
        waits = tuple(one for one in waits if one.plan_id and is_named(plan, one.plan_id))
    return await answer(site, spec, the_one(waits, spec.name), verdict, actor=actor, reason=reason)
