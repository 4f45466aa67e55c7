"""What of a rendered object is sent, and what makes it an object at all.

Before: ``documents`` read a file.
After: ``Manifest`` holds the body; the same bytes are compared, kept and sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rollwright.errors import Problem, excerpt
from rollwright.rollouts.manifest import Body, group_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

SERVER_OWNED = frozenset(
    {
        "managedFields",
        "resourceVersion",
        "uid",
        "generation",
        "creationTimestamp",
        "selfLink",
    }
)
"""Keys of ``metadata`` that only the server may write (AP-03, AP-20)."""

HOOK_ANNOTATIONS = ("rollwright.dev/hook", "argocd.argoproj.io/hook", "helm.sh/hook")
"""What makes an object a hook, ours first; the first that is there counts."""

_MAPS = frozenset({"annotations", "labels"})

POD_SPECS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): ("spec", "template", "spec"),
    **{
        (group, kind): ("spec", "template", "spec")
        for group in ("apps", "extensions")
        for kind in ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet")
    },
    ("batch", "Job"): ("spec", "template", "spec"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where the kinds that hold a pod hold it."""

_CREATED = "creationTimestamp"
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def sendable(body: Body) -> dict[str, Any]:
    """Return a body without what must not be sent, and with the protocol of every port.

    Dropped are ``status`` of the object itself, what the server owns in ``metadata``, the
    annotation of client-side apply, empty labels and annotations, and keys whose value is null:
    an apply without them says the same (AP-20). A null inside a list stays, as its place counts. Parts that need no
    change are shared with ``body``.
    """
    cleaned: dict[str, Any] = _without_nulls(
        {key: value for key, value in body.items() if key != "status"}
    )
    cleaned = _changed_at(cleaned, ("metadata",), _own_metadata)
    group, kind = group_of(str(body.get("apiVersion", ""))), body.get("kind")
    if (group, kind) == ("", "Service"):
        cleaned = _changed_at(cleaned, ("spec", "ports"), _with_protocols)
    for containers in _CONTAINERS if (group, kind) in POD_SPECS else ():
        place = (*POD_SPECS[group, str(kind)], containers)
        cleaned = _changed_at(cleaned, place, _containers_with_protocols)
    return cleaned


def _own_metadata(metadata: Any) -> Any:
    if not isinstance(metadata, Mapping):
        return metadata
    kept = {key: value for key, value in metadata.items() if key not in SERVER_OWNED}
    annotations = kept.get("annotations")
    if isinstance(annotations, Mapping) and LAST_APPLIED in annotations:
        kept["annotations"] = {k: v for k, v in annotations.items() if k != LAST_APPLIED}
    # An empty map says nothing, yet applying it would claim all labels or annotations there are:
    # with the first one that a controller adds, the object would differ from what we left.
    return {key: value for key, value in kept.items() if key not in _MAPS or value != {}}


def _without_nulls(value: Any) -> Any:
    """Drop keys that are null, and empty creation times of templates; share the rest."""
    if isinstance(value, dict):
        return _map_without_nulls(value)
    if isinstance(value, list):
        return _list_without_nulls(value)
    return value


def _map_without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] | None = None
    for key, inner in value.items():
        if inner is None:
            changed = dict(value) if changed is None else changed
            del changed[key]
        elif isinstance(inner, (dict, list)):
            kept = _without_nulls(inner)
            if key == "metadata" and isinstance(kept, dict) and kept.get(_CREATED) == "":
                kept = {name: one for name, one in kept.items() if name != _CREATED}
            if kept is not inner:
                changed = dict(value) if changed is None else changed
                changed[key] = kept
    return value if changed is None else changed


def _list_without_nulls(value: list[Any]) -> list[Any]:
    changed: list[Any] | None = None
    for index, inner in enumerate(value):
        if isinstance(inner, (dict, list)):
            kept = _without_nulls(inner)
            if kept is not inner:
                changed = list(value) if changed is None else changed
                changed[index] = kept
    return value if changed is None else changed


def _changed_at(body: Any, path: tuple[str, ...], change: Callable[[Any], Any]) -> Any:
    """Return ``body`` with the value at ``path`` changed, copying only the way there."""
    key, *rest = path
    if not isinstance(body, Mapping) or key not in body:
        return body
    inner = body[key]
    changed = _changed_at(inner, tuple(rest), change) if rest else change(inner)
    return body if changed is inner else {**body, key: changed}


def _containers_with_protocols(containers: Any) -> Any:
    if not isinstance(containers, list):
        return containers
    return [_changed_at(one, ("ports",), _with_protocols) for one in containers]


def _with_protocols(ports: Any) -> Any:
    # AP-10: (port, protocol) is the key of the list; two entries without one would collide.
    if not isinstance(ports, list):
        return ports
    return [
        {**port, "protocol": "TCP"}
        if isinstance(port, Mapping) and not port.get("protocol")
        else port
        for port in ports
    ]


def flatten(value: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Open lists: the items of a ``List`` or ``ConfigMapList`` in order, else the value itself.

    Each comes with its place in ``value``. Items of a typed list may leave their kind out; they
    get it from the list, as in kubectl.
    """
    if not _is_list(value):
        yield (), value
        return
    kind = value["kind"].removesuffix("List")
    for index, item in enumerate(value.get("items") or ()):
        typed = item
        if kind and isinstance(item, Mapping) and "kind" not in item:
            typed = {"apiVersion": value.get("apiVersion"), "kind": kind, **item}
        for path, one in flatten(typed):
            yield ("items", index, *path), one


def _is_list(value: Any) -> bool:
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or not kind.endswith("List"):
        return False
    items = value.get("items")
    return isinstance(items, list) or (kind == "List" and items is None)


def identity_problems(body: Any, where: str) -> tuple[Problem, ...]:
    """Return what keeps a value from being an object that can be applied; empty means good.

    Args:
        body: One object; lists are opened before.
        where: File and line, for the messages.
    """
    if not isinstance(body, Mapping):
        message = f"not a Kubernetes object: {_type_name(body)}"
        return (Problem(where=where, path="", message=message),)
    if "apiVersion" not in body and "kind" not in body:
        keys = excerpt(", ".join(map(str, body)), 60) or "empty"
        message = f"not a Kubernetes object: no apiVersion and no kind (keys: {keys})"
        return (Problem(where=where, path="", message=message),)
    found = [
        ("apiVersion", _api_version_problem(body.get("apiVersion"))),
        ("kind", _kind_problem(body.get("kind"))),
        *_metadata_problems(body.get("metadata")),
    ]
    return tuple(
        Problem(where=where, path=path, message=message) for path, message in found if message
    )


def _metadata_problems(metadata: Any) -> Iterable[tuple[str, str | None]]:
    if metadata is None:
        return [("metadata.name", "missing")]
    if not isinstance(metadata, Mapping):
        return [("metadata", f"expected a mapping; got {_type_name(metadata)}")]
    return [
        ("metadata.name", _name_problem(metadata)),
        ("metadata.namespace", _namespace_problem(metadata.get("namespace"))),
        ("metadata.labels", _map_problem(metadata.get("labels"))),
        ("metadata.annotations", _map_problem(metadata.get("annotations"))),
    ]


def _api_version_problem(value: Any) -> str | None:
    problem = _text_problem(value)
    if problem:
        return problem
    parts = str(value).split("/")
    is_good = len(parts) <= 2 and all(_is_segment(part) for part in parts)
    return None if is_good else f"expected 'group/version' or 'v1'; got {excerpt(value, 60)!r}"


def _kind_problem(value: Any) -> str | None:
    problem = _text_problem(value)
    if problem or _is_segment(value):
        return problem
    return f"not a kind: {excerpt(value, 60)!r}"


def _name_problem(metadata: Mapping[str, Any]) -> str | None:
    name = metadata.get("name")
    if name is None and metadata.get("generateName") is not None:
        if _is_hook(metadata):
            return _text_problem(metadata["generateName"])  # it is named when it runs (HK-08)
        return "missing; objects with generateName cannot be applied, give it a name"
    problem = _text_problem(name)
    if problem or _is_segment(str(name)):
        return problem
    return f"not a name: {excerpt(str(name), 60)!r}; '/', '%', '.' and '..' cannot stand in a path"


def _is_hook(metadata: Mapping[str, Any]) -> bool:
    annotations = metadata.get("annotations")
    return isinstance(annotations, Mapping) and any(one in annotations for one in HOOK_ANNOTATIONS)


def _namespace_problem(value: Any) -> str | None:
    if value is None or value == "":
        return None
    problem = _text_problem(value)
    if problem or _is_segment(value):
        return problem
    return f"not a name of a namespace: {excerpt(value, 60)!r}"


def _map_problem(value: Any) -> str | None:
    if value is None or isinstance(value, Mapping):
        return None
    return f"expected a mapping; got {_type_name(value)}"


def _text_problem(value: Any) -> str | None:
    if value is None or value == "":
        return "missing"
    if isinstance(value, str):
        return None
    hint = ", quote it" if isinstance(value, (bool, int, float)) else ""
    return f"expected text; got {_type_name(value)}{hint}"


def _is_segment(text: str) -> bool:
    return text not in {"", ".", ".."} and not set(text) & {"/", "%"}


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list"}
    return names.get(type(value), "a mapping")
