"""Stored data that goes: claims, volumes, and what a StatefulSet or a namespace holds (BR-04)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rollwright.rollouts.blast.around import Going, Reading, Scope, Served
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import ObjectRef
from rollwright.rollouts.order.bodies import mapping, sequence, spec_of
from rollwright.rollouts.pruning.effects import Effect

VOLUMES = Scope("v1", "PersistentVolume", is_whole=True)
_CLAIM, _VOLUME = ("", "PersistentVolumeClaim"), ("", "PersistentVolume")
_SET, _NAMESPACE = ("apps", "StatefulSet"), ("", "Namespace")


def data_scopes(going: Going, served: Iterable[Served]) -> tuple[Scope, ...]:
    """Return the list of volumes, if the object may take any along."""
    del served
    if going.ref.group_kind in {_CLAIM, _NAMESPACE}:
        return (VOLUMES,)
    return (VOLUMES,) if _deletes_claims(going) else ()


def _deletes_claims(going: Going) -> bool:
    if going.ref.group_kind != _SET or going.propagation == "orphan":
        return False
    policy = mapping(spec_of(going.body).get("persistentVolumeClaimRetentionPolicy"))
    return policy.get("whenDeleted") == "Delete"


def data(going: Going, reading: Reading) -> Iterator[Effect]:
    """Yield what becomes of the data that an object holds."""
    kind = going.ref.group_kind
    if kind == _VOLUME:
        policy = _policy(going.body)
        yield _effect(going.ref, f"reclaim policy {policy}", is_lost=policy == "Delete")
        return
    if kind == _SET and not _deletes_claims(going):
        if sequence(spec_of(going.body).get("volumeClaimTemplates")):
            yield _effect(going.ref, "its claims stay", is_lost=False)
        return
    if not data_scopes(going, ()):
        return
    if why := reading.why_unknown((VOLUMES,)):
        text = f"whether data is lost is unknown: {why}"
        yield Effect(rule="BR-04", ref=going.ref, text=text, is_unknown=True)
        return
    yield from _of_volumes(going, reading.lists.get(VOLUMES, ()))


def _of_volumes(going: Going, volumes: Iterable[LiveObject]) -> Iterator[Effect]:
    held = [(volume, claim) for volume in volumes if (claim := _claim_in(going, volume))]
    if going.ref.group_kind == _CLAIM and not held:
        is_bound = bool(spec_of(going.body).get("volumeName"))
        words = "its volume is not there" if is_bound else "it is not bound to a volume"
        yield _effect(going.ref, words, is_lost=False)
    for volume, claim in held:
        policy = _policy(volume.body)
        words = f"{volume.ref} of claim {claim} has reclaim policy {policy}"
        yield _effect(going.ref, words, is_lost=policy == "Delete")


def _claim_in(going: Going, volume: LiveObject) -> str:
    """Return the claim of a volume that goes with an object; empty if none does."""
    claim = mapping(spec_of(volume.body).get("claimRef"))
    namespace, name = str(claim.get("namespace", "")), str(claim.get("name", ""))
    ref = going.ref
    if ref.group_kind == _NAMESPACE:
        is_meant = namespace == ref.name
    elif ref.group_kind == _SET:
        is_meant = namespace == ref.namespace and _is_of_set(going.body, ref.name, name)
    else:
        is_meant = (namespace, name) == (ref.namespace, ref.name)
    return f"{namespace}/{name}" if is_meant else ""


def _is_of_set(body: Mapping[str, Any], name: str, claim: str) -> bool:
    templates = map(mapping, sequence(spec_of(body).get("volumeClaimTemplates")))
    starts = [f"{mapping(one.get('metadata')).get('name')}-{name}-" for one in templates]
    return any(claim.startswith(one) and claim.removeprefix(one).isdigit() for one in starts)


def _policy(volume: Mapping[str, Any]) -> str:
    return str(spec_of(volume).get("persistentVolumeReclaimPolicy") or "Retain")


def _effect(ref: ObjectRef, words: str, *, is_lost: bool) -> Effect:
    verdict = "data will be lost" if is_lost else "no data is lost"
    return Effect(rule="BR-04", ref=ref, text=f"{verdict}: {words}", is_data_lost=is_lost)
