"""Server-side apply as ``FakeCluster`` understands it: maps merge, everything else is one field.

Good enough to see who owns what and who is in whose way; lists with keys, defaults and schemas
are the real server's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeAlias

from rollwright.errors import ApplyConflict, Cause, ClusterError
from rollwright.plugins.contracts import ApplyRequest, ListRequest
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body, ObjectRef

Path: TypeAlias = tuple[str, ...]

_IDENTITY = {("apiVersion",), ("kind",)} | {
    ("metadata", key)
    for key in ("name", "namespace", "uid", "resourceVersion", "generation", "managedFields")
}
_SYSTEM = ("resourceVersion", "generation", "uid", "creationTimestamp")
_TERM = re.compile(r"\s*(!?)([^\s,=!()]+)\s*(?:(==?|!=)\s*([^\s,]*)|(in|notin)\s*\(([^)]*)\))?\s*")


def applied(request: ApplyRequest, before: Body | None) -> dict[str, Any]:
    """Return the object after an apply.

    Raises:
        ApplyConflict: Unforced, and another manager owns a field with another value.
    """
    wanted = set(_leaves(request.body))
    owners = _owners(before)
    ours = owners.pop((request.manager, "Apply"), set())
    conflicts = [
        (path, owner)
        for owner, paths in owners.items()
        for path in sorted(wanted & paths)
        if _get(before or {}, path) != _get(request.body, path)
    ]
    if conflicts and not request.force:
        raise _conflict(request.ref, [(path, manager) for path, (manager, _) in conflicts])
    for path, owner in conflicts:
        owners[owner].discard(path)
    after = deepcopy(dict(before)) if before is not None else _bare(request)
    kept = set().union(*owners.values()) if owners else set()
    for path in ours - wanted - kept:
        _remove(after, path)
    for path in wanted:
        _set(after, path, deepcopy(_get(request.body, path)))
    owners[request.manager, "Apply"] = wanted
    after["metadata"]["managedFields"] = _entries(owners, str(request.body["apiVersion"]))
    return after


def check_preconditions(ref: ObjectRef, body: Body | None, uid: str, resource_version: str) -> None:
    """Raise 409 if the object is not the one that was meant."""
    metadata = (body or {}).get("metadata") or {}
    for wanted, key in ((uid, "uid"), (resource_version, "resourceVersion")):
        if wanted and metadata.get(key) != wanted:
            message = f"{ref}: {key} is {metadata.get(key)!r}, expected {wanted!r}"
            raise ClusterError(message, status=409, reason="Conflict")


def content(body: Body) -> dict[str, Any]:
    """Return an object without what every write changes."""
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if k not in _SYSTEM}
    return {**body, "metadata": metadata}


def matches(request: ListRequest, live: LiveObject) -> bool:
    """Whether a LIST or watch selects an object."""
    group = request.api_version.rpartition("/")[0]
    if (group, request.kind) != (live.ref.group, live.ref.kind):
        return False
    if request.namespace and live.ref.namespace not in {"", request.namespace}:
        return False
    fields = {"metadata.name": live.ref.name, "metadata.namespace": live.ref.namespace}
    return _selects(request.label_selector, live.labels) and _selects(
        request.field_selector, fields
    )


def _selects(selector: str, values: Mapping[str, str]) -> bool:
    for is_not, key, sign, value, word, listed in _TERM.findall(selector):
        choices = {one.strip() for one in listed.split(",")} if word else {value}
        if not sign and not word:
            if (key in values) == bool(is_not):
                return False
        elif (values.get(key) in choices) != (sign in {"=", "=="} or word == "in"):
            return False
    return True


def _bare(request: ApplyRequest) -> dict[str, Any]:
    metadata = {"name": request.ref.name}
    if request.ref.namespace:
        metadata["namespace"] = request.ref.namespace
    return {
        "apiVersion": request.body["apiVersion"],
        "kind": request.body["kind"],
        "metadata": metadata,
    }


def merged(value: Any, patch: Any) -> Any:
    """Return a value after a merge patch (RFC 7386); lists are taken whole."""
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    found = dict(value) if isinstance(value, Mapping) else {}
    for key, part in patch.items():
        if part is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), part)
    return deepcopy(found)


def _leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    if path in _IDENTITY:
        return
    if isinstance(value, Mapping) and (value or not path):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif path != ("metadata",):
        yield path


def _owners(body: Body | None) -> dict[tuple[str, str], set[Path]]:
    entries = ((body or {}).get("metadata") or {}).get("managedFields") or ()
    return {
        (one["manager"], one["operation"]): set(_paths(one.get("fieldsV1") or {}))
        for one in entries
        if not one.get("subresource")
    }


def _paths(fields: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    if not fields and path:
        yield path
    for key, inner in fields.items():
        if key.startswith("f:"):
            yield from _paths(inner, (*path, key[2:]))


def _entries(owners: Mapping[tuple[str, str], set[Path]], api_version: str) -> list[dict[str, Any]]:
    return [
        {
            "manager": manager,
            "operation": operation,
            "apiVersion": api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": _fields(paths),
        }
        for (manager, operation), paths in sorted(owners.items())
        if paths
    ]


def _fields(paths: set[Path]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for path in sorted(paths):
        place = fields
        for key in path:
            place = place.setdefault(f"f:{key}", {})
    return fields


def _get(body: Mapping[str, Any], path: Path) -> Any:
    value: Any = body
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _set(body: dict[str, Any], path: Path, value: Any) -> None:
    place = body
    for key in path[:-1]:
        inner = place.get(key)
        place[key] = inner if isinstance(inner, dict) else {}
        place = place[key]
    place[path[-1]] = value


def _remove(body: dict[str, Any], path: Path) -> None:
    parent = _get(body, path[:-1])
    if isinstance(parent, dict):
        parent.pop(path[-1], None)
        if not parent and len(path) > 1 and path[:-1] != ("metadata",):
            _remove(body, path[:-1])


def _conflict(ref: ObjectRef, found: list[tuple[Path, str]]) -> ApplyConflict:
    causes = [
        Cause(
            reason="FieldManagerConflict",
            field="." + ".".join(path),
            message=f'conflict with "{manager}"',
        )
        for path, manager in found
    ]
    fields = ", ".join(cause.field for cause in causes)
    return ApplyConflict(
        f"{ref}: apply refused: conflicts on {fields}", status=409, reason="Conflict", causes=causes
    )
