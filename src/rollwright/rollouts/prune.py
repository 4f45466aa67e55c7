"""Objects that left the set: which of them may be deleted, and the guards before that.

Before: ``planning`` knows the inventory, the wanted objects and the live ones.
After: the plan holds a prune for each object that may go, and says why the others stay.

A label proves nothing: an object is deleted only if our inventory names it, its UID is the one
we applied, and its label still names this rollout (IN-08, PR-11, PR-12).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.order.bodies import defined_kind
from rollwright.rollouts.order.kinds import CRD
from rollwright.rollouts.ownership import ROLLOUT_LABEL
from rollwright.rollouts.plan import Guard
from rollwright.rollouts.spec import PrunePolicy
from rollwright.rollouts.state import InventoryEntry

SYSTEM_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})

PERCENT_APPLIES_FROM = 5
"""Inventories below this size are guarded by ``maxCount`` only (PR-20)."""

ALLOW_PRUNE = "--allow-prune"

# Annotations that keep an object, ours and those of other tools: they only make things safer
# (PR-18). The value is looked up among comma-separated words, in any case of letters.
_KEEPING = {
    "rollwright.dev/prune": {"disabled", "confirm"},
    "argocd.argoproj.io/sync-options": {
        "prune=false", "delete=false", "prune=confirm", "delete=confirm",
    },
    "kustomize.toolkit.fluxcd.io/prune": {"disabled"},
    "helm.sh/resource-policy": {"keep"},
    "cli-utils.sigs.k8s.io/on-remove": {"keep"},
    "client.lifecycle.config.k8s.io/deletion": {"detach"},
    "kapp.k14s.io/delete-strategy": {"orphan"},
    "kluctl.io/skip-delete": {"true"},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Stale:
    """What becomes of the inventory's objects that nobody wants any more.

    Attributes:
        deletes: Live objects that may go.
        kept: Objects that stay in the inventory, with the reason.
        forgotten: Entries to drop: gone already, or no longer ours, with the reason.
    """

    deletes: tuple[LiveObject, ...] = ()
    kept: Mapping[ObjectRef, str] = field(default_factory=dict)
    forgotten: Mapping[ObjectRef, str] = field(default_factory=dict)


def sort_stale(
    rollout: str,
    policy: PrunePolicy,
    inventory: Iterable[InventoryEntry],
    wanted: ManifestSet,
    live: LiveSet,
) -> Stale:
    """Decide about every object of the inventory that is not wanted."""
    wanted_refs = wanted.by_ref().keys()
    wanted_uids = {found.uid for ref in wanted_refs if (found := live.get(ref))}
    used = {ref.namespace for ref in wanted_refs if ref.namespace}
    deletes: list[LiveObject] = []
    kept: dict[ObjectRef, str] = {}
    forgotten: dict[ObjectRef, str] = {}
    for entry in sorted(inventory, key=lambda one: one.ref):
        if entry.ref in wanted_refs:
            continue
        if why_unreadable := live.unreadable.get(entry.ref):
            kept[entry.ref] = f"cannot be read: {why_unreadable}"
            continue
        found = live.get(entry.ref)
        why_gone = _why_forgotten(entry, found, wanted_uids, rollout)
        if why_gone or found is None:
            forgotten[entry.ref] = why_gone
        elif why_kept := _why_unproven(entry, found) or _why_kept(found, policy, used, rollout):
            kept[entry.ref] = why_kept
        else:
            deletes.append(found)
    spared = _spared(deletes, {*wanted_refs, *kept})
    return Stale(
        deletes=tuple(found for found in deletes if found.ref not in spared),
        kept=kept | spared,
        forgotten=forgotten,
    )


def _spared(deletes: Iterable[LiveObject], staying: Collection[ObjectRef]) -> dict[ObjectRef, str]:
    """Return what must stay because its end would take objects along that stay (PR-09, PR-16)."""
    namespaces = {ref.namespace: ref for ref in sorted(staying, reverse=True)}
    kinds = {ref.group_kind: ref for ref in sorted(staying, reverse=True)}
    spared = {}
    for found in deletes:
        user = None
        if found.ref.group_kind == ("", "Namespace"):
            user = namespaces.get(found.ref.name)
        elif found.ref.group_kind == CRD:
            user = kinds.get(defined_kind(found.body))
        if user is not None:
            spared[found.ref] = f"its end would delete {user}, which stays"
    return spared


def _why_forgotten(
    entry: InventoryEntry, found: LiveObject | None, wanted_uids: Collection[str], rollout: str
) -> str:
    if found is None:
        return "is already gone"
    if found.uid in wanted_uids:
        return "is the same object under another group's name"
    if entry.uid and found.uid != entry.uid:
        return "was deleted and created again by somebody else"
    is_marked = found.labels.get(ROLLOUT_LABEL) == rollout or bool(found.owned_fields)
    if not entry.uid and not is_marked:
        return "was only intended, never applied"
    return ""


def may_delete(
    rollout: str,
    policy: PrunePolicy,
    entry: InventoryEntry,
    found: LiveObject,
    used: Collection[str],
) -> str:
    """Return why a live object must not be deleted after all; empty if it may (PR-23).

    The same questions as in the plan, asked again of what was just read.
    """
    return (
        _why_forgotten(entry, found, (), rollout)
        or _why_unproven(entry, found)
        or _why_kept(found, policy, used, rollout)
    )


def _why_unproven(entry: InventoryEntry, found: LiveObject) -> str:
    """Return why it is not sure that we made the object: no UID noted, and no field of ours."""
    if entry.uid or found.owned_fields:
        return ""
    return f"nothing but its label {ROLLOUT_LABEL} says that we applied it"


def _why_kept(found: LiveObject, policy: PrunePolicy, used: Collection[str], rollout: str) -> str:
    ref = found.ref
    if not policy.enabled:
        return "pruning is off (prune.enabled: false)"
    if found.labels.get(ROLLOUT_LABEL) != rollout:
        return f"its label {ROLLOUT_LABEL} no longer names this rollout"
    if ref.kind == "Namespace" and not ref.group and ref.name in SYSTEM_NAMESPACES:
        return "is a namespace of the system"
    if ref.kind == "Namespace" and not ref.group and ref.name in used:
        return "objects of this rollout live in it"
    if ref.kind in policy.protect:
        return f"{ref.kind} is protected (prune.protect)"
    if annotation := keeping_annotation(found.annotations):
        return f"annotation {annotation} keeps it"
    if owner := _controller(found):
        return f"is controlled by {owner}"
    return ""


def keeping_annotation(annotations: Mapping[str, str]) -> str:
    """Return ``name: value`` of an annotation that forbids a prune; empty if there is none."""
    for name, values in _KEEPING.items():
        words = {word.strip().lower() for word in str(annotations.get(name, "")).split(",")}
        if words & values:
            return f"{name}: {annotations[name]}"
    return ""


def _controller(found: LiveObject) -> str:
    for owner in found.metadata.get("ownerReferences") or ():
        if owner.get("controller"):
            return f"{owner.get('kind')}/{owner.get('name')}"
    return ""


def guard_prune(policy: PrunePolicy, inventory_count: int, delete_count: int) -> tuple[Guard, ...]:
    """Evaluate the guards on how many objects go (PR-02, PR-03)."""
    guards = []
    if inventory_count >= PERCENT_APPLIES_FROM:
        # NB: exact and "greater than": 5 of 10 pass at 50 %, 6 of 10 do not.
        is_breached = delete_count * 100 > policy.max_percent * inventory_count
        percent = delete_count * 100 / inventory_count
        value = f"{percent:.4g} % ({delete_count} of {inventory_count})"
        guards.append(_guard("PR-02", f"{policy.max_percent:g} %", value, is_breached=is_breached))
    if policy.max_count is not None:
        is_breached = delete_count > policy.max_count
        guards.append(
            _guard("PR-03", str(policy.max_count), str(delete_count), is_breached=is_breached)
        )
    return tuple(guards)


def _guard(identity: str, limit: str, value: str, *, is_breached: bool) -> Guard:
    message = f"guard {identity}: deleting {value} is more than {limit}" if is_breached else ""
    return Guard(id=identity, limit=limit, value=value, is_breached=is_breached, message=message)
