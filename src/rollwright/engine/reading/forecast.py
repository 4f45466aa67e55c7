"""Asking the server what an apply would do, and writing nothing.

Before: ``candidates`` of the planner: objects whose fate only the server can tell.
After: ``make_plan`` reads the forecasts.

All dry runs are good before anything is written (OR-100). Each is sent without force first, so
that fields of other managers show as conflicts; then with force, which is what will happen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rollwright.engine.reading.admission import dry_run, unasked_webhook, unpredicted
from rollwright.engine.reading.permissions import is_denied
from rollwright.engine.writing.immutable import immutable_fields
from rollwright.engine.writing.migrate import after_migration, before_migration
from rollwright.engine.writing.recreatable import check_recreatable
from rollwright.engine.writing.together import together
from rollwright.errors import ApplyConflict, ClusterError, InvalidManifests, Problem
from rollwright.plugins.contracts import ApplyRequest, Cluster
from rollwright.rollouts.change import Forecast, Prediction
from rollwright.rollouts.diff import Conflict
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef
from rollwright.rollouts.ownership.conflicts import ConflictPolicy, adjusted, meet
from rollwright.rollouts.ownership.proposals import Proposal, as_is


async def forecast(
    cluster: Cluster, proposals: Iterable[Proposal | Manifest]
) -> dict[ObjectRef, Forecast]:
    """Return the server's answer for each object; a manifest is proposed as it is.

    Raises:
        InvalidManifests: The server refuses objects; every refusal is told.
        Unreachable: The API server does not answer.
    """
    problems: list[Problem] = []
    hints: list[str] = []

    async def ask(one: Proposal | Manifest) -> tuple[ObjectRef, Forecast | None]:
        proposal = as_is(one) if isinstance(one, Manifest) else one
        try:
            return proposal.ref, await _forecast_one(cluster, proposal)
        except ClusterError as error:
            if is_denied(error):
                raise  # what else is missing is found out once, for everything
            where = str(proposal.origin)
            problems.append(Problem(where=where, path="", message=error.message))
            hints.extend([error.hint] if error.hint else [])
            return proposal.ref, None

    answers = await together(ask(one) for one in proposals)
    if problems:
        raise InvalidManifests(problems, hint=hints[0] if hints else None)
    return {ref: answer for ref, answer in answers if answer is not None}


async def _forecast_one(cluster: Cluster, proposal: Proposal) -> Forecast:
    try:
        answer = await _ask(cluster, _request(proposal, proposal.body, force=False), ())
    except ApplyConflict as refusal:
        answer = await _forced(cluster, proposal, refusal)
    except ClusterError as refusal:
        return before_migration(proposal, refusal)
    if answer.immutable and proposal.live is not None:
        again = _request(proposal, answer.sent or proposal.body, force=True)
        await check_recreatable(cluster, again, proposal.live)
    return await after_migration(cluster, proposal, answer)


async def _forced(cluster: Cluster, proposal: Proposal, refusal: ApplyConflict) -> Forecast:
    """Ask again, with force, for what is sent once every conflict is decided."""
    met = meet(refusal.causes, proposal.body, proposal.live, proposal.policy)
    body = adjusted(proposal.body, proposal.live, met, proposal.taken_over)
    conflicts = tuple(one.conflict for one in met)
    answer = await _ask(cluster, _request(proposal, body, force=True), conflicts)
    return replace(answer, sent=body)


def _request(proposal: Proposal, body: Body, *, force: bool) -> ApplyRequest:
    return ApplyRequest(
        ref=proposal.ref, body=body, manager=proposal.manager, force=force, is_dry_run=True
    )


async def _ask(
    cluster: Cluster, request: ApplyRequest, conflicts: tuple[Conflict, ...]
) -> Forecast:
    try:
        predicted = await dry_run(cluster, request)
    except ApplyConflict:
        raise
    except ClusterError as error:
        if webhook := unasked_webhook(error):
            return unpredicted(webhook, conflicts)
        immutable = immutable_fields(error)
        if not immutable:
            raise
        return Forecast(prediction=Prediction.SERVER, conflicts=conflicts, immutable=immutable)
    return Forecast(prediction=Prediction.SERVER, body=predicted.body, conflicts=conflicts)


def read_conflicts(error: ApplyConflict) -> Iterable[Conflict]:
    """Return field and manager of every cause of a conflict."""
    return (one.conflict for one in meet(error.causes, {}, None, ConflictPolicy()))


__all__ = ["forecast", "immutable_fields", "read_conflicts"]
