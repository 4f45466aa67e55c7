"""Finalizers on what goes, and whether somebody is there to take them off (BR-07)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rollwright.rollouts.blast.around import Going, Reading, Scope, Served
from rollwright.rollouts.health.finalizers import is_running, keeper_of
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.order.bodies import mapping
from rollwright.rollouts.pruning.effects import Effect

_USUAL = frozenset({
    "foregroundDeletion", "orphan", "batch.kubernetes.io/job-tracking",
    "kubernetes.io/pvc-protection", "kubernetes.io/pv-protection",
})  # fmt: skip
"""Finalizers that the control plane puts on most objects of a kind: they tell nothing."""

_CONTROLLERS = (
    Scope("apps/v1", "Deployment", is_whole=True),
    Scope("apps/v1", "StatefulSet", is_whole=True),
)


def finalizer_scopes(going: Going, served: Iterable[Served]) -> tuple[Scope, ...]:
    """Return the lists of what may run a controller, if an object has a finalizer of one."""
    del served
    keepers = map(keeper_of, _finalizers(going))
    return _CONTROLLERS if any(one is not None and one.words for one in keepers) else ()


def finalizers(going: Going, reading: Reading) -> Iterator[Effect]:
    """Yield what an object's end waits for, and who is to do it."""
    scopes = finalizer_scopes(going, reading.served)
    names = [_names(one) for scope in scopes for one in reading.lists.get(scope, ()) if _ready(one)]
    why = reading.why_unknown(scopes)
    for finalizer in _finalizers(going):
        keeper = keeper_of(finalizer)
        if keeper is None:
            text = f"waits for finalizer {finalizer}; who takes it off is not known"
        else:
            text = f"waits for finalizer {finalizer}: {keeper.name} takes it off"
            if why and keeper.words:
                text += f"; whether that runs is not known: {why}"
            elif not is_running(keeper, names):
                text += ", and no such controller was found running"
        yield Effect(rule="BR-07", ref=going.ref, text=text, is_unknown=bool(why))


def _finalizers(going: Going) -> list[str]:
    found = map(str, going.live.metadata.get("finalizers") or ())
    return [one for one in found if one not in _USUAL]


def _names(live: LiveObject) -> str:
    labels = (str(live.labels.get(f"app.kubernetes.io/{key}", "")) for key in ("name", "part-of"))
    return " ".join((live.ref.namespace, live.ref.name, *labels)).lower()


def _ready(live: LiveObject) -> bool:
    return bool(mapping(live.body.get("status")).get("readyReplicas"))
