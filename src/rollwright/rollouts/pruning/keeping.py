"""What people write on an object about its end: it stays, somebody asks first, what it takes along.

Before: ``live`` holds the annotations of an object, ``manifest`` those that were last wanted.
After: ``prune`` keeps the object or lets it go; ``planning`` notes what becomes of its children.

Annotations of other tools are honored where they only make things safer (PR-18).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.spec import Propagation

PROPAGATION = "rollwright.dev/propagation"
"""Annotation: what becomes of the objects that an object owns when it is deleted (PR-22)."""

# Annotation → words that keep the object. A value is looked up among comma-separated words, in
# any case of letters.
_KEEPING = {
    "rollwright.dev/prune": {"disabled"},
    "argocd.argoproj.io/sync-options": {"prune=false", "delete=false"},
    "kustomize.toolkit.fluxcd.io/prune": {"disabled"},
    "helm.sh/resource-policy": {"keep"},
    "cli-utils.sigs.k8s.io/on-remove": {"keep"},
    "client.lifecycle.config.k8s.io/deletion": {"detach"},
    "kapp.k14s.io/delete-strategy": {"orphan"},
    "kluctl.io/skip-delete": {"true"},
}
# Words that let it go once somebody said so by its name (PR-19).
_ASKING = {
    "rollwright.dev/prune": {"confirm"},
    "argocd.argoproj.io/sync-options": {"prune=confirm", "delete=confirm"},
}


def keeping_annotation(annotations: Mapping[str, str]) -> str:
    """Return ``name: value`` of an annotation that forbids a prune; empty if there is none.

    One that only asks for a person's word is among them, after those that forbid it for good.
    """
    return barring_annotation(annotations) or asking_annotation(annotations)


def barring_annotation(annotations: Mapping[str, str]) -> str:
    """Return ``name: value`` of an annotation that forbids a prune whatever anybody says."""
    return _first(_KEEPING, annotations)


def asking_annotation(annotations: Mapping[str, str]) -> str:
    """Return ``name: value`` of an annotation that wants a person's word before a prune."""
    return _first(_ASKING, annotations)


def _first(table: Mapping[str, set[str]], annotations: Mapping[str, str]) -> str:
    for name in (one for one in table if one in annotations):
        words = {word.strip().lower() for word in str(annotations[name]).split(",")}
        if words & table[name]:
            return f"{name}: {annotations[name]}"
    return ""


def noted(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the annotations that keep an object: what the inventory notes of what was wanted."""
    found = (barring_annotation(annotations), asking_annotation(annotations))
    return tuple(one for one in found if one)


def annotations_of(notes: Iterable[str]) -> Mapping[str, str]:
    """Return the annotations that ``noted`` wrote down."""
    return {name: value for name, _, value in (one.partition(": ") for one in notes)}


def propagation_of(annotations: Mapping[str, str], default: Propagation) -> Propagation:
    """Return what becomes of the objects that an object owns: its own word, or the rollout's."""
    word = str(annotations.get(PROPAGATION, "")).strip().lower()
    return Propagation(word) if word in set(Propagation) else default


def unreadable_propagation(annotations: Mapping[str, str]) -> str:
    """Return what is wrong with the annotation; empty if it can be read or is not there."""
    word = annotations.get(PROPAGATION)
    if word is None or str(word).strip().lower() in set(Propagation):
        return ""
    return f"annotation {PROPAGATION}: {word!r} is none of {', '.join(Propagation)}"


def allowing(ref: ObjectRef, names: Iterable[str], namespace: str = "") -> str:
    """Return the name by which somebody let an object go; empty if nobody did.

    Args:
        ref: The object.
        names: ``KIND/NAMESPACE/NAME`` or ``KIND/NAME``; a kind may stand with its group.
        namespace: The rollout's own, which ``KIND/NAME`` means for a namespaced object.
    """
    kinds = {ref.kind.lower(), f"{ref.kind}.{ref.group}".lower()}
    places: set[tuple[str, ...]] = {(ref.namespace, ref.name) if ref.namespace else (ref.name,)}
    if ref.namespace and ref.namespace == namespace:
        places.add((ref.name,))
    for name in names:
        kind, *place = name.split("/")
        if kind.lower() in kinds and tuple(place) in places:
            return name
    return ""
