"""Kinds that control others: autoscalers, budgets, definitions, namespaces (HL-110..124)."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from rollwright.rollouts.health.deletion import terminating
from rollwright.rollouts.health.subject import (
    Condition,
    Finding,
    Subject,
    after_window,
    by_type,
    current,
    from_condition,
    in_progress,
    latest,
    text_of,
)
from rollwright.rollouts.status import HealthWarning, Status

HPA_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"

_SCALE_FAILURES = frozenset({"FailedGetScale", "FailedUpdateScale"})
_METRIC_FAILURES = frozenset(
    {
        "FailedGetResourceMetric",
        "FailedGetObjectMetric",
        "FailedGetPodsMetric",
        "FailedGetExternalMetric",
        "FailedComputeMetricsReplicas",
        "InvalidSelector",
    }
)


def autoscaler(s: Subject) -> Finding:
    """Judge a HorizontalPodAutoscaler."""
    conditions = _hpa_conditions(s)
    able, active = conditions.get("AbleToScale") or {}, conditions.get("ScalingActive") or {}
    if able.get("reason") in _SCALE_FAILURES:
        return _metrics_window(s, able)
    if active.get("reason") in _METRIC_FAILURES:
        return _metrics_window(s, active)
    for condition in (able, conditions.get("ScalingLimited") or {}):
        if condition.get("status") == "True":
            return current("able", text_of(condition))
    return in_progress("able", "WaitingToAutoscale", "Waiting to Autoscale")


def _hpa_conditions(s: Subject) -> Mapping[str, Condition]:
    """HL-113: autoscaling/v1 keeps the conditions in an annotation."""
    if s.conditions or HPA_CONDITIONS not in s.annotations:
        return s.conditions
    return by_type(orjson.loads(s.annotations[HPA_CONDITIONS]))


def _metrics_window(s: Subject, condition: Condition) -> Finding:
    """HL-112: in their first minutes metrics are missing without anybody's fault."""
    finding = from_condition(Status.FAILED, "metrics", condition)
    start = latest(s.created_at, s.context.target_rolled_out_at, finding.since)
    waits = after_window(finding, start, s.options.windows.hpa_metrics, s)
    if waits.status is Status.FAILED:
        return finding
    words = f"waiting for metrics: {finding.message}"
    return Finding(
        waits.status, "metrics", "WaitingForMetrics", words, waits.since, waits.recheck_at
    )


def disruption_budget(s: Subject) -> Finding:
    """Judge a PodDisruptionBudget."""
    for condition in s.conditions.values():
        if condition.get("status") == "False" and condition.get("reason") != "InsufficientPods":
            return from_condition(Status.FAILED, "condition", condition)
    if s.status.get("observedGeneration") is None:
        return in_progress("observed", "NotObserved", "its controller has not looked at it yet")
    words = f"{s.count('disruptionsAllowed')} disruptions allowed"
    short = [one for one in s.conditions.values() if one.get("reason") == "InsufficientPods"]
    warnings = tuple(
        HealthWarning(code="InsufficientPods", text=text_of(one))
        for one in short
        if one.get("status") == "False"
    )
    return Finding(Status.CURRENT, "ready", message=words, warnings=warnings)


def definition(s: Subject) -> Finding:
    """Judge a CustomResourceDefinition."""
    names = s.conditions.get("NamesAccepted") or {}
    established = s.conditions.get("Established") or {}
    schema = s.conditions.get("NonStructuralSchema") or {}
    if names.get("status") == "False":
        return from_condition(Status.FAILED, "names", names)
    if established.get("status") == "False" and established.get("reason") != "Installing":
        return from_condition(Status.FAILED, "established", established)
    if established.get("status") != "True":
        words = str(established.get("message") or "the definition is not established yet")
        return in_progress("established", "NotEstablished", words)
    if schema.get("status") == "True":
        return from_condition(Status.FAILED, "schema", schema)
    return current("established", "the definition is established")


def api_service(s: Subject) -> Finding:
    """Judge an APIService."""
    available = s.conditions.get("Available")
    if available is None:
        return in_progress("available", "NotAvailable", "not available yet")
    if available.get("status") == "True":
        return current("available", "the API is available")
    return from_condition(Status.IN_PROGRESS, "available", available)


def namespace(s: Subject) -> Finding:
    """Judge a Namespace."""
    if s.status.get("phase") == "Terminating":
        return terminating(s)
    return current("phase", "phase Active")


def admission_policy(s: Subject) -> Finding:
    """Judge a ValidatingAdmissionPolicy; its type checker only warns."""
    found = (s.status.get("typeChecking") or {}).get("expressionWarnings") or ()
    warnings = tuple(
        HealthWarning(
            code="TypeCheckingWarning",
            text=" ".join(f"{one.get('fieldRef')}: {one.get('warning')}".split()),
        )
        for one in found
    )
    words = f"type warnings: {len(warnings)}" if warnings else ""
    return Finding(Status.CURRENT, "type-checking", message=words, warnings=warnings)


def without_behavior(_: Subject) -> Finding:
    """Judge a kind that has no behavior of its own: to exist is enough (HL-124)."""
    return _EXISTS


_EXISTS = Finding(Status.CURRENT, "static")
