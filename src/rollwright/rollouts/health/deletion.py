"""An object that is being deleted: what holds it, and who put that there (HL-11, HL-150)."""

from __future__ import annotations

from collections import Counter

from rollwright.rollouts.health.finalizers import keeper_of
from rollwright.rollouts.health.ownership import is_owned_by, writers_of
from rollwright.rollouts.health.subject import Finding, Subject, moment, plural, text_of
from rollwright.rollouts.order.bodies import mapping
from rollwright.rollouts.pruning.mentions import used_by_pods
from rollwright.rollouts.status import Evidence, HealthWarning, Status

FOREGROUND = "foregroundDeletion"
INSTANCES = "customresourcecleanup.apiextensions.k8s.io"
_CLAIM_IN_USE = "kubernetes.io/pvc-protection"
_VOLUME_IN_USE = "kubernetes.io/pv-protection"
_NAMES_SHOWN = 3
_NAMESPACE_CONDITIONS = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
)


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
    if finalizer == _CLAIM_IN_USE and (pods := _pods_with_claim(s)):
        return f"still used by {pods}"
    if finalizer == _VOLUME_IN_USE and (claim := _claim_of(s)):
        return f"still bound to {claim}"
    keeper = keeper_of(finalizer)
    keeper = keeper if keeper and keeper.is_known else None
    if s.context.finalizer_controllers.get(finalizer) is False:
        who = f" ({keeper.name})" if keeper else ""
        return f"no controller seen for {finalizer.partition('/')[0]}{who}"
    return f"{keeper.name} takes it off" if keeper else ""


def _pods_with_claim(s: Subject) -> str:
    users = [
        one
        for one in s.context.pods
        if any(
            (used.kind, used.namespace, used.name) == (s.ref.kind, s.ref.namespace, s.ref.name)
            for used in used_by_pods({"apiVersion": "v1", "kind": "Pod", **one})
        )
    ]
    names = sorted(f"Pod/{mapping(one.get('metadata')).get('name')}" for one in users)
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _claim_of(s: Subject) -> str:
    claim = mapping(s.spec.get("claimRef"))
    is_named = bool(claim.get("name"))
    return f"PersistentVolumeClaim/{claim.get('namespace')}/{claim['name']}" if is_named else ""


def _children(s: Subject) -> str:
    context = s.context
    known = (*context.replica_sets, *context.pods, *context.children)
    kinds = Counter(str(one.get("kind") or "Pod") for one in known if is_owned_by(one, s.body))
    return ", ".join(plural(count, kind) for kind, count in kinds.items()) or "not known here"


def _namespace_finalizer(s: Subject, finalizer: str) -> str:
    found = (s.conditions[one] for one in _NAMESPACE_CONDITIONS if one in s.conditions)
    said = [text_of(one) for one in found if one.get("status") != "False"]
    words = f"finalizer {finalizer}"
    return f"{words}: {' '.join(said)}" if said else words
