"""Approvals by note: asked for where nobody is to answer, given from anywhere, used once.

Before: a plan needs an approval (policy, a waivable guard, the number of deletes), and there is
nobody to ask. The run ends refused, and leaves what it asked for beside the rollout's state.
After: ``rollwright approve`` or ``reject`` leaves the decision beside it. The next run whose plan
has exactly that id is carried out; it writes the decision into the audit trail under the lock, in
the very write that opens the journal, and takes the note away.

A decision names the plan's id and the cluster, and expires (``[approvals] expires``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from rollwright.engine.custody.notes import Notes, change_notes, is_notes, read_notes
from rollwright.engine.progress import Note
from rollwright.engine.site import Site
from rollwright.errors import ApprovalNeeded, Refused, RolloutError, excerpt
from rollwright.plugins.contracts import LockOwner, StateStore
from rollwright.rollouts.approving import (
    ApprovalDecision,
    ApprovalRequest,
    Verdict,
    about_former,
    brief,
    is_begun,
    is_recorded,
    is_waiting,
    said,
    with_decision,
)
from rollwright.rollouts.describe.plans import summary
from rollwright.rollouts.plan import Plan
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.trigger import Trigger

Approve = Callable[[Site, RolloutSpec, Plan], Awaitable[None]]
"""The stage that returns if a plan may be carried out."""

REQUEST = "approval"
"""The kind of note that says which plan waits."""

DECISION = "decision"
"""The kind of note that says what somebody decided about it."""

REASON_LENGTH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What is noted of approvals: what was asked last, and what was decided last."""

    request: ApprovalRequest | None = None
    decision: ApprovalDecision | None = None


# ------------------------------------------------------------------ the run that asks


async def agree(
    site: Site, spec: RolloutSpec, plan: Plan, trigger: Trigger, approve: Approve
) -> None:
    """Return if the plan may be carried out; if it lacks an approval, leave a request for one.

    Args:
        site: The installation.
        spec: What was declared.
        plan: What would happen.
        trigger: What set the run off.
        approve: The stage of the run that says whether it may.

    Raises:
        ApprovalNeeded: Nobody has decided about the plan yet; it is noted that it waits.
        Refused: A guard is breached, the plan was rejected, or the rollout is suspended.
    """
    try:
        await approve(site, spec, plan)
    except ApprovalNeeded as needed:
        if not await leave_request(site, spec, request_for(site, plan, trigger, needed.reason)):
            raise
        raise _asked(needed, spec, plan) from None


def _asked(needed: ApprovalNeeded, spec: RolloutSpec, plan: Plan) -> ApprovalNeeded:
    """Return the refusal of a run that left a request: with what is to be said now."""
    answer = f"`rollwright approve {spec.name}` approves plan {brief(plan.id)}"
    hint = f"{answer}; {needed.hint}" if needed.hint else answer
    return ApprovalNeeded(needed.message, reason=needed.reason, hint=hint)


async def settle(site: Site, spec: RolloutSpec, plan: Plan, needed: ApprovalNeeded) -> None:
    """Return if somebody approved exactly this plan, and no run has used that yet.

    Args:
        site: The installation.
        spec: What was declared.
        plan: What would happen.
        needed: What is raised when nobody has decided.

    Raises:
        Refused: The plan was rejected.
        ApprovalNeeded: Nobody has decided about it yet.
    """
    noted, now, expires = await read_noted(site, spec), datetime.now(UTC), expiry(site)
    state = await (await site.store(spec)).load(spec.name)
    if is_begun(state, plan, now, expires):
        return
    decision = noted.decision
    if decision is not None and decision.is_for(plan) and decision.is_fresh(now, expires):
        if not decision.is_approval:
            await _record_rejection(site, spec, decision)
            raise rejection(spec, plan, decision)
        if not is_recorded(state, decision):
            return
        await consume(site, spec, plan)
    words = about_former(decision, plan)
    message = f"{needed.message}; {words}" if words else needed.message
    raise ApprovalNeeded(message, reason=needed.reason, hint=needed.hint)


def rejection(spec: RolloutSpec, plan: Plan, decision: ApprovalDecision) -> Refused:
    """Return the refusal of a plan that somebody rejected: with who and why."""
    return Refused(
        f"{spec.name}: plan {brief(plan.id)} was {said(decision)}",
        hint=f"change the rollout, or say `rollwright approve {spec.name}` if it is right after all",
    )


def request_for(site: Site, plan: Plan, trigger: Trigger, reason: str) -> ApprovalRequest:
    """Return the request for an approval of a plan."""
    now = whole_now()
    return ApprovalRequest(
        rollout=plan.rollout,
        plan_id=plan.id,
        cluster_id=plan.cluster_id,
        reason=excerpt(reason, REASON_LENGTH),
        summary=summary(plan),
        revision=plan.source,
        trigger=trigger.kind,
        asked_at=now,
        asked_by=trigger.actor,
        expires_at=now + expiry(site),
        run=trigger.id,
    )


async def leave_request(site: Site, spec: RolloutSpec, request: ApprovalRequest) -> bool:
    """Note that a plan waits for an approval; return whether that could be noted.

    The key of the digests of Secrets is kept from now on: they are part of the plan's id, and
    the next run has to find the same one.
    """
    try:
        await site.keep_salt(spec)
        await change_notes(site, spec, lambda notes: _with_request(notes, request))
    except RolloutError as error:
        site.tell(Note(f"{spec.name}: no approval can be asked for: {error.message}"))
        return False
    return True


def _with_request(notes: Notes, request: ApprovalRequest) -> Notes:
    """Return the notes with the request; what waits for the same plan goes on waiting."""
    former = noted_in(notes).request
    if former is not None and request.asked_at < former.expires_at:
        is_same = (former.plan_id, former.cluster_id) == (request.plan_id, request.cluster_id)
        if is_same and request.run_name in {"", former.run_name}:
            return notes
    return {**notes, REQUEST: text_of(request)}


# ------------------------------------------------------------------ the run that goes on


async def decision_of(site: Site, spec: RolloutSpec, plan: Plan) -> ApprovalDecision | None:
    """Return what somebody decided about exactly this plan, if it still counts."""
    decision = (await read_noted(site, spec)).decision
    if decision is None or not decision.is_for(plan):
        return None
    return decision if decision.is_fresh(datetime.now(UTC), expiry(site)) else None


async def decision_to_use(site: Site, spec: RolloutSpec, plan: Plan) -> ApprovalDecision | None:
    """Return the decision that a run is begun with, looked up again under its lock.

    Raises:
        Refused: Somebody rejected the plan meanwhile.
    """
    decision = await decision_of(site, spec, plan)
    if decision is not None and not decision.is_approval:
        raise rejection(spec, plan, decision)
    return decision


async def consume(site: Site, spec: RolloutSpec, plan: Plan) -> None:
    """Take away what is noted of a plan whose run has begun; the audit trail has it now."""

    def without(notes: Notes) -> Notes:
        noted = noted_in(notes)
        used = {
            kind
            for kind, one in ((REQUEST, noted.request), (DECISION, noted.decision))
            if one is not None and one.is_for(plan)
        }
        return {kind: text for kind, text in notes.items() if kind not in used}

    try:
        await change_notes(site, spec, without)
    except RolloutError as error:
        # The audit trail says that it was used, so it is good for nothing any more.
        site.tell(Note(f"{spec.name}: the used approval stays noted: {error.message}"))


async def _record_rejection(site: Site, spec: RolloutSpec, decision: ApprovalDecision) -> None:
    """Write a rejection into the audit trail, once; the refusal itself is what matters.

    It stays noted until it expires, so that the same plan is refused again.
    """
    with suppress(RolloutError):
        store = await site.store(spec)
        if is_recorded(state := await store.load(spec.name), decision) or state is None:
            return
        owner = LockOwner(id=decision.at.isoformat(), actor=decision.actor, operation="rejection")
        locks = await site.locks(spec)
        async with locks.hold(spec.name, owner=owner, wait=timedelta()) as lock:
            state = await store.load(spec.name)
            if state is not None and not is_recorded(state, decision):
                lock.check()
                await store.save(with_decision(state, decision), after=state.version)


async def put_decision(site: Site, spec: RolloutSpec, decision: ApprovalDecision) -> None:
    """Note what somebody decided elsewhere, about a plan that was in front of them."""
    await change_notes(site, spec, lambda notes: {**notes, DECISION: text_of(decision)})


# ------------------------------------------------------------------ who looks


async def waiting_request(site: Site, spec: RolloutSpec) -> ApprovalRequest | None:
    """Return the plan that waits for an approval of a rollout; ``None`` if none does."""
    noted = await read_noted(site, spec)
    return noted.request if is_waiting(noted.request, noted.decision, whole_now()) else None


async def all_requests(store: StateStore) -> tuple[ApprovalRequest, ...]:
    """Return what was asked last of every rollout in a store, and has not expired."""
    found: list[ApprovalRequest] = []
    for name in await store.list():
        state = await store.load(name) if is_notes(name) else None
        request = noted_in(state.extra).request if state else None
        if request is not None and whole_now() < request.expires_at:
            found.append(request)
    return tuple(found)


async def read_noted(site: Site, spec: RolloutSpec) -> Noted:
    """Return what is noted of approvals of a rollout."""
    return noted_in(await read_notes(site, spec))


def expiry(site: Site) -> timedelta:
    """Return how long a request waits, and a decision counts (PL-23)."""
    return site.loaded.file.approvals.expires


# ------------------------------------------------------------------ as JSON


def noted_in(notes: Notes) -> Noted:
    """Return what notes say of approvals; a text that is none counts as nothing."""
    request = _read(notes.get(REQUEST), ("asked_at", "expires_at"))
    decision = _read(notes.get(DECISION), ("at",))
    with suppress(TypeError, ValueError):
        return Noted(
            request=ApprovalRequest(**request) if request else None,
            decision=_decision(decision) if decision else None,
        )
    return Noted()


def _decision(fields: Mapping[str, Any]) -> ApprovalDecision:
    return ApprovalDecision(**{**fields, "decision": Verdict(fields.get("decision", ""))})


def _read(text: str | None, instants: tuple[str, ...]) -> dict[str, Any] | None:
    with suppress(TypeError, ValueError, KeyError, AttributeError):
        fields: dict[str, Any] = orjson.loads(text or "null")
        for name in instants:
            fields[name] = datetime.fromisoformat(fields[name]).astimezone(UTC)
        return fields
    return None


def text_of(one: ApprovalRequest | ApprovalDecision) -> str:
    """Return the text of a note."""
    return orjson.dumps(asdict(one), option=orjson.OPT_SORT_KEYS).decode()


def whole_now() -> datetime:
    """Return the present instant in whole seconds, as every store gives it back."""
    return datetime.now(UTC).replace(microsecond=0)
