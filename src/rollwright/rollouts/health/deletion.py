"""An object that is being deleted: what holds it, and who put that there (HL-11, HL-150)."""

from __future__ import annotations

from collections import Counter

from rollwright.rollouts.health.ownership import is_owned_by, writers_of
from rollwright.rollouts.health.subject import Finding, Subject, moment, plural, text_of
from rollwright.rollouts.status import Evidence, HealthWarning, Status

FOREGROUND = "foregroundDeletion"
INSTANCES = "customresourcecleanup.apiextensions.k8s.io"
_NAMESPACE_CONDITIONS = ("NamespaceContentRemaining", "NamespaceFinalizersRemaining")


def terminating(s: Subject) -> Finding:
    """Say what a deletion waits for; a warning once that takes too long."""
    since = moment(s.metadata.get("deletionTimestamp"))
    holders = _holders(s)
    words = f"is being deleted; held by {'; '.join(holders)}" if holders else "is being deleted"
    window = s.options.windows.terminating
    if not holders:
        return Finding(Status.TERMINATING, "deleted", "Terminating", words, since)
    evidence = tuple(
        Evidence(kind="Finalizer", name=str(one)) for one in s.metadata.get("finalizers") or ()
    )
    if not s.is_over(since, window):
        recheck_at = since + window if since else None
        return Finding(
            Status.TERMINATING, "deleted", "Terminating", words, since, recheck_at, (), evidence
        )
    warnings = (HealthWarning(code="StuckOnFinalizer", text=words),)
    return Finding(
        Status.TERMINATING, "deleted", "StuckOnFinalizer", words, since, None, warnings, evidence
    )


def _holders(s: Subject) -> list[str]:
    metadata = [_finalizer(s, str(one)) for one in s.metadata.get("finalizers") or ()]
    if s.ref.kind != "Namespace" or s.ref.group:
        return metadata
    inner = [_namespace_finalizer(s, str(one)) for one in s.spec.get("finalizers") or ()]
    return metadata + inner


def _finalizer(s: Subject, finalizer: str) -> str:
    words = f"finalizer {finalizer}"
    manager = next(writers_of(s.metadata, "f:metadata", "f:finalizers", f'v:"{finalizer}"'), None)
    words += f" (set by {manager.manager})" if manager else ""
    why = _why(s, finalizer)
    return f"{words}: {why}" if why else words


def _why(s: Subject, finalizer: str) -> str:
    if finalizer == FOREGROUND:
        return f"waits for its children: {_children(s)}"
    if finalizer == INSTANCES:
        count = s.context.instance_count
        left = "its objects" if count is None else plural(count, "object")
        return f"waits for {left} of this kind"
    if s.context.finalizer_controllers.get(finalizer) is False:
        return f"no controller seen for {finalizer.partition('/')[0]}"
    return ""


def _children(s: Subject) -> str:
    context = s.context
    known = (*context.replica_sets, *context.pods, *context.children)
    kinds = Counter(str(one.get("kind") or "Pod") for one in known if is_owned_by(one, s.body))
    return ", ".join(plural(count, kind) for kind, count in kinds.items()) or "not known here"


def _namespace_finalizer(s: Subject, finalizer: str) -> str:
    said = [text_of(s.conditions[one]) for one in _NAMESPACE_CONDITIONS if one in s.conditions]
    words = f"finalizer {finalizer}"
    return f"{words}: {' '.join(said)}" if said else words
