"""Whether anything moves: a digest of what counts as progress of an object.

Counters, conditions and pods count; times and texts do not, nor do restarts and the reasons a
container waits with: a crash loop moves, but gets nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rollwright.rollouts.health.subject import well_formed
from rollwright.rollouts.manifest import Body, digest_of

_WORDS = frozenset({"phase", "state", "health"})


def fingerprint(body: Body | None, pods: Iterable[Body] = ()) -> str:
    """Return a text that changes when an object has made progress."""
    if body is None:
        return digest_of(None)
    metadata, status = body.get("metadata") or {}, body.get("status") or {}
    facts = {
        "generation": metadata.get("generation"),
        "deleted": "deletionTimestamp" in metadata,
        "finalizers": metadata.get("finalizers") or [],
        "counters": sorted(_counters(status, "")),
        "conditions": _conditions(status),
        "pods": sorted(_pod(pod) for pod in pods),
    }
    return digest_of(facts)


def _counters(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in {"conditions", "containerStatuses", "initContainerStatuses"}:
                yield from _counters(inner, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        yield f"{path}#", str(len(value))
        for place, inner in enumerate(value):
            yield from _counters(inner, f"{path}[{place}]")
    elif isinstance(value, int) or path.rpartition(".")[2] in _WORDS:
        yield path, str(value)


def _conditions(status: Mapping[str, Any]) -> list[list[str]]:
    found = well_formed(status.get("conditions"))
    return sorted([str(one.get(key)) for key in ("type", "status", "reason")] for one in found)


def _pod(pod: Body) -> list[str]:
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    conditions = [part for part in _conditions(status) if part[0] in {"Ready", "PodScheduled"}]
    done = sum(
        1
        for one in status.get("initContainerStatuses") or ()
        if ((one.get("state") or {}).get("terminated") or {}).get("exitCode") == 0
    )
    name = metadata.get("uid") or metadata.get("name")
    ready = [part[1] for part in conditions]
    return [str(name), str(status.get("phase")), str(done), *ready]
