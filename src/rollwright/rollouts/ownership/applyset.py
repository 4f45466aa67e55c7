"""The set of a rollout's objects as KEP-3659 (ApplySet) writes it down, so that others see it.

Before: the wanted objects were placed; ``ownership`` labels each with the id of its set.
After: ``engine.writing.applyset`` writes the parent around a run: wide before its first write, exact
after its last one.

The parent is a ConfigMap named after the rollout. It says which kinds and namespaces hold members;
``kubectl get -l applyset.kubernetes.io/part-of=<id>`` over those finds them all. The KEP says
``applyset.k8s.io``, the code of kubectl ``applyset.kubernetes.io``: this follows the code. Labels
alone never justify a delete here (IN-30); the parent is for others, and it carries our fence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollwright.errors import Refused
from rollwright.rollouts.fates import is_ours, owner_of
from rollwright.rollouts.live import LiveObject, LiveSet
from rollwright.rollouts.manifest import Body, ManifestSet, ObjectRef
from rollwright.rollouts.ownership.fields import (
    ID_LABEL,
    MANAGER,
    PART_OF,
    ROLLOUT_LABEL,
    set_id,
)
from rollwright.rollouts.state import RolloutState

TOOLING = "applyset.kubernetes.io/tooling"
GROUP_KINDS = "applyset.kubernetes.io/contains-group-kinds"
NAMESPACES = "applyset.kubernetes.io/additional-namespaces"

FENCE = "rollwright.dev/fence"
"""The highest token of a lock under which anybody wrote objects of the set (ST-12)."""

TOOL = "rollwright"
API_VERSION = "v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Where members of a set may be.

    Attributes:
        group_kinds: ``Kind.group`` of the members; ``ConfigMap`` in the core group.
        namespaces: Of the members; what is cluster-wide has none.
    """

    group_kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()

    def __or__(self, other: Extent) -> Extent:
        """Return what covers both."""
        return Extent(
            group_kinds=self.group_kinds | other.group_kinds,
            namespaces=self.namespaces | other.namespaces,
        )

    def without(self, namespace: str) -> Extent:
        """Return the same but for one namespace: the parent's own needs no mention."""
        return Extent(group_kinds=self.group_kinds, namespaces=self.namespaces - {namespace})


def extent_of(refs: Iterable[ObjectRef]) -> Extent:
    """Return where the objects are."""
    known = tuple(refs)
    return Extent(
        group_kinds=frozenset(_group_kind(ref) for ref in known),
        namespaces=frozenset(ref.namespace for ref in known if ref.namespace),
    )


def _group_kind(ref: ObjectRef) -> str:
    return f"{ref.kind}.{ref.group}" if ref.group else ref.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The parent of a set: what it says, and as which version it was read.

    Attributes:
        ref: Its identity; the id of the set follows from it.
        tooling: ``rollwright/<version>``.
        extent: Where members may be.
        fence: See ``FENCE``; zero when it has none.
        uid, version: Of the object that was read; empty for one that is to be made.
    """

    ref: ObjectRef
    tooling: str
    extent: Extent
    fence: int = 0
    uid: str = ""
    version: str = ""

    @property
    def says(self) -> tuple[object, ...]:
        """What a write would change."""
        return self.tooling, self.extent.without(self.ref.namespace), self.fence

    def body(self) -> Body:
        """Return all that we say of it, as our manager applies it."""
        extent = self.extent.without(self.ref.namespace)
        annotations = {
            TOOLING: self.tooling,
            GROUP_KINDS: ",".join(sorted(extent.group_kinds)),
            NAMESPACES: ",".join(sorted(extent.namespaces)),
        }
        if self.fence:
            annotations[FENCE] = str(self.fence)
        return {
            "apiVersion": API_VERSION,
            "kind": self.ref.kind,
            "metadata": {
                "name": self.ref.name,
                "namespace": self.ref.namespace,
                "labels": {"app.kubernetes.io/managed-by": TOOL, ID_LABEL: set_id(self.ref)},
                "annotations": annotations,
            },
        }


def read_parent(found: LiveObject) -> Parent:
    """Return what a live parent says.

    Raises:
        Refused: The object is no parent, or another tool's (IN-26).
    """
    notes = found.annotations
    _refuse_stranger(found)
    fence = notes.get(FENCE, "")
    return Parent(
        ref=found.ref,
        tooling=notes[TOOLING],
        extent=Extent(group_kinds=_words(notes, GROUP_KINDS), namespaces=_words(notes, NAMESPACES)),
        fence=int(fence) if fence.isdecimal() and fence.isascii() else 0,
        uid=found.uid,
        version=found.resource_version,
    )


def _refuse_stranger(found: LiveObject) -> None:
    where = f"{found.ref} (the parent of its ApplySet)"
    hint = (
        f"give the rollout another name, or {found.ref.kind} {found.ref.name!r}; an object that"
        " nobody needs any more may be deleted"
    )
    identity = found.labels.get(ID_LABEL)
    if identity is None:
        raise Refused(f"{where}: exists, and has no label {ID_LABEL}", hint=hint)
    if identity != set_id(found.ref):
        raise Refused(
            f"{where}: label {ID_LABEL} is {identity!r}, expected {set_id(found.ref)!r}", hint=hint
        )
    tooling = found.annotations.get(TOOLING)
    if tooling is None:
        raise Refused(f"{where}: exists, and has no annotation {TOOLING}", hint=hint)
    if _tool(tooling) != TOOL:
        raise Refused(
            f"{where}: is managed by {_tool(tooling)!r} instead of {TOOL!r}",
            hint="a set has one tool: remove it with that tool, or give the rollout another name",
        )


def _tool(tooling: str) -> str:
    """Return the name of a tool without its version."""
    return tooling.rpartition("/")[0] or tooling


def _words(notes: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(word for word in notes.get(name, "").split(",") if word)


def check_members(
    rollout: str, wanted: ManifestSet, live: LiveSet, state: RolloutState | None
) -> None:
    """Refuse objects that are members of another set (IN-26).

    Whose rollout an object is has been decided already, by its name. Those that we have applied ourselves
    under another set's id follow: the parent has moved to another namespace.

    Raises:
        Refused: An object belongs to a set that is not ours.
    """
    foreign = sorted(
        f"{found.ref} is a member of ApplySet {theirs}, not of {ours}"
        for found, theirs, ours in _other_sets(wanted, live)
        if not _has_moved(found, state)
    )
    if foreign:
        raise Refused(
            f"{rollout}: {'; '.join(foreign)}",
            hint="an object has one owner: remove it from the other set, whose parent is found"
            f" by its label {ID_LABEL}, or take its label {PART_OF} off",
        )


def _other_sets(wanted: ManifestSet, live: LiveSet) -> Iterator[tuple[LiveObject, str, str]]:
    """Yield each wanted object that is in another set: which, and which it should be in."""
    for ref, manifest in wanted.by_ref().items():
        found, ours = live.get(ref), manifest.labels.get(PART_OF, "")
        if found is None or owner_of(found) not in {"", manifest.labels.get(ROLLOUT_LABEL, "")}:
            continue
        theirs = found.labels.get(PART_OF, "")
        if theirs not in {"", ours}:
            yield found, theirs, ours


def _has_moved(found: LiveObject, state: RolloutState | None) -> bool:
    """Whether we applied this very object, and nobody else has labelled it since."""
    entry = state.by_ref.get(found.ref) if state else None
    return entry is not None and is_ours(found, entry) and not other_set(found)


def other_set(found: LiveObject) -> str:
    """Return the set that somebody else put a live object into; empty if nobody did.

    What a label says can be copied; whose manager owns it cannot. Steps create and replace
    objects, too, so that not only our applies count.
    """
    names = {MANAGER, f"{MANAGER}-{owner_of(found)}"}
    entries = found.metadata.get("managedFields") or ()
    ours = (_labels_of(one) for one in entries if one.get("manager") in names)
    is_ours = any(f"f:{PART_OF}" in labels for labels in ours)
    return "" if is_ours else found.labels.get(PART_OF, "")


def _labels_of(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
    return metadata.get("f:labels") or {}
