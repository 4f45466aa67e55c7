"""What the containers of a Job wrote: the last words of those that failed, and more to keep.

Before: a Job has ended, or its time is over.
After: the report has its log, bounded and without values of Secrets (HK-09).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from rollwright.errors import RolloutError
from rollwright.plugins.contracts import ActionRequest, LogRequest
from rollwright.rollouts.container_logs import (
    KEPT_BYTES,
    failed_containers,
    kept_log,
    quoted_lines,
)
from rollwright.rollouts.manifest import Body, ObjectRef
from rollwright.rollouts.status import Evidence, ObjectStatus

PODS_KEPT = 5
"""Of how many pods of one Job logs are kept, the newest."""

WITHIN_SECONDS = 20.0
"""How long the logs are waited for; the node they come from may be gone."""

_READ_BYTES = 4 * KEPT_BYTES
_STATUSES = ("initContainerStatuses", "containerStatuses")


async def read_logs(
    request: ActionRequest, pods: Iterable[Body], line_count: int
) -> Mapping[str, str]:
    """Return the logs of pods by ``pod/container``; those that cannot be read are left out."""
    containers = tuple(_containers(pods))
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            texts = await asyncio.gather(
                *(_read(request, pod, name, line_count) for pod, name in containers)
            )
    except TimeoutError:
        return {}
    logs = {
        f"{pod.name}/{name}": kept_log(text, request.hidden, line_count=line_count)
        for (pod, name), text in zip(containers, texts, strict=True)
    }
    return {name: text for name, text in logs.items() if text}


def _containers(pods: Iterable[Body]) -> Iterator[tuple[ObjectRef, str]]:
    newest = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")))
    for pod in newest[-PODS_KEPT:]:
        metadata, status = pod["metadata"], pod.get("status") or {}
        ref = ObjectRef("", "Pod", str(metadata.get("namespace", "")), str(metadata["name"]))
        for kind in _STATUSES:
            for one in status.get(kind) or ():
                yield ref, str(one.get("name", ""))


async def _read(request: ActionRequest, pod: ObjectRef, container: str, line_count: int) -> str:
    """Return the log of a container; of the run before where the present one wrote nothing."""
    for is_previous in (False, True):
        wanted = LogRequest(
            pod=pod, container=container, is_previous=is_previous, tail_count=line_count,
            limit_bytes=_READ_BYTES,
        )  # fmt: skip
        try:
            text = await request.cluster.logs(wanted)
        except RolloutError:
            return ""
        if text.strip():
            return _whole_lines(text)
    return ""


def _whole_lines(text: str) -> str:
    """Drop a last line that was cut: half of a secret would not be known as one."""
    is_cut = len(text.encode()) >= _READ_BYTES
    return text.rpartition("\n")[0] if is_cut else text


def last_words(
    pods: Iterable[Body], logs: Mapping[str, str], hidden: frozenset[str]
) -> tuple[Evidence, ...]:
    """Return the last lines of the containers that failed, as evidence."""
    return tuple(
        Evidence(kind="Log", name=f"{one.pod.name}/{one.name}", uid=one.pod_uid, text=line)
        for one in failed_containers(pods)
        for line in quoted_lines(logs.get(f"{one.pod.name}/{one.name}", ""), hidden)
    )


def with_last_words(
    status: ObjectStatus | None, words: tuple[Evidence, ...]
) -> ObjectStatus | None:
    """Return the verdict with the last words beside it, which every face prints."""
    return replace(status, evidence=(*status.evidence, *words)) if status else None
