"""The kinds of one server, remembered: read once, and again only when something is amiss.

Before: ``discovery`` reads what is served.
After: ``cluster`` finds the path of a kind here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from rollwright.errors import ClusterError
from rollwright.kube.discovery import Snapshot, merge, read_discovery, read_version
from rollwright.kube.transport import Transport
from rollwright.plugins.contracts import Discovery, ServedKind
from rollwright.rollouts.manifest import Body

Key: TypeAlias = tuple[str, str]
"""``apiVersion`` and kind."""

MAX_AGE = 600.0
"""Seconds after which everything is read again; unchanged, that is two answers of 304."""

UNKNOWN_AGE = 2.0
"""Seconds for which a kind that was not found is not looked for again."""

ESTABLISHED_AGE = 60.0
"""Seconds for which a kind just established is believed in, though the aggregate lags behind."""

FIRST_PAUSE, LONGEST_PAUSE, ESTABLISH_TIMEOUT = 0.025, 0.25, 30.0

KIND_NOT_SERVED = "KindNotServed"


class KindCache:
    """Finds kinds; reads the server's discovery when it must."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._timing = transport.timing
        self._lock = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._discovery = Discovery(kinds={})
        self._started_count = 0
        self._read_number = 0
        self._read_at = 0.0
        self._unknown: dict[Key, float] = {}
        self._added: dict[Key, tuple[ServedKind, float]] = {}
        self._waits: dict[tuple[str, ...], asyncio.Task[tuple[ServedKind, ...]]] = {}

    async def discovery(self, *, refresh: bool = False) -> Discovery:
        """Return what is served; whoever asks while it is being read gets the same answer."""
        if not refresh and self._is_fresh():
            return self._discovery
        return await self._read_after(self._started_count if refresh else self._read_number)

    async def find(self, api_version: str, kind: str) -> ServedKind:
        """Return a kind.

        Raises:
            ClusterError: It is not served (404), even after another look, or its group does not
                answer, so that nobody knows (503).
        """
        key = (api_version, kind)
        found = (await self.discovery()).find(*key)
        if found is None and self._may_have_come(key):
            # A read that somebody else has just begun will do.
            found = (await self._read_after(self._read_number)).find(*key)
        if found is not None:
            return found
        # Whoever asks again and again does not move the instant of the next look away.
        self._unknown.setdefault(key, self._timing.clock())
        raise self._not_found(key)

    async def find_again(self, served: ServedKind) -> ServedKind:
        """Return a kind whose path led nowhere, if the server still says that it is served."""
        self._added.pop((served.api_version, served.kind), None)
        await self.discovery(refresh=True)
        return await self.find(served.api_version, served.kind)

    async def establish(self, crd: Body) -> None:
        """Wait until the server serves the kinds of a CRD, and know them.

        Raises:
            ClusterError: They do not appear within 30 seconds (504).
        """
        spec = crd.get("spec") or {}
        group, kind = str(spec.get("group")), str((spec.get("names") or {}).get("kind"))
        versions = served_versions(spec)
        wait = self._waits.get((group, kind, *versions))
        if wait is None:
            wait = self._start_wait(group, kind, versions)
        # Shielded: whoever is cancelled must not take the answer from the others.
        self._add(await asyncio.shield(wait))

    async def close(self) -> None:
        """End what still waits."""
        waits = list(self._waits.values())
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)

    async def _read_after(self, number: int) -> Discovery:
        """Return a discovery that was begun after that read."""
        async with self._lock:
            if self._read_number <= number:
                await self._read()
        return self._discovery

    async def _read(self) -> None:
        self._started_count += 1
        number, started_at = self._started_count, self._timing.clock()
        self._snapshot = await read_discovery(self._transport, self._snapshot)
        self._read_number, self._read_at = number, started_at
        self._unknown.clear()
        self._compose()

    def _compose(self) -> None:
        now = self._timing.clock()
        self._added = {
            key: (one, at) for key, (one, at) in self._added.items() if now - at < ESTABLISHED_AGE
        }
        self._discovery = self._snapshot.discovery if self._snapshot else Discovery(kinds={})
        if self._added:
            self._discovery = _with(self._discovery, [one for one, _ in self._added.values()])

    def _is_fresh(self) -> bool:
        return self._snapshot is not None and self._timing.clock() - self._read_at < MAX_AGE

    def _may_have_come(self, key: Key) -> bool:
        at = self._unknown.get(key)
        return at is None or self._timing.clock() - at >= UNKNOWN_AGE

    def _start_wait(
        self, group: str, kind: str, versions: tuple[str, ...]
    ) -> asyncio.Task[tuple[ServedKind, ...]]:
        key = (group, kind, *versions)
        wait = asyncio.create_task(self._wait_for(group, kind, versions))
        self._waits[key] = wait
        wait.add_done_callback(_look_at)
        wait.add_done_callback(lambda _: self._waits.pop(key))
        return wait

    async def _wait_for(
        self, group: str, kind: str, versions: tuple[str, ...]
    ) -> tuple[ServedKind, ...]:
        give_up_at = self._timing.clock() + ESTABLISH_TIMEOUT
        pause = FIRST_PAUSE
        while True:
            found = [await self._kind_in(group, version, kind) for version in versions]
            if all(found):
                return tuple(one for one in found if one)
            if self._timing.clock() + pause > give_up_at:
                raise _not_established(group, kind, versions)
            await self._timing.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _kind_in(self, group: str, version: str, kind: str) -> ServedKind | None:
        try:
            kinds = await read_version(self._transport, group, version)
        except ClusterError as error:
            if error.status in {404, 503}:
                return None
            raise
        return next((one for one in kinds if one.kind == kind), None)

    def _add(self, kinds: tuple[ServedKind, ...]) -> None:
        now = self._timing.clock()
        for one in kinds:
            self._unknown.pop((one.api_version, one.kind), None)
            self._added[one.api_version, one.kind] = (one, now)
        if self._snapshot is not None:
            self._compose()

    def _not_found(self, key: Key) -> ClusterError:
        api_version, kind = key
        group = api_version.rpartition("/")[0]
        reason = self._discovery.missing.get(group)
        if reason is None:
            return ClusterError(
                f"{api_version} {kind}: the server serves no such kind",
                status=404,
                reason=KIND_NOT_SERVED,
                hint=_nearest(self._discovery.kinds, kind),
            )
        return ClusterError(
            f"{api_version} {kind}: its group does not answer: {reason}",
            status=503,
            reason="GroupUnavailable",
            hint="repair or delete the APIService of that group",
            retryable=True,
        )


def served_versions(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the served versions of a CRD, the one that the server prefers first."""
    names = [str(one["name"]) for one in spec.get("versions") or () if one.get("served")]
    return tuple(sorted(names, key=version_priority))


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Return what sorts versions as the API server does: v2, v1, v2beta1, v1alpha2, then others."""
    match = re.fullmatch(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?", version)
    if match is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0), version)


def _with(discovery: Discovery, kinds: Iterable[ServedKind]) -> Discovery:
    """Put kinds before all others: of theirs they are complete and in the order of preference."""
    new = tuple(kinds)
    replaced = {(one.group, one.kind) for one in new}
    others = [o for o in discovery.kinds.values() if (o.group, o.kind) not in replaced]
    return merge((*new, *others), discovery.missing)


def _nearest(kinds: Mapping[Key, ServedKind], kind: str) -> str:
    others = sorted(key[0] for key in kinds if key[1] == kind)
    if others:
        return f"{kind} is served in {', '.join(others)}"
    close = get_close_matches(kind, sorted({key[1] for key in kinds}), n=1)
    return f"did you mean {close[0]!r}?" if close else "is its CustomResourceDefinition there?"


def _not_established(group: str, kind: str, versions: tuple[str, ...]) -> ClusterError:
    return ClusterError(
        f"CustomResourceDefinition of {kind}.{group}: the server does not serve"
        f" {', '.join(versions)} after {ESTABLISH_TIMEOUT:.0f} s",
        status=504,
        reason="NotEstablished",
        hint="look at the conditions of the CRD; its names may be taken",
        retryable=True,
    )


def _look_at(wait: asyncio.Task[tuple[ServedKind, ...]]) -> None:
    """Read the outcome, so that nobody complains when all who waited are gone."""
    if not wait.cancelled():
        wait.exception()
