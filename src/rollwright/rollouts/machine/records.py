"""What a state remembers as JSON: revisions, an open journal, a hold, a mark of deletion.

Before: ``state`` holds the records. After: ``statuses``, ``history`` and ``state`` show them.
"""

from __future__ import annotations

from collections.abc import Iterable

from rollwright.rollouts.machine import forms
from rollwright.rollouts.machine.values import API_VERSION, instant, ref_form, seconds_between
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.state import Hold, Journal, Removal, Revision


def removed_form(
    rollout: str, action: str, message: str, refs: Iterable[ObjectRef], removal: Removal | None
) -> forms.RemovedForm:
    """Return what became of a rollout that was marked, freed or forgotten as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Removal",
        "rollout": rollout,
        "action": action,
        "message": message,
        "objects": [ref_form(ref) for ref in refs],
        "removal": removal_form(removal) if removal else None,
    }


def removal_form(removal: Removal) -> forms.RemovalForm:
    """Return the mark of a rollout that is to be deleted as JSON."""
    return {
        "planId": removal.plan_id,
        "actor": removal.actor,
        "markedAt": instant(removal.marked_at),
        "dueAt": instant(removal.due_at),
        "protectedDueAt": instant(removal.protected_due_at),
    }


def revision_form(revision: Revision) -> forms.RevisionForm:
    """Return one run of the history as JSON."""
    return {
        "number": revision.number,
        "source": revision.source,
        "digest": revision.digest,
        "outcome": revision.outcome,
        "actor": revision.actor,
        "startedAt": instant(revision.started_at),
        "endedAt": instant(revision.ended_at),
        "durationSeconds": seconds_between(revision.started_at, revision.ended_at),
        "kind": revision.kind,
        "planId": revision.plan_id,
        "rolledBackTo": revision.rolled_back_to or None,
        "message": revision.message,
        "isKept": bool(revision.snapshot),
        "url": revision.url,
    }


def journal_form(journal: Journal) -> forms.InterruptedForm:
    """Return a run that has not ended as JSON."""
    return {
        "runId": journal.run_id,
        "planId": journal.plan_id,
        "owner": journal.owner,
        "token": journal.token,
        "startedAt": instant(journal.started_at),
        "planned": [ref_form(ref) for ref in journal.planned],
        "digest": journal.digest,
        "rolledBackTo": journal.rolled_back_to or None,
        "url": journal.url,
    }


def hold_form(hold: Hold) -> forms.HoldForm:
    """Return why a rollout is frozen as JSON."""
    return {
        "reason": hold.reason,
        "actor": hold.actor,
        "since": instant(hold.since_at),
        "source": hold.source,
        "revision": hold.revision or None,
        "badDigests": sorted(hold.bad_digests),
    }
