"""The verdict on one object: the steps in their order, the first that decides wins (HL-10..22).

Before: ``kube`` read or watched the object; ``engine`` gathered what the context holds.
After: ``wait`` decides whether a run goes on; ``plan``, ``report`` and every face print it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from rollwright.errors import excerpt
from rollwright.rollouts.health import generic
from rollwright.rollouts.health.annotations import by_wait_for
from rollwright.rollouts.health.bundled import bundled_rule
from rollwright.rollouts.health.causes import MAX_GROUPS, causes_of, old_pod_warnings
from rollwright.rollouts.health.context import EMPTY, HealthContext
from rollwright.rollouts.health.control import without_behavior
from rollwright.rollouts.health.custom import CustomRule, apply_rule
from rollwright.rollouts.health.deletion import terminating
from rollwright.rollouts.health.subject import Finding, Subject, subject_of
from rollwright.rollouts.health.table import RULES
from rollwright.rollouts.hiding import hidden_texts
from rollwright.rollouts.manifest import Body, ObjectRef, group_of
from rollwright.rollouts.status import Evidence, HealthWarning, ObjectStatus, Status

MAX_TEXT = 500
"""Characters of one message (HL-148)."""

MAX_EVIDENCE = 10
"""Objects that one verdict names as its evidence."""

Step: TypeAlias = "Callable[[Subject], Finding | None]"

_AFTER_RULES: tuple[Step, ...] = (generic.ready, generic.silent, generic.default)


def compute(
    body: Body | None,
    context: HealthContext = EMPTY,
    now: datetime | None = None,
    *,
    ref: ObjectRef | None = None,
) -> ObjectStatus:
    """Return the verdict on one live object.

    Args:
        body: The object as the API server returned it; ``None`` when it is not there.
        context: What else is known; every part may be absent.
        now: The moment of the verdict; without it every grace window is over (HL-09).
        ref: The identity, needed when there is no body.

    Raises:
        ValueError: Neither a body nor an identity was given.
    """
    if body is None:
        return _absent(ref, context, now)
    place = ref or _identify(body)
    if hidden := hidden_texts((body,), shortest=1):
        context = replace(context, secret_values=context.secret_values | hidden)
    try:
        s = subject_of(place, body, context, now)
        rule, finding = _decide(s)
        return _conclude(s, rule, finding)
    except Exception as error:  # noqa: BLE001  (HL-24: a broken rule or object never ends a run)
        words = f"no verdict: {type(error).__name__}: {error}"
        message = _clean(words, context)
        rule = _prefix(place, None)
        return ObjectStatus(
            ref=place, status=Status.UNKNOWN, reason="RuleError", message=message, rule=rule
        )


def _absent(ref: ObjectRef | None, context: HealthContext, now: datetime | None) -> ObjectStatus:
    if ref is None:
        raise ValueError("no verdict without an object or its identity")
    gone_at = context.applied_at
    lag_ends = gone_at + context.options.windows.not_found if gone_at else None
    return ObjectStatus(
        ref=ref,
        status=Status.NOT_FOUND,
        reason="NotFound",
        message="the API server does not know it",
        rule="object.absent",
        recheck_at=lag_ends if lag_ends and now and now < lag_ends else None,
    )


def _identify(body: Body) -> ObjectRef:
    metadata = body.get("metadata") or {}
    return ObjectRef(
        group_of(str(body.get("apiVersion") or "")),
        str(body.get("kind") or ""),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name") or ""),
    )


def _decide(s: Subject) -> tuple[str, Finding]:
    """Walk the steps; return the rule's id without its test, and what it found."""
    group_kind = s.ref.group_kind
    built_in = RULES.get(group_kind)
    bundled = None if built_in else bundled_rule(*group_kind)
    if "deletionTimestamp" in s.metadata:
        return "object", terminating(s)
    finding = generic.paused(s) or generic.not_observed(s)
    if finding is not None:
        return _prefix(s.ref, bundled), finding
    custom = _by_custom(s, bundled)
    if custom is not None:
        return custom
    if s.conditions:
        finding = generic.reconciling(s)
        if finding is not None:
            return _generic(bundled), finding
    if built_in is not None:
        return _prefix(s.ref, None), built_in(s)
    return _by_others(s, bundled)


def _by_custom(s: Subject, bundled: CustomRule | None) -> tuple[str, Finding] | None:
    """HL-14: the object's annotation, then rules of the rollout and the site."""
    asked = by_wait_for(s)
    if asked is not None:
        return "custom:annotation", asked
    for rule in s.context.rules:
        if rule.match.holds(s.ref, s.metadata.get("labels") or {}):
            finding = apply_rule(rule, s)
            if finding is not None:
                return f"custom:{rule.name}", finding
    if bundled is not None and bundled.goes_first:
        finding = apply_rule(bundled, s)
        if finding is not None:
            return f"bundled:{bundled.name}", finding
    return None


def _by_others(s: Subject, bundled: CustomRule | None) -> tuple[str, Finding]:
    """HL-17 to HL-22: the bundled rule, then what holds for any kind."""
    steps: list[Step] = list(_AFTER_RULES)
    if bundled is not None and not bundled.goes_first:
        rule = bundled
        steps.insert(0, lambda s: apply_rule(rule, s))
    found = (step(s) for step in steps)
    return _generic(bundled), next(one for one in found if one is not None)


def _prefix(ref: ObjectRef, bundled: CustomRule | None) -> str:
    """Name who decides for a kind: its row in the table, a bundled rule, or nobody special."""
    group, kind = ref.group_kind
    rule = RULES.get((group, kind))
    if rule is None or rule is without_behavior:
        return _generic(bundled)
    return f"{group or 'core'}.{kind}"


def _generic(bundled: CustomRule | None) -> str:
    return "generic" if bundled is None else f"bundled:{bundled.name}"


def _conclude(s: Subject, rule: str, finding: Finding) -> ObjectStatus:
    status = finding.status
    if status is Status.SUSPENDED:
        finding = _named(s, finding)
    elif status is not Status.CURRENT and finding.test not in _NOT_EXPLAINED:
        finding = _explained(s, rule, finding)
    message = finding.message
    return ObjectStatus(
        ref=s.ref,
        status=status,
        reason=finding.reason,
        message=_clean(message, s.context) if message else message,
        rule=f"{rule}.{finding.test}",
        since=finding.since,
        warnings=finding.warnings
        and tuple(_clean_warning(one, s.context) for one in finding.warnings),
        evidence=finding.evidence and _evidence(finding.evidence, s.context),
        recheck_at=finding.recheck_at,
        unblocks=finding.unblocks,
    )


_NOT_EXPLAINED = frozenset({"generation", "deleted", "observed"})


def _named(s: Subject, finding: Finding) -> Finding:
    who = generic.suspender(s)
    return replace(finding, message=f"{finding.message} {who}") if who else finding


def _explained(s: Subject, rule: str, finding: Finding) -> Finding:
    """Add the causes that pods and events show; the first one becomes the reason."""
    if not s.context.pods and not s.context.events:
        return finding
    causes = causes_of(s)
    warnings = (*finding.warnings, *old_pod_warnings(s))
    if not causes:
        return replace(finding, warnings=warnings) if warnings else finding
    texts = [cause.text for cause in causes[:MAX_GROUPS] if cause.text not in finding.message]
    counts_only = finding.status is Status.IN_PROGRESS and finding.recheck_at is None
    is_built_in = not rule.startswith(("generic", "bundled:", "custom:"))
    return replace(
        finding,
        reason=causes[0].code if counts_only and is_built_in else finding.reason,
        message="; ".join([finding.message, *texts]),
        warnings=warnings,
        evidence=(*finding.evidence, *(one for cause in causes for one in cause.evidence)),
    )


def _evidence(found: tuple[Evidence, ...], context: HealthContext) -> tuple[Evidence, ...]:
    unique = tuple(dict.fromkeys(found))[:MAX_EVIDENCE]
    if not context.secret_values:
        return unique
    return tuple(replace(one, text=mask(one.text, context.secret_values)) for one in unique)


def _clean_warning(warning: HealthWarning, context: HealthContext) -> HealthWarning:
    return HealthWarning(code=warning.code, text=_clean(warning.text, context))


def _clean(text: str, context: HealthContext) -> str:
    """One line, masked, cut to what a message may hold."""
    return excerpt(mask(text, context.secret_values), MAX_TEXT)


def mask(text: str, secret_values: frozenset[str]) -> str:
    """Hide values that come from Secrets; the longest first, as one may hold another."""
    for value in sorted(secret_values, key=len, reverse=True):
        if value:
            text = text.replace(value, "***")
    return text
