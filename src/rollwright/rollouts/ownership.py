"""Which fields of a live object are ours, and a digest of their values.

Before: objects were read, with their managedFields; ``live`` keeps the digest with the object.
After: ``fates`` keeps an object whose owned fields still are what we left there, without asking
the server.

The API server writes down, per field manager, which fields it owns (FieldsV1: a tree of
``f:<field>``, ``k:<keys of a list item>``, ``v:<set member>``, ``i:<index>`` and ``.``). The
values at those places are what we applied; if they are unchanged since our last apply, applying
the same body again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import orjson

from rollwright.rollouts.manifest import Body, Manifest, ManifestSet, digest_of

MANAGER = "rollwright"
"""The field manager of every apply of the main set (AP-30)."""

ROLLOUT_LABEL = "rollwright.dev/rollout"
"""Label on every object of a rollout; its value is the rollout's name."""

_ABSENT = "\0absent"


def own(wanted: ManifestSet, rollout: str) -> ManifestSet:
    """Put the rollout's label on every object, so that reading what is ours is one LIST a kind."""
    return replace(wanted, manifests=tuple(_labelled(manifest, rollout) for manifest in wanted))


def _labelled(manifest: Manifest, rollout: str) -> Manifest:
    metadata = {**manifest.body["metadata"]}
    metadata["labels"] = {**(metadata.get("labels") or {}), ROLLOUT_LABEL: rollout}
    return replace(manifest, body={**manifest.body, "metadata": metadata})


def owned_fields(metadata: Mapping[str, Any], manager: str = MANAGER) -> Mapping[str, Any]:
    """Return the FieldsV1 that our applies own; empty for an object that owns nothing (AP-18a).

    Args:
        metadata: ``metadata`` of a live object.
        manager: Whose applies.
    """
    for entry in metadata.get("managedFields") or ():
        is_ours = entry.get("manager") == manager and entry.get("operation") == "Apply"
        if is_ours and not entry.get("subresource"):
            fields: Mapping[str, Any] = entry.get("fieldsV1") or {}
            return fields
    return {}


def values_digest(fields: Mapping[str, Any], body: Body) -> str:
    """Return the digest of an object's values at the places that FieldsV1 name."""
    return digest_of(_values(fields, body) if fields else {})


def other_managers(metadata: Mapping[str, Any], manager: str = MANAGER) -> tuple[str, ...]:
    """Return the names of the other managers that own fields, sorted."""
    entries = metadata.get("managedFields") or ()
    return tuple(sorted({str(e.get("manager", "")) for e in entries} - {manager}))


def _values(fields: Mapping[str, Any], value: Any) -> Any:
    if not fields:
        return value
    if type(value) is dict:
        return {key: _in_mapping(key, below, value) for key, below in fields.items()}
    return {key: _at(key, below, value) for key, below in fields.items()}


def _in_mapping(key: str, below: Mapping[str, Any], value: dict[str, Any]) -> Any:
    if key[:2] != "f:":
        return True if key == "." else _ABSENT
    found = value.get(key[2:], _ABSENT)
    return _values(below, found) if below and found is not _ABSENT else found


def _at(key: str, below: Mapping[str, Any], value: Any) -> Any:
    if key == ".":
        return value is not None
    found = _child(key, value)
    return _ABSENT if found is _ABSENT else _values(below, found)


@lru_cache(maxsize=4096)
def _step(key: str) -> tuple[str, Any]:
    marker, _, rest = key.partition(":")
    return marker, orjson.loads(rest) if marker in {"k", "v", "i"} else rest


def _child(key: str, value: Any) -> Any:
    marker, wanted = _step(key)
    if marker == "f":
        return value.get(wanted, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    if not isinstance(value, list):
        return _ABSENT
    if marker == "k":
        return _item(wanted, value)
    if marker == "v":
        return wanted if wanted in value else _ABSENT
    return value[wanted] if wanted < len(value) else _ABSENT


def _item(keys: Mapping[str, Any], items: list[Any]) -> Any:
    for item in items:
        if isinstance(item, Mapping) and all(item.get(k) == v for k, v in keys.items()):
            return item
    return _ABSENT
