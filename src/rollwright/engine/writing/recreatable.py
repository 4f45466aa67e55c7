"""Whether the server would take an object that is deleted and created again (AP-57, OR-100).

Before: ``forecast`` learned that a field cannot change in place. Of the rest of the object the
server says nothing then: it stops at the field.
After: the object may be replaced; or it is refused now, while the former one is still there.

Asked by creating it under another name, dry. Only a mistake in a field counts: what else the
server refuses there (a quota that the former object fills, a policy on names) may be good for
the object itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollwright.engine.reading.admission import dry_run
from rollwright.errors import ClusterError
from rollwright.plugins.contracts import ApplyRequest, Cluster
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.manifest import Body

_SUFFIX = "-anew"
_LONGEST = 63 - len(_SUFFIX)

_KINDS = frozenset({
    ("", "ConfigMap"), ("", "Secret"), ("", "Service"), ("", "PersistentVolumeClaim"),
    ("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet"),
    ("apps", "ReplicaSet"), ("batch", "Job"),
})  # fmt: skip
"""Kinds whose names mean nothing: what is good under one name is good under another."""

_ADDRESSES = ("clusterIP", "clusterIPs", "healthCheckNodePort")


async def check_recreatable(cluster: Cluster, request: ApplyRequest, live: LiveObject) -> None:
    """Refuse an object that could not be created once the former one is deleted.

    Raises:
        ClusterError: The server would refuse it.
    """
    ref = request.ref
    if ref.group_kind not in _KINDS:
        return
    alias = f"{ref.name[:_LONGEST]}{_SUFFIX}"
    asked = ApplyRequest(
        ref=ref._replace(name=alias),
        body=_under(alias, request.body, live),
        manager=request.manager,
        force=True,
        is_dry_run=True,
    )
    try:
        await dry_run(cluster, asked)
    except ClusterError as error:
        if not _is_mistake(error):
            return
        raise _told(error, str(asked.ref), str(ref), alias, ref.name) from None


def _is_mistake(error: ClusterError) -> bool:
    """Whether a field is wrong, be the object called what it may."""
    fields = [cause.field for cause in error.causes if cause.field]
    is_named = any(field.startswith("metadata") for field in fields)
    return error.status == 422 and bool(fields) and not is_named


def _told(error: ClusterError, asked: str, meant: str, alias: str, name: str) -> ClusterError:
    message = error.message.replace(asked, meant).replace(f'"{alias}"', f'"{name}"')
    return ClusterError(
        f"{message}; it would have to be deleted and created again, and could not be",
        status=error.status,
        reason=error.reason,
        causes=error.causes,
        hint="correct the manifest; nothing was deleted",
    )


def _under(name: str, body: Body, live: LiveObject) -> dict[str, Any]:
    """Return the body under another name, without the addresses that the former object holds."""
    renamed = {**body, "metadata": {**body["metadata"], "name": name}}
    spec, held = body.get("spec"), live.body.get("spec")
    if body.get("kind") != "Service" or not isinstance(spec, Mapping) or not held:
        return renamed
    addresses = {key for key in _ADDRESSES if key in spec and spec[key] == held.get(key)}
    if "clusterIP" in addresses:
        addresses.add("clusterIPs")
    ports = {one.get("nodePort") for one in held.get("ports") or ()}
    free = {key: value for key, value in spec.items() if key not in addresses}
    free["ports"] = [_unbound(one, ports) for one in spec.get("ports") or ()]
    return {**renamed, "spec": free}


def _unbound(port: Any, held: set[Any]) -> Any:
    if not isinstance(port, Mapping) or port.get("nodePort") not in held:
        return port
    return {key: value for key, value in port.items() if key != "nodePort"}
