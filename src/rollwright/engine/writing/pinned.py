"""Writes of a plan that was verified: each names the version it was compared with (VR-07).

Before: ``verification`` found every object as it was when the plan was saved.
After: the object is written, or the change fails because it is no longer the approved one.

A status that moves meanwhile gives an object a new version: it is read again, compared and tried
again. A plan that is carried out as soon as it is made names the UID only.
"""

from __future__ import annotations

from dataclasses import replace

from rollwright.engine.run import Run
from rollwright.errors import ApplyConflict, ClusterError
from rollwright.plugins.contracts import ApplyRequest, GetRequest
from rollwright.rollouts.change import Change
from rollwright.rollouts.live import LiveObject

ATTEMPTS = 10
"""How often an object that moves under our hands is looked at again."""

_CONFLICT = 409


async def apply_pinned(run: Run, change: Change, request: ApplyRequest) -> LiveObject:
    """Apply an object, if it is the one that was verified.

    Raises:
        ClusterError: The server refuses, the object is another one than was approved, or it
            changes too often.
    """
    if not run.plan.is_pinned or not request.uid:
        return await run.cluster.apply(request)
    version = change.live_resource_version
    for _ in range(ATTEMPTS):
        try:
            return await run.cluster.apply(replace(request, resource_version=version))
        except ClusterError as error:
            if error.status != _CONFLICT or isinstance(error, ApplyConflict):
                raise
        version = await _version_of_same(run, change)
    raise ClusterError(
        f"{change.ref}: its live object changes too often: {ATTEMPTS} applies met a newer version",
        status=_CONFLICT,
        reason="LiveChangedTooOften",
        hint="see who writes it: `kubectl get … --show-managed-fields`; then carry the plan out again",
    )


async def check_pinned(run: Run, change: Change) -> None:
    """Look again at an object that is about to be deleted and created anew.

    Raises:
        ClusterError: It is another one than was approved.
    """
    if not run.plan.is_pinned or not change.live_uid:
        return
    found = await run.cluster.get(GetRequest(ref=change.ref, api_version=change.api_version))
    if found is not None and (why := why_other(run, change, found)):
        raise _no_longer(change, why)


async def _version_of_same(run: Run, change: Change) -> str:
    """Return the version of the object as it is now, if only its status moved."""
    found = await run.cluster.get(GetRequest(ref=change.ref, api_version=change.api_version))
    why = "was deleted meanwhile" if found is None else why_other(run, change, found)
    if found is None or why:
        raise _no_longer(change, why)
    return found.resource_version


def _no_longer(change: Change, why: str) -> ClusterError:
    return ClusterError(
        f"{change.ref}: the approved diff no longer matches: it {why}",
        status=_CONFLICT,
        reason="ApprovedDiffNoLongerMatches",
        hint="make a new plan",
    )


def why_other(run: Run, change: Change, found: LiveObject) -> str:
    """Return why a live object is not the one that was verified; empty if it is."""
    if not run.plan.is_pinned or not change.live_uid:
        return ""
    if found.uid != change.live_uid:
        return "was deleted and created again meanwhile"
    if found.resource_version == change.live_resource_version or not change.live_digest:
        return ""
    digest = found.keyed(run.salt).declared_digest
    return "" if digest == change.live_digest else "was changed meanwhile"
