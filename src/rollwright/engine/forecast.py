"""Asking the server what an apply would do, and writing nothing.

Before: ``candidates`` of the planner: objects whose fate only the server can tell.
After: ``make_plan`` reads the forecasts.

All dry runs are good before anything is written (OR-100). Each is sent without force first, so
that fields of other managers show as conflicts; then with force, which is what will happen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rollwright.engine.together import together
from rollwright.errors import ApplyConflict, ClusterError, InvalidManifests, Problem
from rollwright.plugins.contracts import ApplyRequest, Cluster
from rollwright.rollouts.diff import Conflict
from rollwright.rollouts.manifest import Manifest, ObjectRef
from rollwright.rollouts.plan import Forecast, Prediction

_MANAGER = re.compile(r'conflict with "([^"]*)"')
_IMMUTABLE_REASONS = frozenset({"FieldValueForbidden", "FieldValueInvalid"})
_IMMUTABLE_WORDS = re.compile(
    r"immutable|updates to .* are forbidden|(may not|cannot) (be changed|change)", re.IGNORECASE
)


async def forecast(cluster: Cluster, manifests: Iterable[Manifest]) -> dict[ObjectRef, Forecast]:
    """Return the server's answer for each object.

    Raises:
        InvalidManifests: The server refuses objects; every refusal is told.
        Unreachable: The API server does not answer.
    """
    problems: list[Problem] = []
    hints: list[str] = []

    async def ask(manifest: Manifest) -> tuple[ObjectRef, Forecast | None]:
        try:
            return manifest.ref, await _forecast_one(cluster, manifest)
        except ClusterError as error:
            where = str(manifest.origin)
            problems.append(Problem(where=where, path="", message=error.message))
            hints.extend([error.hint] if error.hint else [])
            return manifest.ref, None

    answers = await together(ask(manifest) for manifest in manifests)
    if problems:
        raise InvalidManifests(problems, hint=hints[0] if hints else None)
    return {ref: answer for ref, answer in answers if answer is not None}


async def _forecast_one(cluster: Cluster, manifest: Manifest) -> Forecast:
    request = ApplyRequest(ref=manifest.ref, body=manifest.body, force=False, is_dry_run=True)
    try:
        return await _ask(cluster, request, ())
    except ApplyConflict as conflict:
        conflicts = tuple(read_conflicts(conflict))
    forced = ApplyRequest(ref=manifest.ref, body=manifest.body, force=True, is_dry_run=True)
    return await _ask(cluster, forced, conflicts)


async def _ask(
    cluster: Cluster, request: ApplyRequest, conflicts: tuple[Conflict, ...]
) -> Forecast:
    try:
        predicted = await cluster.apply(request)
    except ApplyConflict:
        raise
    except ClusterError as error:
        immutable = immutable_fields(error)
        if not immutable:
            raise
        return Forecast(prediction=Prediction.SERVER, conflicts=conflicts, immutable=immutable)
    return Forecast(prediction=Prediction.SERVER, body=predicted.body, conflicts=conflicts)


def read_conflicts(error: ApplyConflict) -> Iterable[Conflict]:
    """Return field and manager of every cause of a conflict."""
    for cause in error.causes:
        if found := _MANAGER.search(cause.message):
            path = cause.field.removeprefix(".")
            yield Conflict(path=path, manager=found[1], message=cause.message)


def immutable_fields(error: ClusterError) -> tuple[str, ...]:
    """Return what the server says of fields that cannot change in place (AP-55).

    Decided by the structured causes; a pattern on the whole text would also match innocent
    words of a webhook. The value that the server quotes before its reason is left out.
    """
    if error.status != 422:
        return ()
    return tuple(
        f"{cause.field}: {cause.message.rpartition(': ')[2]}"
        for cause in error.causes
        if cause.reason in _IMMUTABLE_REASONS and _IMMUTABLE_WORDS.search(cause.message)
    )
