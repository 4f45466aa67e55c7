"""Drift as JSON, for programs: the form ``Drift`` of ``forms``.

Before: ``drift`` found what differs. After: ``-o json`` prints it.
"""

from __future__ import annotations

from rollwright.rollouts.diff import ABSENT
from rollwright.rollouts.drift.fields import FieldDrift
from rollwright.rollouts.drift.find import Drift, ObjectDrift
from rollwright.rollouts.drift.holders import Holder
from rollwright.rollouts.machine import forms
from rollwright.rollouts.machine.values import API_VERSION, instant, ref_form


def drift_form(drift: Drift) -> forms.DriftForm:
    """Return what differs of a rollout as JSON."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Drift",
        "rollout": drift.rollout,
        "cluster": drift.cluster,
        "revision": drift.revision,
        "source": drift.source,
        "readAt": instant(drift.read_at),
        "isDrifted": drift.is_drifted,
        "objectCount": drift.object_count,
        "objects": [_object(one) for one in drift.objects],
        "notes": list(drift.notes),
    }


def _object(one: ObjectDrift) -> forms.ObjectDriftForm:
    return {
        "object": ref_form(one.ref),
        "drift": one.kind.value,
        "message": one.message,
        "changedBy": _holder(one.holder),
        "fields": [_field(field) for field in one.fields],
    }


def _field(one: FieldDrift) -> forms.FieldDriftForm:
    form: forms.FieldDriftForm = {
        "path": one.path,
        "isLost": not one.is_ours,
        "changedBy": _holder(one.holder),
    }
    if one.old is not ABSENT:
        form["old"] = one.old
    if one.new is not ABSENT:
        form["new"] = one.new
    return form


def _holder(holder: Holder) -> forms.HolderForm | None:
    if not holder.manager and holder.at is None:
        return None
    return {
        "manager": holder.manager,
        "operation": holder.operation,
        "subresource": holder.subresource,
        "at": instant(holder.at) if holder.at else None,
    }
