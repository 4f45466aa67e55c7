"""The fate of an object with the verdict on what is live of it.

Before: ``fates`` decides what an apply does. After: ``planning`` puts the change into a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rollwright.rollouts import health
from rollwright.rollouts.change import Change, Forecast
from rollwright.rollouts.fates import decide
from rollwright.rollouts.guards import why_not_recreated
from rollwright.rollouts.health.table import has_behavior
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Body, Manifest, ObjectRef
from rollwright.rollouts.ownership.proposals import propose
from rollwright.rollouts.recreation import notes_on_recreation
from rollwright.rollouts.selection import is_any_selected
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import InventoryEntry

_IGNORING = (
    ("rollwright.dev/health", "ignore"),
    ("argocd.argoproj.io/ignore-healthcheck", "true"),
)


def fate_of(
    spec: RolloutSpec,
    manifest: Manifest,
    live: LiveSet,
    expected: Mapping[ObjectRef, Forecast],
    entry: InventoryEntry | None,
) -> Change:
    """Return what an apply does to one object, with the verdict on what is live."""
    ref = manifest.ref
    found = live.get(ref)
    proposal = propose(manifest, found, entry, spec.apply, live.scaled)
    change = decide(manifest, found, entry, expected.get(ref), salt=live.salt, proposal=proposal)
    if found is None and not change.writes:
        return change
    if found is None:
        unread = live.unreadable.get(ref)
        why = f"cannot be read now: {unread}" if unread else change.why
        return replace(change, why=why, is_skipped=is_health_skipped(spec, manifest))
    if refusal := why_not_recreated(spec, change):
        change = replace(change, notes=(*change.notes, refusal))
    if more := notes_on_recreation(change):
        change = replace(change, notes=(*change.notes, *more))
    return judged(spec, change, manifest, found, live)


def judged(
    spec: RolloutSpec, change: Change, manifest: Manifest, found: LiveObject, live: LiveSet
) -> Change:
    """Return the change with the verdict on its live object."""
    context = live.contexts.get(change.ref, health.EMPTY)
    body = body_for_verdict(found)
    status = health.compute(body, context, live.read_at)
    is_skipped = is_health_skipped(spec, manifest)
    if status.is_current:
        return replace(change, status=status, is_skipped=is_skipped)
    around = replace(context, wanted=manifest.body)
    waited = health.judge_wait(status, body, around, now=live.read_at)
    is_passed = waited.outcome is health.WaitOutcome.PASSED
    return replace(change, status=status, is_passed=is_passed, is_skipped=is_skipped)


def body_for_verdict(found: LiveObject) -> Body:
    """Return what a verdict needs; the body of a kind without behavior need not be parsed."""
    return found.body if has_behavior(*found.ref.group_kind) else found.outline


def is_health_skipped(spec: RolloutSpec, manifest: Manifest) -> bool:
    """Whether the object's health is left out, by the document or by its annotation (HL-07)."""
    is_ignored = any(manifest.annotations.get(key) == word for key, word in _IGNORING)
    return is_ignored or is_any_selected(spec.health.skip, manifest)
