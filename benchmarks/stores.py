"""What it costs to remember a rollout: each store in turn, with the state of a large one.

Round 0 is not timed. In it a real run, which finds nothing to do, says what it asks of each
store; and a run that changes every object goes through a relay that counts what is sent. In the
rounds after it such a run does with each store what a run does: it loads the state, opens its
journal, keeps a snapshot, and saves the exact inventory.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic, perf_counter, process_time
from typing import Any, TypeAlias

from benchmarks.figures import Measured, Results, Sample
from benchmarks.goals import Verdict
from benchmarks.inputs import Input, make_m
from benchmarks.keepers import Keeper, start_keepers
from benchmarks.relay import Relay, written_here
from benchmarks.rounds import Plan, say
from rollwright.engine import operations
from rollwright.engine.documents import load_rollout
from rollwright.engine.site import open_site
from rollwright.locks.memory import MemoryLocks
from rollwright.plugins.contracts import StateStore
from rollwright.rollouts.manifest import Body, ManifestSet, digest_of, ref_of
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.revisions.snapshot import decode_snapshot, encode_snapshot
from rollwright.rollouts.state import InventoryEntry, Journal, Revision, RolloutState
from rollwright.stores.memory import MemoryStore
from rollwright.testing.fake import FakeCluster

Parts: TypeAlias = dict[str, tuple[float, float]]
"""Seconds by the clock, and of our own CPU, for each part of a run."""

OBJECTS = 5_000
SHORT = 1_000
WHOLE, NOTHING = "a run that changes every object", "a run that changes nothing"
LOAD, OPEN, SNAPSHOT, CLOSE = "load", "save that opens the journal", "snapshot", "closing save"
CASES = (NOTHING, LOAD, OPEN, SNAPSHOT, CLOSE, WHOLE)
WRITES = frozenset({"save", "put_snapshot", "put_key", "delete"})
_MADE_AT = datetime(2031, 5, 4, tzinfo=UTC)
_SALT = "0" * 64
_ROLLED_OUT = {
    "observedGeneration": 1,
    "conditions": [
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a first run has left: the cluster, and what was remembered of it."""

    cluster: FakeCluster
    state: RolloutState
    snapshot: bytes
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a run that changes every object saves, in this order."""

    opened: RolloutState
    snapshot: bytes
    closed: RolloutState


class Noting:
    """A store that notes what is asked of it, and how long that takes."""

    def __init__(self, store: StateStore) -> None:
        self.calls: Counter[str] = Counter()
        self.seconds = 0.0
        self._store = store

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._store, name)

        async def noted(*words: Any, **more: Any) -> Any:
            self.calls[name] += 1
            began_at = perf_counter()
            try:
                return await asked(*words, **more)
            finally:
                self.seconds += perf_counter() - began_at

        return noted


def run(plan: Plan, objects: int) -> tuple[Results, Input]:
    """Measure every store that can be had."""
    source = make_m(plan.work / "stores-input", name=f"stores-{objects}", count=objects // 4)
    with ExitStack() as stack:
        keepers = start_keepers(stack, plan)
        samples = asyncio.run(_rounds(plan, keepers, source))
    return Results(tuple(samples)), source


async def _rounds(plan: Plan, keepers: tuple[Keeper, ...], source: Input) -> list[Sample]:
    began_at = monotonic()
    say(f"stores: a first run of {len(source.bodies):,} objects", began_at)
    known = await first_run(source)
    bytes_sent: dict[str, int] = {}
    samples: list[Sample] = []
    for number in range(plan.rounds + 1):
        change = make_change(known, number)
        for keeper in keepers:
            say(f"stores: round {number} of {plan.rounds}: {keeper.name}", began_at)
            if number == 0:
                samples.append(await _quiet(keeper, source, known))
                bytes_sent[keeper.name] = await _sent(keeper, change)
            else:
                parts = await _timed(keeper, change)
                samples += _samples(keeper.name, number, parts, bytes_sent[keeper.name])
    return samples


def _samples(name: str, number: int, parts: Parts, sent: int) -> Iterator[Sample]:
    for case, (seconds, used) in parts.items():
        measured = Measured(seconds=seconds, cpu_seconds=used)
        yield Sample(case=case, peer=name, round=number, measured=measured)
    seconds, used = (sum(one) for one in zip(*parts.values(), strict=True))
    measured = Measured(seconds=seconds, cpu_seconds=used, calls={"bytes": sent} if sent else {})
    yield Sample(case=WHOLE, peer=name, round=number, measured=measured)


async def first_run(source: Input) -> Remembered:
    """Roll everything out to a cluster in memory; return what a store remembers of that."""
    cluster = FakeCluster(name="benchmark")
    store = MemoryStore().bind(cluster)
    await _roll_out(source, cluster, store)
    (name,) = await store.list()
    state, key = await store.load(name), await store.key()
    if state is None or key is None:
        raise RuntimeError("stores: the first run has kept nothing")
    snapshot = await store.get_snapshot(name, state.revisions[-1].snapshot)
    return Remembered(cluster=cluster, state=state, snapshot=snapshot, key=key)


async def _roll_out(source: Input, cluster: FakeCluster, store: Any) -> None:
    loaded = load_rollout(source.rollout)
    for body in source.bodies:
        if body["kind"] == "Deployment":  # nobody else says that it has rolled out
            cluster.report(ref_of(body), _ROLLED_OUT)
    async with open_site(loaded) as site:
        site.use_cluster(cluster)
        site.use_store(store)
        site.use_locks(MemoryLocks().bind(cluster))
        report = await operations.roll_out(site, loaded)
    if report.outcome is not Outcome.SUCCEEDED:
        raise RuntimeError(f"stores: {report.outcome}: {report.failures[:1]}")


def make_change(known: Remembered, number: int) -> Change:
    """Return what a run saves that changes every object; each number is another run."""
    before, began_at = known.state, _MADE_AT + timedelta(hours=number)
    journal = Journal(
        run_id=f"run-{number}",
        plan_id=digest_of(("plan", number)),
        owner="ann@host",
        token=before.token + 1 + number,
        started_at=began_at,
        planned=tuple(entry.ref for entry in before.inventory),
    )
    revision = Revision(
        number=len(before.revisions) + 1 + number,
        source=f"main@sha1:{number:040x}",
        digest=digest_of(number),
        outcome="succeeded",
        actor="ann",
        started_at=began_at,
        ended_at=began_at + timedelta(minutes=1),
        plan_id=journal.plan_id,
    )
    opened = replace(before, journal=journal, token=journal.token)
    inventory = tuple(_changed(before.inventory, number))
    closed = replace(opened, journal=None, inventory=inventory, revisions=(revision,))
    kept = decode_snapshot(known.snapshot, where="the first run")
    bodies = tuple(replace(one, body=_marked(one.body, number)) for one in kept.wanted)
    wanted = ManifestSet(bodies, revision.source)
    snapshot = encode_snapshot(wanted, salt=_SALT, document=kept.document)
    return Change(opened=opened, snapshot=snapshot, closed=closed)


def _changed(inventory: Iterable[InventoryEntry], number: int) -> Iterator[InventoryEntry]:
    # Digests do not compress, and no two runs share them.
    for place, entry in enumerate(inventory):
        yield replace(
            entry,
            wanted_digest=digest_of(("wanted", number, place)),
            owned_digest=digest_of(("owned", number, place)),
            resource_version=str(1_000_000 * (number + 1) + place),
        )


def _marked(body: Body, number: int) -> Body:
    """Change one word of an object, as a new release does."""
    metadata = body["metadata"]
    annotations = {**metadata.get("annotations", {}), "benchmark/release": f"1.4.{number}"}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


async def _quiet(keeper: Keeper, source: Input, known: Remembered) -> Sample:
    """Remember the first run, and carry out one that finds nothing to do."""
    name = known.state.rollout
    async with keeper.open(keeper.port) as store:
        await store.put_key(known.key)
        await store.put_snapshot(name, known.snapshot)
        await store.save(replace(known.state, version=""), after="")
    async with keeper.open(keeper.port) as store:
        noting = Noting(store)
        await _roll_out(source, known.cluster, noting)
    calls = {"writes": sum(noting.calls[one] for one in WRITES), **noting.calls}
    measured = Measured(seconds=noting.seconds, calls=calls)
    return Sample(case=NOTHING, peer=keeper.name, round=0, measured=measured)


async def _sent(keeper: Keeper, change: Change) -> int:
    """Return the bytes that a run sends to the server, or writes to files without one."""
    if not keeper.port:
        before = written_here()
        await _timed(keeper, change)
        return written_here() - before
    async with Relay(keeper.port) as relay:
        await _timed(keeper, change, port=relay.port)
        return relay.sent


async def _timed(keeper: Keeper, change: Change, *, port: int = 0) -> Parts:
    """Do what a run does; return what each part of it took."""
    gc.collect()  # what others left is not this store's to pay for
    parts: Parts = {}
    name = change.opened.rollout
    async with keeper.open(port or keeper.port) as store:
        with _part(parts, LOAD):
            before = await store.load(name)
        if before is None:
            raise RuntimeError(f"stores: {keeper.name} has lost the state of round 0")
        with _part(parts, OPEN):
            opened = await store.save(change.opened, after=before.version)
        with _part(parts, SNAPSHOT):
            snapshot = await store.put_snapshot(name, change.snapshot)
        (revision,) = change.closed.revisions
        revisions = (*before.revisions, replace(revision, snapshot=snapshot))
        with _part(parts, CLOSE):
            await store.save(replace(change.closed, revisions=revisions), after=opened.version)
    return parts


@contextmanager
def _part(parts: Parts, word: str) -> Iterator[None]:
    began_at, used = perf_counter(), process_time()
    yield
    parts[word] = (perf_counter() - began_at, process_time() - used)


def judge(results: Results) -> Iterator[Verdict]:
    """Yield what a run that changes nothing writes, for each store."""
    for peer in results.peers(NOTHING):
        count = results.calls(NOTHING, peer).get("writes")
        yield Verdict(
            case="stores",
            who=peer,
            text=NOTHING,
            goal="0 writes",
            figure="" if count is None else f"{count} writes",
            is_reached=None if count is None else count == 0,
        )
