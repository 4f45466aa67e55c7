"""References follow the objects that got another name or namespace.

Before: a transformer decided who is called otherwise. After: everybody who names them does so
rightly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from rollwright.rollouts.manifest import Manifest, ManifestSet, ObjectRef
from rollwright.rollouts.scope import is_namespaced, scopes_of_crds
from rollwright.transformers.places import changed
from rollwright.transformers.references import Link, Reference, Renamed, references_of


class Whereabouts:
    """In which namespace each object of a set will be, as far as that is known.

    Args:
        manifests: The set.
        namespace: The target's, for objects that name none.
    """

    def __init__(self, manifests: Iterable[Manifest], namespace: str) -> None:
        self._own = scopes_of_crds(manifests)
        self._namespace = namespace

    def is_inside(self, ref: ObjectRef) -> bool:
        """Whether an object lives in a namespace; of an unknown kind that is assumed."""
        built_in = is_namespaced(ref.group, ref.kind)
        known = self._own.get((ref.group, ref.kind)) if built_in is None else built_in
        return known is not False

    def of(self, ref: ObjectRef) -> str | None:
        """Return the namespace that is meant; ``None`` for what is cluster-wide."""
        return (ref.namespace or self._namespace) if self.is_inside(ref) else None

    def placed(self, ref: ObjectRef) -> ObjectRef:
        """Return the identity with the namespace that is meant."""
        return ref._replace(namespace=self.of(ref) or "")


def follow(
    old: ManifestSet, new: ManifestSet, where: Whereabouts, links: tuple[Link, ...] = ()
) -> ManifestSet:
    """Return the set with every name of a renamed object replaced.

    Args:
        old: The objects before.
        new: The same objects in the same order, some with another identity.
        where: Where the objects were before.
        links: References of kinds that are not built in.
    """
    pairs = tuple(zip(old, new, strict=True))
    moves = [(where.placed(a.ref), b.ref) for a, b in pairs if a.ref != b.ref]
    if not moves:
        return new
    renamed = Renamed(moves)
    found = tuple(_followed(b, where.of(a.ref), renamed, links) for a, b in pairs)
    return replace(new, manifests=found)


def _followed(
    manifest: Manifest, before: str | None, renamed: Renamed, links: tuple[Link, ...]
) -> Manifest:
    body: Any = manifest.body
    for one in _references(manifest, links):
        body = changed(body, one.steps, partial(_new, one, renamed, before))
    return manifest if body is manifest.body else manifest.with_body(body)


def _references(manifest: Manifest, links: tuple[Link, ...]) -> Iterator[Reference]:
    yield from references_of(manifest.ref.group, manifest.ref.kind)
    yield from (link.reference() for link in links if link.means(manifest))


def _new(reference: Reference, renamed: Renamed, namespace: str | None, old: Any) -> Any:
    if reference.is_pair and isinstance(old, Mapping):
        place = old.get("namespace") or namespace
        found = renamed.find(reference.kind, place, str(old.get("name")))
        if found is None:
            return old
        is_moved = found.namespace and found.namespace != place
        moved = {"namespace": found.namespace} if is_moved else {}
        return {**old, "name": found.name, **moved}
    if isinstance(old, str):
        found = renamed.find(reference.kind, namespace, old)
        return found.name if found is not None else old
    return old
