"""Reading what surrounds objects that go: a few lists, within limits, and never for ordinary runs.

Before: the plan was made, and deletes or recreates something.
After: the plan holds its blast radius, and is shown with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from rollwright.engine.writing.together import together
from rollwright.errors import ClusterError, Unreachable
from rollwright.plugins.contracts import Cluster, Discovery, ListRequest
from rollwright.rollouts.blast import (
    COUNTED,
    Effect,
    Going,
    Reading,
    Scope,
    Served,
    effects_of,
    scopes_of,
)
from rollwright.rollouts.live import LiveObject
from rollwright.rollouts.ownership.fields import ROLLOUT_LABEL

LONGEST_SECONDS = 10.0
"""How long all the reading may take; what is not read by then is unknown (BR-10)."""


async def measure(
    cluster: Cluster,
    rollout: str,
    going: tuple[Going, ...],
    *,
    dependants: Iterable[str] = (),
    seconds: float = LONGEST_SECONDS,
) -> tuple[Effect, ...]:
    """Return what the deletion of objects takes along.

    Args:
        cluster: Where they are.
        rollout: Whose they are.
        going: The objects, as they were read.
        dependants: Rollouts that declare to depend on this one.
        seconds: How long the reading may take.
    """
    names = tuple(dependants)
    if not going and not names:
        return ()
    served = listable(await cluster.discover())
    reader = _Reader(cluster, rollout)
    scopes = scopes_of(going, served)
    try:
        async with asyncio.timeout(seconds):
            await together(reader.read(scope) for scope in scopes)
    except TimeoutError:
        reader.note_unread(scopes, f"reading took longer than {seconds:g} s")
    return effects_of(
        Reading(
            rollout=rollout, going=going, served=served, lists=reader.lists,
            unknown=reader.unknown, dependants=names,
        )
    )  # fmt: skip


def listable(discovery: Discovery) -> tuple[Served, ...]:
    """Return every kind that can be listed, in its preferred version."""
    found: dict[tuple[str, str], Served] = {}
    for one in sorted(discovery.kinds.values(), key=lambda kind: not kind.is_preferred):
        if "list" in one.verbs:
            served = Served(one.api_version, one.kind, one.is_namespaced)
            found.setdefault((one.group, one.kind), served)
    return tuple(found.values())


class _Reader:
    """What was read so far; stops counting at the limit."""

    def __init__(self, cluster: Cluster, rollout: str) -> None:
        self._cluster = cluster
        self._rollout = rollout
        self._count = 0
        self.lists: dict[Scope, tuple[LiveObject, ...]] = {}
        self.unknown: dict[Scope, str] = {}

    async def read(self, scope: Scope) -> None:
        """Read one list, unless more is counted already than anybody wants to know."""
        if self._count > COUNTED:
            self.unknown[scope] = f"more than {COUNTED:,} objects were counted before"
            return
        try:
            found = await self._cluster.list(self._request(scope))
        except ClusterError as error:
            self._note_error(scope, error)
        except Unreachable as error:
            self.unknown[scope] = error.message
        else:
            self.lists[scope] = found
            self._count += len(found)

    def _request(self, scope: Scope) -> ListRequest:
        return ListRequest(
            api_version=scope.api_version,
            kind=scope.kind,
            namespace=scope.namespace,
            label_selector=f"{ROLLOUT_LABEL}!={self._rollout}" if scope.is_foreign else "",
            is_cached=True,
            metadata_only=not scope.is_whole,
        )

    def _note_error(self, scope: Scope, error: ClusterError) -> None:
        """Note that a list cannot be read; a kind that is not served has no objects."""
        if error.status in {404, 405}:
            self.lists[scope] = ()
        else:
            self.unknown[scope] = f"{scope.kind}: {error.message}"

    def note_unread(self, scopes: Iterable[Scope], why: str) -> None:
        """Note of every list that was not read to its end why it is unknown."""
        for scope in scopes:
            if scope not in self.lists:
                self.unknown.setdefault(scope, why)
