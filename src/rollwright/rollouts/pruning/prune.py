"""Objects that left the set: which of them may be deleted, and the guards before that.

Before: ``planning`` knows the inventory, the wanted objects and the live ones.
After: the plan holds a prune for each object that may go, and says why the others stay.

A label proves nothing: an object is deleted only if our inventory names it, its UID is the one
we applied, and its label still names this rollout (IN-08, PR-11, PR-12).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import ManifestSet, ObjectRef
from rollwright.rollouts.ownership.applyset import other_set
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL
from rollwright.rollouts.ownership.takeover import taken_by
from rollwright.rollouts.plan import STAYS, Guard
from rollwright.rollouts.pruning.keeping import (
    allowing,
    annotations_of,
    asking_annotation,
    barring_annotation,
    keeping_annotation,
)
from rollwright.rollouts.pruning.needed import spare_needed
from rollwright.rollouts.spec import PrunePolicy
from rollwright.rollouts.state import InventoryEntry

__all__ = [
    "ALLOW_DELETE",
    "ALLOW_PRUNE",
    "NOTHING_ELSE",
    "Leaving",
    "Stale",
    "guard_prune",
    "keeping_annotation",
    "may_delete",
    "sort_stale",
]

SYSTEM_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})

PERCENT_APPLIES_FROM = 5
"""Inventories below this size are guarded by ``maxCount`` only (PR-20)."""

ALLOW_PRUNE = "--allow-prune"
ALLOW_DELETE = "--allow-delete"


class Kept(NamedTuple):
    """Why an object stays, and the rule that says so."""

    rule: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """What else decides about objects that leave: what people allowed, and what others hold.

    Attributes:
        allowed: Names of objects that somebody let go (PR-04, PR-19).
        namespace: The rollout's own, which short names in ``allowed`` mean.
        faults: What the source or a renderer missed; then nothing is deleted (PR-06).
        taken: Objects that another rollout takes over, in words (PR-25).
        tenants: Namespaces that objects of other rollouts live in, in words (PR-09).
        waiting: Objects whose time of grace is not over, in words (PR-31).
        uids: Of the objects of this plan, and of the one that it is about; what they control
            belongs to the plan (PR-14).
    """

    allowed: tuple[str, ...] = ()
    namespace: str = ""
    faults: tuple[str, ...] = ()
    taken: Mapping[ObjectRef, str] = field(default_factory=dict)
    tenants: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[ObjectRef, str] = field(default_factory=dict)
    uids: frozenset[str] = frozenset()

    def allowing(self, ref: ObjectRef) -> str:
        """Return the name by which somebody let the object go; empty if nobody did."""
        return allowing(ref, self.allowed, self.namespace)


NOTHING_ELSE = Leaving()


@dataclass(frozen=True, kw_only=True)
class Stale:
    """What becomes of the inventory's objects that nobody wants any more.

    Attributes:
        deletes: Live objects that may go.
        kept: Objects that stay in the inventory, with the reason.
        forgotten: Entries to drop: gone already, or no longer ours, with the reason.
        guards: Which guards let single objects stay, or were passed by somebody's word.
    """

    deletes: tuple[LiveObject, ...] = ()
    kept: Mapping[ObjectRef, str] = field(default_factory=dict)
    forgotten: Mapping[ObjectRef, str] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()


def sort_stale(
    rollout: str,
    policy: PrunePolicy,
    inventory: Iterable[InventoryEntry],
    wanted: ManifestSet,
    live: LiveSet,
    leaving: Leaving = NOTHING_ELSE,
) -> Stale:
    """Decide about every object of the inventory that is not wanted."""
    wanted_refs = wanted.by_ref().keys()
    wanted_uids = {found.uid for ref in wanted_refs if (found := live.get(ref))}
    used = {ref.namespace for ref in wanted_refs if ref.namespace}
    entries = [e for e in sorted(inventory, key=lambda one: one.ref) if e.ref not in wanted_refs]
    leaving = replace(leaving, uids=leaving.uids | _uids(entries, live) | wanted_uids)
    deletes: list[LiveObject] = []
    kept: dict[ObjectRef, Kept] = {}
    forgotten: dict[ObjectRef, str] = {}
    for entry in entries:
        if why_unreadable := live.unreadable.get(entry.ref):
            kept[entry.ref] = Kept("", f"cannot be read: {why_unreadable}")
            continue
        found = live.get(entry.ref)
        why_gone = _why_forgotten(entry, found, wanted_uids, rollout)
        if why_gone or found is None:
            forgotten[entry.ref] = why_gone
        elif reason := (
            _why_unproven(entry, found)
            or _why_kept(found, policy, used, rollout, leaving)
            or _why_asked(entry, found, policy, leaving)
        ):
            kept[entry.ref] = reason
        else:
            deletes.append(found)
    spared = _spared(deletes, wanted, kept, live)
    gone = tuple(found for found in deletes if found.ref not in spared)
    kept |= spared
    return Stale(
        deletes=gone,
        kept={ref: reason.why for ref, reason in kept.items()},
        forgotten=forgotten,
        guards=(*_guards_of_kept(kept, leaving), *_passed(gone, entries, policy, leaving)),
    )


def _uids(entries: Iterable[InventoryEntry], live: LiveSet) -> frozenset[str]:
    return frozenset(found.uid for one in entries if (found := live.get(one.ref)))


def _spared(
    deletes: Iterable[LiveObject],
    wanted: ManifestSet,
    kept: Mapping[ObjectRef, Kept],
    live: LiveSet,
) -> dict[ObjectRef, Kept]:
    """Return what must stay because something that stays would not outlive it (PR-09, PR-16)."""
    bodies = [manifest.body for manifest in wanted]
    bodies += [found.body for ref in kept if (found := live.get(ref))]
    staying = {*wanted.by_ref(), *kept}
    why = spare_needed({one.ref: one for one in deletes}, staying, bodies)
    return {ref: Kept("PR-16", words) for ref, words in why.items()}


def _why_forgotten(
    entry: InventoryEntry, found: LiveObject | None, wanted_uids: Collection[str], rollout: str
) -> str:
    if found is None:
        return "is already gone"
    if found.uid in wanted_uids:
        return "is the same object under another group's name"
    if entry.uid and found.uid != entry.uid:
        return "was deleted and created again by somebody else"
    owner = found.labels.get(ROLLOUT_LABEL)
    if owner and owner != rollout:
        return f"belongs to rollout {owner!r} now"
    is_marked = owner == rollout or bool(found.owned_fields)
    if not entry.uid and not is_marked:
        return "was only intended, never applied"
    return ""


def may_delete(
    rollout: str,
    policy: PrunePolicy,
    entry: InventoryEntry,
    found: LiveObject,
    used: Collection[str],
    leaving: Leaving = NOTHING_ELSE,
) -> str:
    """Return why a live object must not be deleted after all; empty if it may (PR-23).

    The same questions as in the plan, asked again of what was just read.
    """
    if why := _why_forgotten(entry, found, (), rollout):
        return why
    reason = (
        _why_unproven(entry, found)
        or _why_kept(found, policy, used, rollout, leaving)
        or _why_asked(entry, found, policy, leaving)
    )
    return reason.why if reason else ""


def _why_unproven(entry: InventoryEntry, found: LiveObject) -> Kept | None:
    """Return why it is not sure that we made the object: no UID noted, and no field of ours."""
    if entry.uid or found.owned_fields:
        return None
    return Kept("PR-12", f"nothing but its label {ROLLOUT_LABEL} says that we applied it")


def _why_kept(
    found: LiveObject,
    policy: PrunePolicy,
    used: Collection[str],
    rollout: str,
    leaving: Leaving,
) -> Kept | None:
    """Return why an object stays whatever anybody says."""
    ref = found.ref
    if not policy.enabled:
        return Kept("PR-01", "pruning is off (prune.enabled: false)")
    if why_not_ours := _why_not_ours(found, rollout):
        return Kept("PR-12", why_not_ours)
    if leaving.faults:
        return Kept("PR-06", f"input is missing: {'; '.join(leaving.faults)}")
    if taker := leaving.taken.get(ref):
        return Kept("PR-25", taker)
    if words := leaving.waiting.get(ref):
        return Kept("PR-31", words)
    if ref.group_kind == ("", "Namespace") and (why := _why_home(ref.name, used, leaving)):
        return why
    if owner := _controller(found, leaving.uids):
        return Kept("PR-14", f"is controlled by {owner}")
    return None


def _why_not_ours(found: LiveObject, rollout: str) -> str:
    if found.labels.get(ROLLOUT_LABEL) != rollout:
        return f"its label {ROLLOUT_LABEL} no longer names this rollout"
    if theirs := other_set(found):
        return f"is a member of ApplySet {theirs} now"
    if tool := taken_by(found):
        return f"belongs to {tool} now"
    return ""


def _why_home(name: str, used: Collection[str], leaving: Leaving) -> Kept | None:
    if name in SYSTEM_NAMESPACES:
        return Kept("PR-08", "is a namespace of the system")
    if name in used:
        return Kept("PR-09", "objects of this rollout live in it")
    if tenant := leaving.tenants.get(name):
        return Kept("PR-09", tenant)
    return None


def _why_asked(
    entry: InventoryEntry, found: LiveObject, policy: PrunePolicy, leaving: Leaving
) -> Kept | None:
    """Return what keeps an object by itself, unless somebody who may has let it go by name."""
    # What was last wanted counts, too: somebody may have taken the annotation off by hand.
    noted = (found.annotations, annotations_of(entry.keeping))
    if annotation := next(filter(None, map(barring_annotation, noted)), ""):
        return Kept("PR-07", f"annotation {annotation} keeps it")
    if leaving.allowing(found.ref):
        return None
    if found.ref.kind in policy.protect:
        return Kept("PR-04", f"{found.ref.kind} is protected (prune.protect)")
    if annotation := next(filter(None, map(asking_annotation, noted)), ""):
        return Kept("PR-19", f"annotation {annotation} keeps it")
    return None


def _controller(found: LiveObject, uids: Collection[str]) -> str:
    for owner in found.metadata.get("ownerReferences") or ():
        if owner.get("controller") and owner.get("uid") not in (uids or ()):
            return f"{owner.get('kind')}/{owner.get('name')}"
    return ""


# ------------------------------------------------------------------ guards

_NEEDS_A_NAME = {"PR-04": "is protected", "PR-19": "wants a person's word"}


def _guards_of_kept(kept: Mapping[ObjectRef, Kept], leaving: Leaving) -> list[Guard]:
    """Return a row for each rule that let objects stay; some a person may let go by name."""
    by_rule: dict[str, list[ObjectRef]] = {}
    for ref, reason in sorted(kept.items()):
        by_rule.setdefault(reason.rule, []).append(ref)
    rows = []
    for rule, refs in sorted(by_rule.items()):
        if not rule:
            continue
        value, message = ", ".join(map(str, refs)), ""
        if words := _NEEDS_A_NAME.get(rule):
            options = " ".join(f"{ALLOW_DELETE} {ref}" for ref in refs)
            message = f"guard {rule}: {value} {words} and stays; {options} lets it go"
        elif rule == "PR-06":
            message = f"guard PR-06: nothing is deleted: {'; '.join(leaving.faults)}"
        rows.append(Guard(id=rule, limit=STAYS, value=value, is_breached=False, message=message))
    return rows


def _passed(
    deletes: Iterable[LiveObject],
    entries: Iterable[InventoryEntry],
    policy: PrunePolicy,
    leaving: Leaving,
) -> list[Guard]:
    """Return a row for each object that goes only because somebody named it."""
    known = {entry.ref: entry for entry in entries}
    rows = []
    for found in deletes:
        without = replace(leaving, allowed=())
        reason = _why_asked(known[found.ref], found, policy, without)
        if reason is None:
            continue
        name, words = leaving.allowing(found.ref), _NEEDS_A_NAME[reason.rule]
        rows.append(
            Guard(
                id=reason.rule, limit=STAYS, value=str(found.ref), is_breached=True,
                message=f"guard {reason.rule}: {found.ref} {words}",
                waived_by=f"{ALLOW_DELETE} {name}",
            )
        )  # fmt: skip
    return rows


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
