"""Taking over the fields of other managers: what it will do, and doing it (AP-45 to AP-47a).

Before: the plan says whose fields become ours; ``objects`` is about to apply.
After: the apply removes what the manifest does not hold, and nobody else keeps it alive.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rollwright.engine.run import Run
from rollwright.engine.writing.immutable import immutable_fields
from rollwright.engine.writing.pinned import why_other
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import Cluster, GetRequest, PatchRequest
from rollwright.rollouts.change import Change, Forecast, Operation, Prediction
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.ownership.proposals import Proposal

ATTEMPTS = 5
"""How often the patch is made anew because the object changed meanwhile."""

_UNDECLARED = "field not declared in schema"
_MOVED = frozenset({409, 422})
_IDENTITY = frozenset({"apiVersion", "kind", "metadata", "status"})


async def after_migration(cluster: Cluster, proposal: Proposal, answer: Forecast) -> Forecast:
    """Return the server's answer with what the migration changes of it.

    A dry run knows nothing of a migration, so fields that lose their last owner are taken out of
    its answer. The server may have defaults for them: it is asked what it makes of the rest.
    """
    live, migration, body = proposal.live, proposal.migration, answer.body
    if live is None or migration is None or body is None:
        return answer
    predicted = migration.predict(live, body)
    try:
        if predicted != body:
            predicted = await _with_defaults(cluster, proposal, live, predicted)
    except ClusterError as error:
        # What loses its last owner may be a field that cannot change in place.
        if immutable := immutable_fields(error):
            return replace(answer, body=None, immutable=immutable)
    return replace(answer, prediction=Prediction.SERVER_MIGRATION, body=predicted)


def before_migration(proposal: Proposal, refusal: ClusterError) -> Forecast:
    """Return that nothing can be predicted before our entries name the new API version (AP-48).

    Raises:
        ClusterError: The refusal, if it has any other reason.
    """
    live, migration = proposal.live, proposal.migration
    is_old = live is not None and migration is not None and migration.is_of_old_version(live)
    if not is_old or _UNDECLARED not in refusal.message:
        raise refusal
    words = "not predicted: it was applied in an older version of its API, whose schema differs"
    return Forecast(prediction=Prediction.NONE, notes=(words,))


async def _with_defaults(
    cluster: Cluster, proposal: Proposal, live: LiveObject, predicted: Body
) -> Body:
    request = PatchRequest(
        ref=proposal.ref,
        api_version=proposal.api_version,
        operations=tuple(_rewriting(live.body, predicted)),
        is_dry_run=True,
    )
    found = await cluster.patch(request)
    metadata = {
        **found.body["metadata"],
        "managedFields": (predicted.get("metadata") or {}).get("managedFields") or [],
    }
    return {**found.body, "metadata": metadata}


def _rewriting(live: Body, predicted: Body) -> list[dict[str, Any]]:
    """Return the operations that make one object of another, but for what only the server writes."""
    operations = _parts("", live, predicted, {*live, *predicted} - _IDENTITY)
    before, after = live.get("metadata") or {}, predicted.get("metadata") or {}
    return operations + _parts("/metadata", before, after, {"labels", "annotations"})


def _parts(place: str, before: Body, after: Body, keys: set[str]) -> list[dict[str, Any]]:
    operations: list[dict[str, Any]] = []
    for key in sorted(keys):
        path = f"{place}/{key.replace('~', '~0').replace('/', '~1')}"
        if key in after and before.get(key) != after[key]:
            # NB: adding a member that exists replaces it (RFC 6902, 4.1).
            operations.append({"op": "add", "path": path, "value": after[key]})
        elif key in before and key not in after:
            operations.append({"op": "remove", "path": path})
    return operations


async def after_migration_of(run: Run, change: Change) -> Change:
    """Make the fields of other managers ours; return the change as it stands after that.

    The patch is good for one version of the object only. If somebody else writes in between, it
    is made anew of what is there then.

    Raises:
        LockLost: Our lease may be gone.
        ClusterError: The server refuses, or the object changes all the time.
    """
    if change.migration is None or change.operation is Operation.REPLACE:
        return change
    refused, version = ClusterError(f"{change.ref}: its live object changes too often"), ""
    for _ in range(ATTEMPTS):
        live = await run.cluster.get(GetRequest(ref=change.ref, api_version=change.api_version))
        if live is None or live.uid != change.live_uid or why_other(run, change, live):
            return change  # the apply says so
        if live.resource_version == version:
            break
        version = live.resource_version
        operations = change.migration.patch(live)
        if not operations:
            return change
        run.lock.check()
        try:
            return _after(run, change, await run.cluster.patch(_patch(change, operations)))
        except ClusterError as error:
            if error.status not in _MOVED:
                raise
            refused = error
    raise refused


def _after(run: Run, change: Change, live: LiveObject) -> Change:
    return replace(
        change,
        live_resource_version=live.resource_version,
        live_digest=live.keyed(run.salt).declared_digest,
    )


def _patch(change: Change, operations: tuple[Any, ...]) -> PatchRequest:
    return PatchRequest(
        ref=change.ref,
        api_version=change.api_version,
        operations=operations,
        manager=change.manager,
    )
