"""Which objects and which of their fields are ours: labels, and a digest of the fields' values.

Before: the wanted objects were placed, and get the labels of their rollout and of its ApplySet;
objects were read, with their managedFields; ``live`` keeps the digest with the object.
After: ``fates`` keeps an object whose owned fields still are what we left there, without asking
the server.

The API server writes down, per field manager, which fields it owns (FieldsV1: a tree of
``f:<field>``, ``k:<keys of a list item>``, ``v:<set member>``, ``i:<index>`` and ``.``). The
values at those places are what we applied; if they are unchanged since our last apply, applying
the same body again changes nothing.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any

import orjson

from rollwright.errors import InvalidManifests, Problem
from rollwright.rollouts.manifest import (
    Body,
    Manifest,
    ManifestSet,
    ObjectRef,
    digest_of,
    is_secret,
    keyed_digest,
)

MANAGER = "rollwright"
"""The field manager of every apply of the main set (AP-30)."""

ROLLOUT_LABEL = "rollwright.dev/rollout"
"""Label on every object of a rollout; its value is the rollout's name."""

PART_OF = "applyset.kubernetes.io/part-of"
"""Label on every object of a rollout beside ours: the id of its ApplySet (IN-20)."""

ID_LABEL = "applyset.kubernetes.io/id"
"""Label on the parent of an ApplySet (IN-22)."""

PARENT_NAMESPACE = "rollwright-system"
"""Where the parents of the ApplySets are, unless the site keeps its states elsewhere."""

_ABSENT = "\0absent"


def parent_ref(rollout: str, namespace: str = PARENT_NAMESPACE) -> ObjectRef:
    """Return the parent of a rollout's ApplySet: one for each rollout and cluster (IN-27)."""
    return ObjectRef(group="", kind="ConfigMap", namespace=namespace, name=rollout)


def set_id(parent: ObjectRef) -> str:
    """Return the id of the ApplySet that an object is the parent of (IN-21)."""
    named = f"{parent.name}.{parent.namespace}.{parent.kind}.{parent.group}"
    digest = urlsafe_b64encode(sha256(named.encode()).digest()).decode().rstrip("=")
    return f"applyset-{digest}-v1"


def own(wanted: ManifestSet, rollout: str, namespace: str = PARENT_NAMESPACE) -> ManifestSet:
    """Put the rollout's labels on every object, so that reading what is ours is one LIST a kind.

    Args:
        wanted: The placed objects.
        rollout: Whose they are.
        namespace: Of the parent of the rollout's ApplySet.

    Raises:
        InvalidManifests: One of the objects is that parent.
    """
    parent = parent_ref(rollout, namespace)
    labels = {ROLLOUT_LABEL: rollout, PART_OF: set_id(parent)}
    problems = [_is_parent(manifest) for manifest in wanted if manifest.ref == parent]
    if problems:
        raise InvalidManifests(problems, hint="give the object or the rollout another name")
    return replace(wanted, manifests=tuple(_labelled(manifest, labels) for manifest in wanted))


def _is_parent(manifest: Manifest) -> Problem:
    message = f"{manifest.ref}: is where Rollwright keeps what the rollout's ApplySet holds"
    return Problem(where=str(manifest.origin), path="metadata.name", message=message)


def _labelled(manifest: Manifest, labels: Mapping[str, str]) -> Manifest:
    metadata = {**manifest.body["metadata"]}
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    return replace(manifest, body={**manifest.body, "metadata": metadata})


def owned_fields(metadata: Mapping[str, Any], manager: str = "") -> Mapping[str, Any]:
    """Return the FieldsV1 that our applies own; empty for an object that owns nothing (AP-18a).

    Args:
        metadata: ``metadata`` of a live object.
        manager: Whose applies; by default those of the main set, or else of an object that is
            merged (AP-30).
    """
    rollout = (metadata.get("labels") or {}).get(ROLLOUT_LABEL)
    for name in (manager,) if manager else (MANAGER, f"{MANAGER}-{rollout}"):
        for entry in metadata.get("managedFields") or ():
            is_ours = entry.get("manager") == name and entry.get("operation") == "Apply"
            if is_ours and not entry.get("subresource"):
                fields: Mapping[str, Any] = entry.get("fieldsV1") or {}
                return fields
    return {}


def values_digest(fields: Mapping[str, Any], body: Body, salt: str = "") -> str:
    """Return the digest of an object's values at the places that FieldsV1 name.

    Args:
        fields: FieldsV1.
        body: The live object.
        salt: Key of the installation, for a Secret; empty for every other kind.
    """
    fields = kept_fields(fields) if is_secret(body) else fields
    values = _values(fields, body) if fields else {}
    return keyed_digest(values, salt) if salt else digest_of(values)


def kept_fields(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a Secret by where they are kept.

    NB: who applies ``stringData`` holds fields of that name, though the server keeps them in
    ``data`` and never shows another.
    """
    texts = fields.get("f:stringData")
    if texts is None:
        return fields
    rest = {key: below for key, below in fields.items() if key != "f:stringData"}
    return {**rest, "f:data": {**(fields.get("f:data") or {}), **texts}}


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
