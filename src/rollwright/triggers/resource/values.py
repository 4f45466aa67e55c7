"""What a run gets of the watched objects: its configuration, and lists to import (DOC-43, DOC-48).

Before: an object is a reason for a run. After: the run renders with it.

Values of Secrets are given to nobody, unless the resource says ``reveal: true``: what a renderer
gets may end in any object. Nor does anybody need the bookkeeping of field managers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollwright.plugins.contracts import Subject
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.triggering.changes import last_writer
from rollwright.triggers.resource.options import Watched

_SECRET = ("data", "stringData")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def body_of(watched: Watched, live: LiveObject) -> dict[str, Any]:
    """Return what a renderer gets of an object."""
    body = dict(live.body)
    body["metadata"] = {key: one for key, one in live.metadata.items() if key != "managedFields"}
    if not watched.is_secret or watched.reveal:
        return body
    # NB: this annotation of client-side apply holds the whole object.
    annotations = {k: v for k, v in live.annotations.items() if k != _LAST_APPLIED}
    body["metadata"] |= {"annotations": annotations} if "annotations" in live.metadata else {}
    return {key: one for key, one in body.items() if key not in _SECRET}


@dataclass(slots=True)
class Lists:
    """The lists that runs import; what did not change is one and the same value in all of them.

    A thousand runs of a thousand objects would otherwise be a million copies.
    """

    _known: dict[str, dict[ObjectRef, tuple[LiveObject, dict[str, Any]]]] = field(
        default_factory=dict
    )

    def of(self, watched: Watched, objects: Iterable[LiveObject]) -> list[Mapping[str, Any]]:
        """Return all objects of a resource, in the order of their names."""
        placed = sorted(objects, key=lambda one: (one.ref.namespace, one.ref.name))
        former, now = self._known.get(watched.name, {}), {}
        for one in placed:
            known = former.get(one.ref)
            now[one.ref] = known if known and known[0] is one else (one, body_of(watched, one))
        self._known[watched.name] = now
        return [body for _, body in now.values()]


def subject_of(live: LiveObject, cluster: str, *, is_told: bool) -> Subject:
    """Return what names an object to whoever tells it how its run went."""
    return Subject(
        cluster=cluster,
        api_version=live.api_version,
        kind=live.ref.kind,
        namespace=live.ref.namespace,
        name=live.ref.name,
        uid=live.uid,
        generation=live.generation or 0,
        is_told=is_told,
    )


def actor_of(live: LiveObject, reason: str) -> str:
    """Return who caused a run, as far as the object tells: ``Grafana/shop/main (kubectl-edit)``."""
    why = reason or last_writer(live)
    return f"{live.ref} ({why})" if why else str(live.ref)
