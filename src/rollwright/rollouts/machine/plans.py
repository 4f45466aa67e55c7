"""Plans as JSON: the contract with programs.

Before: ``planning`` made a plan.
After: ``-o json`` prints it; ``rollwright schema`` prints the JSON Schema of its form, which stands
in ``forms``.

Values of Secrets are not here: ``diff`` already replaced them by digests.
"""

from __future__ import annotations

from collections import Counter

from rollwright.rollouts.change import Change, Edge, Gate, Operation
from rollwright.rollouts.diff import ABSENT, Conflict, FieldChange
from rollwright.rollouts.machine import forms
from rollwright.rollouts.machine.statuses import object_status_form
from rollwright.rollouts.machine.steps import declared_form
from rollwright.rollouts.machine.values import (
    API_VERSION,
    instant,
    maybe_instant,
    reasons_form,
    ref_form,
)
from rollwright.rollouts.manifest import Manifest
from rollwright.rollouts.plan import Guard, Plan, Step, Wave
from rollwright.rollouts.pruning.effects import Effect
from rollwright.rollouts.steps.carriers import actions_to_run


def plan_form(plan: Plan) -> forms.PlanForm:
    """Return a plan as JSON."""
    form: forms.PlanForm = {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "rollout": plan.rollout,
        "cluster": plan.cluster,
        "clusterId": plan.cluster_id,
        "serverVersion": plan.server_version,
        "id": plan.id,
        "source": plan.source,
        "madeAt": instant(plan.made_at),
        "isDone": plan.is_done,
        "summary": summary_form(plan),
        "guards": [_guard(guard) for guard in plan.guards],
        "waves": [_wave(wave) for wave in plan.waves],
        "kept": reasons_form(plan.kept.items()),
        "forgotten": reasons_form(plan.forgotten.items()),
        "blast": [_effect(effect) for effect in plan.blast],
        "allowed": list(plan.allowed),
        "notes": list(plan.notes),
        "rollback": rollback_form(plan),
    }
    if plan.undo:
        form["undo"] = [_wave(wave) for wave in plan.undo]
    if plan.on_failure:
        form["onFailure"] = [_wave(wave) for wave in plan.on_failure]
    return form


def _effect(effect: Effect) -> forms.EffectForm:
    return {
        "rule": effect.rule,
        "object": ref_form(effect.ref),
        "text": effect.text,
        "counts": dict(effect.counts),
        "isDataLost": effect.is_data_lost,
        "isUnknown": effect.is_unknown,
    }


def rollback_form(plan: Plan) -> forms.RollbackForm | None:
    """Return which revision a plan goes back to as JSON; ``None`` if it goes forward."""
    back = plan.rollback
    return {"revision": back.revision, "reason": back.reason} if back else None


def summary_form(plan: Plan) -> forms.SummaryForm:
    """Return the counts of a plan as JSON."""
    counts = Counter(change.operation for change in plan.changes)
    actions = actions_to_run(plan)
    return {
        "create": counts[Operation.CREATE],
        "update": counts[Operation.UPDATE],
        "adopt": counts[Operation.ADOPT],
        "replace": counts[Operation.REPLACE],
        "prune": counts[Operation.PRUNE],
        "run": len(actions),
        "keep": counts[Operation.KEEP] + (0 if actions else counts[Operation.RUN]),
    }


def _guard(guard: Guard) -> forms.GuardForm:
    return {
        "id": guard.id,
        "limit": guard.limit,
        "value": guard.value,
        "isBreached": guard.is_breached,
        "message": guard.message,
        "waivedBy": guard.waived_by,
        "isWaivable": guard.is_waivable,
    }


def _wave(wave: Wave) -> forms.WaveForm:
    return {"name": wave.name, "steps": [_step(step) for step in wave.steps]}


def _step(step: Step) -> forms.StepForm:
    form: forms.StepForm = {
        "name": step.name,
        "action": step.action,
        "needs": list(step.needs),
        "gates": [_gate(gate) for gate in step.gates],
        "changes": [_change(change) for change in step.changes],
    }
    if step.group:
        form["declared"] = declared_form(step)
    if step.hook is not None:
        form["hook"] = {
            "phase": step.hook.phase,
            "weight": step.hook.weight,
            "object": ref_form(step.hook.ref),
        }
    return form


def _gate(gate: Gate) -> forms.GateForm:
    members = [ref_form(member) for member in gate.members]
    return {"id": gate.id, "rule": gate.rule, "members": members}


def _change(change: Change) -> forms.ChangeForm:
    return {
        "object": ref_form(change.ref),
        "apiVersion": change.api_version,
        "operation": change.operation.value,
        "why": change.why,
        "origin": _origin(change.wanted),
        "live": _live(change),
        "wantedDigest": change.wanted.digest if change.wanted else None,
        "prediction": change.prediction.value,
        "predictedDigest": change.predicted_digest,
        "fields": [field_form(one) for one in change.fields],
        "conflicts": [conflict_form(conflict) for conflict in change.conflicts],
        "takesOver": list(change.taken_over),
        "ignored": list(change.ignored),
        "wave": change.wave,
        "level": change.level,
        "needs": [_edge(edge) for edge in change.needs],
        "gates": list(change.gates),
        "status": object_status_form(change.status) if change.status else None,
        "isImmutable": change.is_immutable,
        "isHealthSkipped": change.is_skipped,
        "isOwned": change.is_owned,
        "propagation": change.propagation,
        "notes": list(change.notes),
    }


def _origin(wanted: Manifest | None) -> forms.OriginForm | None:
    if wanted is None:
        return None
    return {"key": wanted.key, "file": wanted.origin.file, "line": wanted.origin.line}


def _live(change: Change) -> forms.LiveForm | None:
    if not change.live_uid:
        return None
    return {"uid": change.live_uid, "resourceVersion": change.live_resource_version}


def field_form(one: FieldChange) -> forms.FieldForm:
    """Return one field that differs as JSON."""
    form: forms.FieldForm = {"path": one.path}
    if one.old is not ABSENT:
        form["old"] = one.old
    if one.new is not ABSENT:
        form["new"] = one.new
    if one.by:
        form["by"] = one.by
    return form


def conflict_form(conflict: Conflict) -> forms.ConflictForm:
    """Return a field of another manager as JSON."""
    form: forms.ConflictForm = {
        "path": conflict.path,
        "manager": conflict.manager,
        "message": conflict.message,
        "operation": conflict.operation,
        "subresource": conflict.subresource,
        "since": maybe_instant(conflict.since),
        "action": conflict.action,
    }
    if conflict.theirs is not ABSENT:
        form["theirValue"] = conflict.theirs
    if conflict.ours is not ABSENT:
        form["ourValue"] = conflict.ours
    return form


def _edge(edge: Edge) -> forms.EdgeForm:
    return {"object": ref_form(edge.ref), "rule": edge.rule}
