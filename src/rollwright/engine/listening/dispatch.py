"""From firings to runs: each is noted, queued, run in its turn, and settled.

Before: a trigger fired. After: there was one run of the newest of what was asked for.

A firing is acknowledged once it is noted in the store of its target; from then on neither a crash
of this process nor one of the machine loses it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic

from rollwright.engine.listening.declared import Declared
from rollwright.engine.listening.keyed import is_per_key
from rollwright.engine.listening.noting import Noting
from rollwright.engine.listening.overtaking import Overtaking
from rollwright.engine.listening.parking import Parking, is_suspended
from rollwright.engine.listening.pending import (
    SUPERSEDED,
    Pending,
    all_pending,
    forget,
    overtaken,
    settle,
)
from rollwright.engine.listening.queue import Lane, Offered, Queue, Turn
from rollwright.engine.listening.recovering import left_behind
from rollwright.engine.listening.resting import Rest
from rollwright.engine.listening.running import (
    BY_PERSON,
    Ended,
    Runner,
    of_error,
    of_nothing,
    of_overtaken,
)
from rollwright.engine.listening.subject_status import SubjectStatuses
from rollwright.engine.progress import Listener, Note, ignore
from rollwright.engine.site import Site
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Firing
from rollwright.rollouts.instances import instance_name
from rollwright.rollouts.spec.trigger import TriggerSpec

PLACES = {Lane.SMOOTH: 16, Lane.TROUBLED: 4}
"""How many runs may be at work at once; those that only wait do not count."""

RESCAN_SECONDS = 15.0
"""How often the store is asked for what another process accepted and did not do."""

_BUSY = frozenset({"LockHeld", "LockLost", "StateConflict"})
"""What kept a run from its work was another run."""

SPREAD_OVER = 10
"""How many rollouts one firing may start at once (TR-14)."""
SPREAD_SECONDS = 60.0


async def _as_it_is(pending: Pending) -> Pending | None:
    return pending


async def _let_it_be(_pending: Pending) -> None:
    return


def _no_keys() -> tuple[Mapping[str, Collection[str]], Collection[str]]:
    return {}, ()


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
        keys: Returns the keys of the locks of each trigger, by its name, and those that we have.
        is_once: Whether nobody waits here for a second try: the run is a person's, and theirs
            is the next one.
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
    keys: Callable[[], tuple[Mapping[str, Collection[str]], Collection[str]]] = _no_keys
    is_once: bool = False
    overtaking: Overtaking = field(init=False)
    parking: Parking = field(init=False)
    _scan: asyncio.Event = field(default_factory=asyncio.Event)
    _subjects: SubjectStatuses = field(init=False)
    _noting: Noting = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _done: deque[str] = field(default_factory=lambda: deque(maxlen=1000))

    def __post_init__(self) -> None:
        """Tell subjects through the site's clusters."""
        self._subjects = SubjectStatuses(self.site)
        self.overtaking = Overtaking(site=self.site)
        self.parking = Parking(site=self.site)
        self._noting = Noting(site=self.site, kept=self.overtaking.by)

    def renew(self, declared: Declared) -> None:
        """Take what the site declares now; whoever holds its rollouts sees the new ones."""
        rollouts = self.declared.rollouts
        fresh = dict(declared.rollouts)
        rollouts.clear()
        rollouts.update(fresh)
        self.declared = replace(declared, rollouts=rollouts)
        self.look_soon()

    def look_soon(self) -> None:
        """Look at once for what is pending: something is ours now, or may run now."""
        self._scan.set()

    async def accept(self, trigger: TriggerSpec, kind: str, firing: Firing) -> tuple[str, ...]:
        """Note and queue what a trigger asks for; return the instances that will run.

        What a suspended rollout is asked for stays noted, and runs once that is over.

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
        key = firing.key if is_per_key(trigger, self.site.registry) else ""
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
            if not trigger.suspend
        ]
        takes = (self._take(one, len(asked)) for one in asked)
        taken = await asyncio.gather(*takes, return_exceptions=True)
        self._wake.set()  # what was noted runs, whatever became of the others
        for one in taken:
            if isinstance(one, BaseException):
                raise one
        return tuple(one for one in taken if one and isinstance(one, str))

    async def _take(self, pending: Pending, together: int) -> str:
        is_at_work = pending.instance in self.queue.running()
        if pending.firing.when_active == "drop" and is_at_work:
            return ""
        try:
            noted = await self._noting.note(pending)
        except RolloutError:
            self.asked(pending, False)  # noqa: FBT003  (an answer is told)
            raise
        self.asked(pending, True)  # noqa: FBT003  (as above)
        if noted is None:
            return ""  # it was answered already: a delivery that came twice
        if is_suspended(self.declared, noted.rollout):
            self.parking.park(noted)
            return ""
        delay = random.uniform(0, SPREAD_SECONDS) if together > SPREAD_OVER else 0.0  # noqa: S311  (jitter)
        offered = self._offer(noted, delay=delay)
        return "" if offered is Offered.DROPPED else pending.instance

    def _offer(self, pending: Pending, *, delay: float = 0.0) -> Offered:
        self.parking.leave(pending.instance)
        offered, _older = self.queue.offer(
            pending.instance,
            pending,
            now=monotonic(),
            rollout=pending.rollout,
            when_active=pending.firing.when_active,
            delay=delay,
        )
        return offered

    async def recover(self) -> int:
        """Queue what is noted and neither queued nor running here; return how many."""
        clusters = {one.spec.target.cluster for one in self.declared.rollouts.values()}
        found = 0
        for cluster in sorted(clusters):
            noted = await all_pending(self.site, cluster)
            unknown = tuple(one for one in noted if self._is_unknown(one))
            for pending in await left_behind(self.site, cluster, unknown, *self.keys()):
                # Looked at again: runs began and ended meanwhile.
                if self._is_unknown(pending):
                    self._queue_or_park(pending)
                    found += 1
        self._wake.set()
        return found

    def _is_unknown(self, pending: Pending) -> bool:
        is_here = self.queue.has(pending.instance) or self.parking.has(pending.instance)
        is_ours = pending.rollout in self.declared.rollouts and pending.id not in self._done
        return is_ours and not is_here

    def _queue_or_park(self, pending: Pending) -> None:
        if is_suspended(self.declared, pending.rollout):
            self.parking.park(pending)
        else:
            self._offer(pending)

    async def work(self, stop: asyncio.Event) -> None:
        """Make runs until ``stop`` is set, then let those at work come to their end."""
        # A run that a person makes is not the place for what others left behind.
        rescan = asyncio.create_task(asyncio.sleep(0) if self.is_once else self._rescan())
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
            with suppress(TimeoutError):
                await asyncio.wait_for(self._scan.wait(), max(RESCAN_SECONDS, 20 * took))
            self._scan.clear()
            began = monotonic()
            try:
                for pending in await self.parking.freed(self.declared):
                    self._offer(pending)
                await self.recover()
            except RolloutError as error:
                self.site.tell(Note(f"cannot look for what is pending: {error.message}"))
            took = monotonic() - began

    async def _run(self, turn: Turn[Pending]) -> None:
        pending, began = turn.payload, monotonic()
        rested = Rest(began)

        def idle(is_idle: bool) -> None:  # noqa: FBT001  (a switch is told)
            rested.turn(is_idle, monotonic())
            (self.queue.rest if is_idle else self.queue.resume)(turn.instance)
            self.overtaking.turn(turn.instance, is_idle)
            self._wake.set()

        trigger = next((t for t in self.declared.triggers if t.name == pending.trigger), None)
        ended = await self._made(turn, trigger, idle)
        again = self._again(turn, ended, trigger)
        now = monotonic()
        if ended.outcome == SUPERSEDED:
            self.queue.overtaken(turn.instance)
        elif ended.is_good:
            self.queue.done(turn.instance, now=now, worked=rested.worked(now))
        else:
            after = trigger.retry_interval if trigger else None
            due = self.queue.failed(
                turn.instance,
                now=now,
                retry_after=after.total_seconds() if after and ended.after is None else ended.after,
                spread=random.uniform(0.95, 1.05),  # noqa: S311  (jitter, TR-03)
                again=again,
            )
            # What waits already begins at once, and says itself how it ends.
            is_later = due is not None and due > now
            ended = replace(ended, again=is_later, after=due - now if due and is_later else None)
        if ended.is_held:
            self.parking.park(pending)
        self._wake.set()
        self.ended(pending, ended, now - began)

    async def _made(
        self, turn: Turn[Pending], trigger: TriggerSpec | None, idle: Callable[[bool], None]
    ) -> Ended:
        """Make a run with the newest of what it is about; its subject is told of it."""
        try:
            if words := await overtaken(self.site, turn.payload):
                return of_overtaken(turn.payload, words)
            pending = await self.freshen(turn.payload)
        except RolloutError as error:
            return of_error(error)
        except Exception as error:  # noqa: BLE001  (a plugin's defect ends no other run)
            return Ended(outcome="failed", message=f"unexpected {type(error).__name__}")
        if pending is None:
            ended = of_nothing(turn.payload)
            await self._conclude(turn.payload, ended, again=False)
            return ended
        tell = self.overtaking.began(pending, self.listener(pending))
        try:
            async with self._subjects.of(pending) as telling:
                at, tell = trigger.at if trigger else "", telling.also(tell)
                ended = await self.runner.run(pending, at=at, idle=idle, tell=tell)
                ended = await self._held_or_not(pending, ended)
                again = self._again(turn, ended, trigger)
                if not (ended.is_told and again == (ended.again and not ended.is_good)):
                    await telling.end(ended, again=again)
        finally:
            self.overtaking.ended(turn.instance)
        return await self._conclude(pending, ended, again=again)

    async def _held_or_not(self, pending: Pending, ended: Ended) -> Ended:
        """Keep what was refused for a hold; a person who asked for it knows, and asks again."""
        if ended.outcome != "refused" or pending.kind in BY_PERSON:
            return replace(ended, is_held=False)
        is_held = ended.is_held or await self.parking.is_held(pending)
        return replace(ended, is_held=is_held, is_settled=ended.is_settled and not is_held)

    def _again(self, turn: Turn[Pending], ended: Ended, trigger: TriggerSpec | None) -> bool:
        if ended.is_good or not ended.again:
            return False
        if self.is_once or turn.payload.kind in BY_PERSON:
            is_waited = not self.is_once or ended.cause in _BUSY
            return ended.after is not None and is_waited
        limit = trigger.retries if trigger else -1
        return limit < 0 or turn.attempt < limit or ended.after is not None

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
