"""From what jsonnet yields to objects: four forms, told apart by what they hold.

Before: the child evaluated the file. After: ``Collector`` makes manifests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rollwright.errors import InvalidManifests, Problem
from rollwright.renderers.objects import Collector, keyed_by_identity
from rollwright.rollouts.body import flatten
from rollwright.rollouts.manifest import Manifest, ManifestSet, Origin
from rollwright.rollouts.spec import FOREIGN_API_VERSION, is_older
from rollwright.rollouts.spec.rollout import KIND

OBJECTS, ROLLOUT = "objects", "rollout"


@dataclass(frozen=True, slots=True)
class _Found:
    """A value that should be an object.

    Attributes:
        key: The key that leads to it; empty inside a list.
        value: What stands there.
        place: Its key, or where in a list it is: ``web/ports``, ``web/all[2]``.
    """

    key: str
    value: Any
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What one file yielded; ``prefix`` is what the keys of its objects begin with."""

    file: str
    value: Any
    prefix: str = ""


def manifests_of(outputs: Sequence[Output], revision: str) -> ManifestSet:
    """Return the objects of the outputs; ``revision`` is the source's.

    Raises:
        InvalidManifests: They hold something else than objects, or an object twice.
    """
    collector = Collector()
    for output in outputs:
        origin, value = Origin(file=output.file), output.value
        if _has_rollout(value):
            _refuse_others(value, output.file)
            if value.get(ROLLOUT) is not None:
                collector.take_rollout(_with_head(value[ROLLOUT]), origin)
            value = value[OBJECTS]
        for found in _walk(value, output.prefix, output.prefix):
            _take(collector, found, origin)
    return _keyed(collector.finish(revision))


def _has_rollout(value: Any) -> bool:
    if not isinstance(value, Mapping) or OBJECTS not in value or _is_object(value):
        return False
    return ROLLOUT in value or len(value) == 1


def _refuse_others(value: Mapping[str, Any], file: str) -> None:
    others = sorted(set(value) - {OBJECTS, ROLLOUT})
    if others:
        message = f"unknown field beside {OBJECTS} and {ROLLOUT}"
        raise InvalidManifests([Problem(where=file, path=one, message=message) for one in others])


def _with_head(rollout: Any) -> Any:
    """Say what the value of ``rollout`` is where it does not say so itself."""
    if not isinstance(rollout, Mapping) or {"apiVersion", "kind"} & set(rollout):
        return rollout
    return {"apiVersion": FOREIGN_API_VERSION, "kind": KIND, **rollout}


def _is_object(value: Mapping[str, Any]) -> bool:
    return any(isinstance(value.get(key), str) for key in ("apiVersion", "kind"))


def _walk(value: Any, key: str, place: str) -> Iterator[_Found]:
    """Yield what should be objects; null is what a condition left out."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            inside = _walk(item, "", f"{place}[{index}]")
            yield from (replace(found, key="") for found in inside)
    elif isinstance(value, Mapping) and not _is_object(value):
        for name, inner in value.items():
            below = f"{place}/{name}" if place else name
            yield from _walk(inner, f"{key}/{name}" if key else name, below)
    elif value is not None:
        yield _Found(key, value, place)


def _take(collector: Collector, found: _Found, origin: Origin) -> None:
    if is_older(found.value):
        collector.take_rollout(found.value, origin)
        return
    bodies = [body for _, body in flatten(found.value)]
    for number, body in enumerate(bodies, 1):
        key = found.key if number == 1 or not found.key else f"{found.key}#{number}"
        document = found.key if len(bodies) > 1 else ""
        collector.add_object(body, key, origin, document=document, place=found.place)


def _keyed(manifests: ManifestSet) -> ManifestSet:
    """Give those without a key their identity; keys stay unique."""
    identities = {one.ref: one.key for one in keyed_by_identity(manifests)}
    taken = {one.key for one in manifests if one.key}
    keyed = tuple(_with_key(one, identities[one.ref], taken) for one in manifests)
    return replace(manifests, manifests=keyed)


def _with_key(manifest: Manifest, identity: str, taken: set[str]) -> Manifest:
    if manifest.key:
        return manifest
    return replace(manifest, key=identity if identity not in taken else manifest.ref.qualified)
