"""What holds for objects of any kind: the steps around the rule of a kind (HL-11..22).

Each function is one step; it returns nothing when it does not decide.
"""

from __future__ import annotations

from rollwright.rollouts.health.ownership import writers_of
from rollwright.rollouts.health.subject import (
    Condition,
    Finding,
    Subject,
    after_window,
    current,
    from_condition,
    in_progress,
)
from rollwright.rollouts.manifest import Body
from rollwright.rollouts.status import HealthWarning, Status


def paused(s: Subject) -> Finding | None:
    """HL-12: a paused Deployment is Suspended, whatever its controller has seen."""
    if s.ref.kind != "Deployment" or not s.spec.get("paused"):
        return None
    if s.ref.group not in {"apps", "extensions"}:
        return None
    return Finding(Status.SUSPENDED, "paused", "Paused", "Deployment paused")


def not_observed(s: Subject) -> Finding | None:
    """HL-13: the controller has not seen the present spec."""
    observed = s.status.get("observedGeneration")
    generation = s.metadata.get("generation")
    if observed is None or generation is None or same_number(observed, generation):
        return None
    words = f"generation {generation} is not observed yet, the last one seen is {observed}"
    return in_progress("generation", "LatestGenerationNotObserved", words)


def same_number(left: object, right: object) -> bool:
    """Whether two generations are equal; some kinds store theirs as text (HL-27)."""
    if left == right:
        return True
    try:
        return int(str(left)) == int(str(right))
    except ValueError:
        return False


def is_stale(condition: Condition, generation: object) -> bool:
    """Whether a condition speaks of an older generation (HL-26)."""
    observed = condition.get("observedGeneration")
    if observed is None or generation is None:
        return False
    return not same_number(observed, generation)


def reconciling(s: Subject) -> Finding | None:
    """HL-15 and HL-16: kstatus' two conditions for controllers that know it."""
    for name, status in (("Reconciling", Status.IN_PROGRESS), ("Stalled", Status.FAILED)):
        condition = s.conditions.get(name)
        if condition is not None and condition.get("status") == "True":
            return _stale(s, condition) or from_condition(status, name.lower(), condition)
    return None


def ready(s: Subject) -> Finding | None:
    """HL-18 and HL-19: the condition Ready."""
    condition = s.conditions.get("Ready")
    if condition is None:
        return None
    stale = _stale(s, condition)
    if stale is not None:
        return stale
    status = Status.CURRENT if condition.get("status") == "True" else Status.IN_PROGRESS
    return from_condition(status, "ready", condition)


def _stale(s: Subject, condition: Condition) -> Finding | None:
    """A condition of an older generation only tells that the present one is not seen yet."""
    if not is_stale(condition, s.metadata.get("generation")):
        return None
    words = f"condition {condition['type']} speaks of an older generation"
    return in_progress("generation", "LatestGenerationNotObserved", words)


def silent(s: Subject) -> Finding | None:
    """HL-20 and HL-21: a custom kind whose schema promises a status, and there is none."""
    if s.status or not s.context.crd_schema_declares_status:
        return None
    born, window = s.created_at, s.options.windows.status
    words = "its controller has not reported a status yet"
    waits = in_progress("status", "NoStatusReported", words)
    found = after_window(waits, born, window, s)
    if found is not waits:
        return found
    text = "its schema declares a status, but no controller has reported one"
    warnings = (HealthWarning(code="NoStatusReported", text=text),)
    return Finding(Status.CURRENT, "status", "NoStatusReported", text, warnings=warnings)


def default(_: Subject) -> Finding:
    """HL-22: nothing decided."""
    return _DEFAULT


_DEFAULT = current("default")


def declares_status(definition: Body, version: str | None = None) -> bool:
    """Whether a CustomResourceDefinition's schema declares conditions or observedGeneration.

    Args:
        definition: The definition.
        version: The version the object was read in; without it any served version counts.
    """
    spec = definition.get("spec") or {}
    schemas = [
        (one.get("schema") or spec.get("validation") or {}).get("openAPIV3Schema") or {}
        for one in spec.get("versions") or ({"name": spec.get("version")},)
        if version in {None, one.get("name")}
    ]
    return any(_declares(schema) for schema in schemas)


def _declares(schema: Body) -> bool:
    status = (schema.get("properties") or {}).get("status") or {}
    return not {"conditions", "observedGeneration"}.isdisjoint(status.get("properties") or {})


def suspender(s: Subject) -> str:
    """Name who suspended an object, from managedFields; empty when that is not known (HL-03)."""
    for field in ("f:paused", "f:suspend"):
        writer = next(writers_of(s.metadata, "f:spec", field), None)
        if writer is not None:
            return f"by {writer}"
    return ""
