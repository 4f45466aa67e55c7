"""From firings to runs: each is noted, queued, run in its turn, and settled.

Before: a trigger fired. After: there was one run of the newest of what was asked for.

A firing is acknowledged once it is noted in the store of its target; from then on neither a crash
of this process nor one of the machine loses it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from rollwright.engine.custody.desired import move_desired
from rollwright.engine.listening.declared import Declared
from rollwright.engine.listening.pending import Pending, all_pending, forget, keep, settle
from rollwright.engine.listening.queue import Lane, Offered, Queue, Turn
from rollwright.engine.listening.running import Ended, Runner, of_error, of_nothing, trigger_of
from rollwright.engine.listening.subject_status import SubjectStatuses
from rollwright.engine.operations import named_spec
from rollwright.engine.progress import Listener, Note, ignore
from rollwright.engine.site import Site
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Firing
from rollwright.rollouts.instances import instance_name
from rollwright.rollouts.spec.own_triggers import Instances
from rollwright.rollouts.spec.trigger import TriggerSpec

PLACES = {Lane.SMOOTH: 16, Lane.TROUBLED: 4}
"""How many runs may be at work at once; those that only wait do not count."""

RESCAN_SECONDS = 15.0
"""How often the store is asked for what another process accepted and did not do."""

SPREAD_OVER = 10
"""How many rollouts one firing may start at once (TR-14)."""
SPREAD_SECONDS = 60.0


@dataclass(slots=True)
class _Writer:
    """Notes of one instance: whoever comes while one is written shares the next write."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: Pending | None = None
    asked: int = 0
    written: int = 0
    kept: Pending | None = None
    kept_for: str = ""


async def _as_it_is(pending: Pending) -> Pending | None:
    return pending


async def _let_it_be(_pending: Pending) -> None:
    return


@dataclass(kw_only=True)
class Dispatcher:
    """The queue at work.

    Attributes:
        site: Whose stores keep what is pending.
        declared: What the site declares.
        runner: Makes the runs.
        queue: Whose turn it is.
        listener: Called with what happens, by instance.
        ended: Called after each run: what was asked for, how it ended, the seconds it took.
        asked: Called for each run that is asked for: whether it could be noted.
        is_working: Whether runs are made.
        freshen: Called before each run, for the newest of what it is about.
        removed: Called after an instance was removed because what it was made for is gone.
    """

    site: Site
    declared: Declared
    runner: Runner
    queue: Queue[Pending] = field(default_factory=lambda: Queue(places=dict(PLACES)))
    listener: Callable[[Pending], Listener] = field(default=lambda _pending: ignore)
    ended: Callable[[Pending, Ended, float], None] = field(default=lambda *_about: None)
    asked: Callable[[Pending, bool], None] = field(default=lambda *_about: None)
    is_working: bool = False
    freshen: Callable[[Pending], Awaitable[Pending | None]] = field(default=_as_it_is)
    removed: Callable[[Pending], Awaitable[None]] = field(default=_let_it_be)
    _at_work: dict[str, Pending] = field(default_factory=dict)
    _subjects: SubjectStatuses = field(init=False)
    _writers: dict[str, _Writer] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _done: deque[str] = field(default_factory=lambda: deque(maxlen=1000))

    def __post_init__(self) -> None:
        """Tell subjects through the site's clusters."""
        self._subjects = SubjectStatuses(self.site)

    async def accept(self, trigger: TriggerSpec, kind: str, firing: Firing) -> tuple[str, ...]:
        """Note and queue what a trigger asks for; return the instances that will run.

        Args:
            trigger: As it is declared.
            kind: Its plugin's name.
            firing: What it said.

        Raises:
            RolloutError: It could not be noted; whoever fired has to try again.
        """
        chosen = [
            one
            for one in self.declared.chosen(trigger)
            if not firing.rollouts or one.spec.name in firing.rollouts
        ]
        key = firing.key if trigger.instances is Instances.PER_KEY else ""
        asked = [
            Pending(
                instance=instance_name(one.spec.name, key),
                rollout=one.spec.name,
                cluster=one.spec.target.cluster,
                trigger=trigger.name,
                kind=kind,
                at=datetime.now(UTC),
                firing=firing,
            )
            for one in chosen
            if not (trigger.suspend or one.spec.suspend)
        ]
        taken = await asyncio.gather(*(self._take(one, len(asked)) for one in asked))
        self._wake.set()
        return tuple(one for one in taken if one)

    async def _take(self, pending: Pending, together: int) -> str:
        is_at_work = pending.instance in self.queue.running()
        if pending.firing.when_active == "drop" and is_at_work:
            return ""
        try:
            noted = await self._noted(pending)
        except RolloutError:
            self.asked(pending, False)  # noqa: FBT003  (an answer is told)
            raise
        self.asked(pending, True)  # noqa: FBT003  (as above)
        if noted is None:
            return ""  # it was answered already: a delivery that came twice
        delay = random.uniform(0, SPREAD_SECONDS) if together > SPREAD_OVER else 0.0  # noqa: S311  (jitter)
        offered = self._offer(noted, delay=delay)
        return "" if offered is Offered.DROPPED else pending.instance

    def _offer(self, pending: Pending, *, delay: float = 0.0) -> Offered:
        offered, _older = self.queue.offer(
            pending.instance,
            pending,
            now=monotonic(),
            rollout=pending.rollout,
            when_active=pending.firing.when_active,
            delay=delay,
        )
        return offered

    async def _noted(self, pending: Pending) -> Pending | None:
        writer = self._writers.setdefault(pending.instance, _Writer())
        writer.wanted = pending
        writer.asked += 1
        mine = writer.asked
        async with writer.lock:
            if writer.written < mine and writer.wanted is not None:
                # Counted as written once it is: whoever shares a write that fails makes its own.
                covered, latest = writer.asked, writer.wanted
                writer.kept = await keep(self.site, latest)
                writer.written, writer.kept_for = covered, latest.firing.id
                await self._overtake(writer.kept)
            kept = writer.kept
            if kept is None and writer.kept_for != pending.firing.id:
                # Another one was answered before, this one was not.
                kept = await keep(self.site, pending)
        if not writer.lock.locked() and writer.asked == writer.written:
            self._writers.pop(pending.instance, None)
        return kept

    async def _overtake(self, newer: Pending | None) -> None:
        """Let a run that waits for health make way for something that is really new (TR-10)."""
        at_work = self._at_work.get(newer.instance) if newer else None
        if newer is None or at_work is None or not _is_news(newer.firing, at_work.firing):
            return
        try:
            spec = named_spec(newer.instance, newer.cluster)
            await move_desired(self.site, spec, trigger_of(newer))
        except RolloutError as error:
            self.site.tell(Note(f"{newer.instance}: goes on waiting: {error.message}"))

    async def recover(self) -> int:
        """Queue what is noted and neither queued nor running here; return how many."""
        clusters = {one.spec.target.cluster for one in self.declared.rollouts.values()}
        found = 0
        for cluster in sorted(clusters):
            noted = await all_pending(self.site, cluster)
            # Looked at afterwards: runs began and ended while the notes were read.
            known = {name for name, _ in self.queue.waiting()} | set(self.queue.running())
            for pending in noted:
                is_ours = pending.rollout in self.declared.rollouts
                if is_ours and pending.instance not in known and pending.id not in self._done:
                    self._offer(pending)
                    found += 1
        self._wake.set()
        return found

    async def work(self, stop: asyncio.Event) -> None:
        """Make runs until ``stop`` is set, then let those at work come to their end."""
        rescan = asyncio.create_task(self._rescan())
        stopping = asyncio.create_task(stop.wait())
        self.is_working = True
        try:
            while not stop.is_set():
                self._wake.clear()
                while turn := self.queue.take(monotonic()):
                    task = asyncio.create_task(self._run(turn))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                await self._until_due(stopping)
        finally:
            self.is_working = False
            rescan.cancel()
            stopping.cancel()
            await asyncio.gather(rescan, stopping, *self._tasks, return_exceptions=True)

    async def _until_due(self, stopping: asyncio.Task[bool]) -> None:
        now = monotonic()
        due = self.queue.next_at(now)
        waking = asyncio.create_task(self._wake.wait())
        timeout = None if due is None else max(0.0, due - now)
        await asyncio.wait([waking, stopping], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()
        await asyncio.gather(waking, return_exceptions=True)

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        return not self._tasks and not any(self.queue.waiting())

    async def _rescan(self) -> None:
        took = 0.0
        while True:
            # A store that holds thousands of instances is not asked all the time.
            await asyncio.sleep(max(RESCAN_SECONDS, 20 * took))
            began = monotonic()
            try:
                await self.recover()
            except RolloutError as error:
                self.site.tell(Note(f"cannot look for what is pending: {error.message}"))
            took = monotonic() - began

    async def _run(self, turn: Turn[Pending]) -> None:
        pending, began = turn.payload, monotonic()
        rested = _Rest(began)

        def idle(is_idle: bool) -> None:  # noqa: FBT001  (a switch is told)
            rested.turn(is_idle, monotonic())
            (self.queue.rest if is_idle else self.queue.resume)(turn.instance)
            self._wake.set()

        trigger = next((t for t in self.declared.triggers if t.name == pending.trigger), None)
        ended = await self._made(turn, trigger, idle)
        again = self._again(turn, ended, trigger)
        now = monotonic()
        if ended.is_good:
            self.queue.done(turn.instance, now=now, worked=rested.worked(now))
        else:
            after = trigger.retry_interval if trigger else None
            self.queue.failed(
                turn.instance,
                now=now,
                retry_after=after.total_seconds() if after and ended.after is None else ended.after,
                spread=random.uniform(0.95, 1.05),  # noqa: S311  (jitter, TR-03)
                again=again,
            )
        self._wake.set()
        self.ended(pending, ended, now - began)

    async def _made(
        self, turn: Turn[Pending], trigger: TriggerSpec | None, idle: Callable[[bool], None]
    ) -> Ended:
        """Make a run with the newest of what it is about; its subject is told of it."""
        try:
            pending = await self.freshen(turn.payload)
        except RolloutError as error:
            return of_error(error)
        except Exception as error:  # noqa: BLE001  (a plugin's defect ends no other run)
            return Ended(outcome="failed", message=f"unexpected {type(error).__name__}")
        if pending is None:
            ended = of_nothing(turn.instance)
            await self._conclude(turn.payload, ended, again=False)
            return ended
        self._at_work[turn.instance] = pending
        try:
            async with self._subjects.of(pending) as telling:
                at, tell = trigger.at if trigger else "", telling.also(self.listener(pending))
                ended = await self.runner.run(pending, at=at, idle=idle, tell=tell)
                again = self._again(turn, ended, trigger)
                await telling.end(ended, again=again)
        finally:
            del self._at_work[turn.instance]
        return await self._conclude(pending, ended, again=again)

    def _again(self, turn: Turn[Pending], ended: Ended, trigger: TriggerSpec | None) -> bool:
        limit = trigger.retries if trigger else -1
        is_left = limit < 0 or turn.attempt < limit or ended.after is not None
        return not ended.is_good and ended.again and is_left

    async def _conclude(self, pending: Pending, ended: Ended, *, again: bool) -> Ended:
        """Take what was answered out of the notes, unless it is tried again."""
        if again or not ended.is_settled:
            return ended
        is_removed = pending.firing.is_gone and ended.is_good
        try:
            if is_removed:
                await forget(self.site, pending)
            else:
                await settle(self.site, pending, outcome=ended.outcome, at=datetime.now(UTC))
            self._done.append(pending.id)
        except RolloutError as error:
            # It stays noted: after a restart it is run once more, and finds nothing to do.
            self.site.tell(Note(f"{pending.instance}: cannot note that it ended: {error.message}"))
        if is_removed:
            try:
                await self.removed(pending)
            except RolloutError as error:
                return of_error(error)  # tried again: then there is nothing left but this
        return ended


def _is_news(newer: Firing, at_work: Firing) -> bool:
    """Whether there is something new, and not only another reason to look at the same."""
    if newer.is_gone:
        return not at_work.is_gone
    is_other = newer.mark and newer.mark != at_work.mark
    return bool(is_other or (newer.revision and newer.revision != at_work.revision))


@dataclass(slots=True)
class _Rest:
    """How long a run has only waited."""

    began: float
    since: float = 0.0
    total: float = 0.0

    def turn(self, is_idle: bool, now: float) -> None:  # noqa: FBT001  (a switch is told)
        if is_idle:
            self.since = now
        elif self.since:
            self.total += now - self.since
            self.since = 0.0

    def worked(self, now: float) -> float:
        resting = now - self.since if self.since else 0.0
        return now - self.began - self.total - resting
