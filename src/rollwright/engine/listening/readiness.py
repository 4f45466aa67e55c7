"""Whether a site that listens can do its work, and if not, why.

Before: somebody asks: a probe of Kubernetes, or ``rollwright doctor``.
After: each thing that is needed has a verdict in words. Nothing was written.

A trigger is listened to by whoever holds its lock, here or elsewhere; so the locks tell it of
every process, and nobody has to ask another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic

from rollwright.engine.listening.leaving_out import in_a_line
from rollwright.engine.listening.listener import Listened
from rollwright.engine.listening.service import Service
from rollwright.engine.operations import named_spec
from rollwright.engine.site import Site
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import GetRequest, LockRecord, TriggerListener
from rollwright.rollouts.manifest import ObjectRef

LOOK_SECONDS = 5.0
"""How long one thing may take to answer."""
FRESH_SECONDS = 3.0
"""How long an answer counts, so that probes cost the clusters little."""

_ASKED = ObjectRef("", "Namespace", "", "kube-system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing that is needed: what it is, whether it is there, and what to know of it."""

    subject: str
    is_good: bool
    words: str = ""


@dataclass(kw_only=True)
class Readiness:
    """Answers whether a service can do its work.

    Attributes:
        service: The site that listens.
        clock: Seconds that only grow.
    """

    service: Service
    clock: Callable[[], float] = monotonic
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _known: tuple[Verdict, ...] = ()
    _known_at: float | None = None

    async def verdicts(self) -> tuple[Verdict, ...]:
        """Return a verdict on each thing; of many who ask at once, one looks."""
        async with self._asking:
            if self._known_at is None or self.clock() - self._known_at > FRESH_SECONDS:
                self._known = await self._look()
                self._known_at = self.clock()
            return self._known

    async def _look(self) -> tuple[Verdict, ...]:
        declared, site = self.service.declared, self.service.site
        clusters = sorted({one.spec.target.cluster for one in declared.rollouts.values()})
        looks = [_look_at(site, one) for one in clusters]
        found = [one for many in await asyncio.gather(*looks) for one in many]
        return (*found, *_left_out(self.service), *await listened_to(self.service))


async def _look_at(site: Site, name: str) -> tuple[Verdict, ...]:
    """Look at a cluster, its store and its locks."""
    spec, words = named_spec("all", name), name or "current context"

    async def ask_cluster() -> None:
        cluster = await site.cluster_named(name)
        await cluster.get(GetRequest(ref=_ASKED, api_version="v1"))

    async def ask_store() -> None:
        await (await site.store(spec)).load("rollwright-readiness")

    async def ask_locks() -> None:
        await (await site.locks(spec)).list()

    return tuple(
        await asyncio.gather(
            _verdict(f"cluster {words}", ask_cluster),
            _verdict(f"store of {words}", ask_store),
            _verdict(f"locks of {words}", ask_locks),
        )
    )


async def _verdict(subject: str, ask: Callable[[], Awaitable[None]]) -> Verdict:
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await ask()
    except TimeoutError:
        return Verdict(subject=subject, is_good=False, words="does not answer in time")
    except RolloutError as error:
        return Verdict(subject=subject, is_good=False, words=error.message)
    return Verdict(subject=subject, is_good=True)


def _left_out(service: Service) -> tuple[Verdict, ...]:
    """Return a verdict on each trigger that cannot be made."""
    found = service.listening.left_out.items()
    return tuple(
        Verdict(subject=f"trigger {name}", is_good=False, words=f"left out: {in_a_line(error)}")
        for name, error in found
    )


async def listened_to(service: Service) -> tuple[Verdict, ...]:
    """Return a verdict on each trigger that has to be listened to."""
    listening = service.listening
    awaited = [
        one
        for one in listening.all()
        if isinstance(one.plugin, TriggerListener)
        and not (one.trigger.suspend or one.name in listening.ended)
    ]
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            held = await _held(service, awaited)
    except (RolloutError, TimeoutError) as error:
        words = error.message if isinstance(error, RolloutError) else "no answer in time"
        return (
            Verdict(subject="triggers", is_good=False, words=f"the locks do not tell: {words}"),
        )
    return tuple(_verdict_on(service, one, held) for one in awaited)


async def _held(service: Service, awaited: Iterable[Listened]) -> dict[str, LockRecord]:
    specs = {one.target.cluster: one for one in map(service.listening.spec_of, awaited)}
    services = [await service.site.locks(spec) for spec in specs.values()]
    records = await asyncio.gather(*(one.list() for one in services))
    return {record.key: record for many in records for record in many}


def _verdict_on(service: Service, one: Listened, held: dict[str, LockRecord]) -> Verdict:
    listening = service.listening
    record, fault = held.get(listening.lock_key(one)), listening.faults.get(one.name, "")
    if record is None:
        words = f"nobody listens: {fault}" if fault else "nobody listens"
        return Verdict(subject=f"trigger {one.name}", is_good=False, words=words)
    owner = record.owner
    by = f"listened to by {owner.actor}" if owner.actor else "listened to"
    words = f"{by}; its last try failed: {fault}" if fault else by
    return Verdict(subject=f"trigger {one.name}", is_good=True, words=words)
