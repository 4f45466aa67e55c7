"""The history and the difference of two revisions as JSON: the contract with programs.

Before: ``revisions`` has the values. After: ``history`` and ``diff`` print them with ``-o json``.
"""

from __future__ import annotations

from rollwright.rollouts.machine import forms
from rollwright.rollouts.machine.plans import field_form
from rollwright.rollouts.machine.records import hold_form, revision_form
from rollwright.rollouts.machine.values import API_VERSION, instant, ref_form
from rollwright.rollouts.revisions.history import History, ObjectDifference, RevisionDiff
from rollwright.rollouts.state import AuditEntry


def history_form(history: History) -> forms.HistoryForm:
    """Return what is remembered of the runs as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "History",
        "rollout": history.rollout,
        "cluster": history.cluster,
        "hold": hold_form(history.hold) if history.hold else None,
        "revisions": [revision_form(one) for one in history.revisions],
        "audit": [audit_form(one) for one in history.audit],
    }


def audit_form(entry: AuditEntry) -> forms.AuditForm:
    """Return something that was done beside the runs as JSON."""
    return {
        "at": instant(entry.at),
        "kind": entry.kind,
        "actor": entry.actor,
        "message": entry.message,
    }


def diff_form(diff: RevisionDiff) -> forms.DiffForm:
    """Return how two revisions differ as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Diff",
        "rollout": diff.rollout,
        "cluster": diff.cluster,
        "old": revision_form(diff.old),
        "new": revision_form(diff.new),
        "objects": [_difference(one) for one in diff.objects],
    }


def _difference(one: ObjectDifference) -> forms.ObjectDiffForm:
    return {
        "object": ref_form(one.ref),
        "change": one.kind,
        "fields": [field_form(field) for field in one.fields],
    }
