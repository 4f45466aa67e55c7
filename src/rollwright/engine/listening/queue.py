"""Whose turn it is: one running and one waiting run for each rollout, fair to all others.

Before: a firing came in. After: the dispatcher starts what ``take`` gives and says how it ended.

No clock and no task is in here: instants are seconds that the caller gives. A rollout whose last
run failed, or took long, stands in a lane of its own, so that however many of them there are, the
others keep their turn (RT-12, FL-61). A run that only waits holds no place in its lane.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

FIRST_RETRY = 5.0
"""Seconds before a failed run is tried again, doubled each time (RT-06)."""
LONGEST_RETRY = 300.0


class Lane(StrEnum):
    """Who stands in line with whom."""

    SMOOTH = "smooth"
    """What has not run yet, or went well and fast."""
    TROUBLED = "troubled"
    """What failed, or took long."""


class Offered(StrEnum):
    """What became of an offer."""

    QUEUED = "queued"
    REPLACED = "replaced"
    """An older one was waiting; it gave way."""
    DROPPED = "dropped"
    """A run of the same instance is at work, and the offer wanted to be dropped then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(Generic[T]):
    """What is to run now."""

    instance: str
    rollout: str
    payload: T
    lane: Lane
    attempt: int
    waited: float
    """Seconds since it was offered, or since it was due."""


@dataclass(slots=True)
class _Waiting(Generic[T]):
    payload: T
    since: float
    due: float
    attempt: int = 0


@dataclass(slots=True)
class _Instance(Generic[T]):
    rollout: str
    lane: Lane = Lane.SMOOTH
    failures: int = 0
    waiting: _Waiting[T] | None = None
    running: Turn[T] | None = None
    began: float = 0.0
    place: Lane | None = None
    """Where the run at work holds a place; nowhere while it only waits."""


@dataclass(slots=True)
class Queue(Generic[T]):
    """Runs that are to be made.

    Attributes:
        places: How many runs of a lane may be at work at once.
        slow_after: Seconds of work after which a run that went well counts as troubled, too.
        stuck_after: Seconds of work after which a run gives its place among the smooth ones to
            another one: what hangs for the first time keeps nobody waiting, either.
        most: How many runs may be at work in all.
    """

    places: Mapping[Lane, int]
    slow_after: float = 60.0
    stuck_after: float = 10.0
    most: int = 64
    _instances: dict[str, _Instance[T]] = field(default_factory=dict)
    # Rollouts in the order of their turns; whoever had one goes to the end.
    _turns: OrderedDict[str, OrderedDict[str, None]] = field(default_factory=OrderedDict)
    _at_work: dict[Lane, int] = field(default_factory=lambda: dict.fromkeys(Lane, 0))

    def offer(
        self,
        instance: str,
        payload: T,
        *,
        now: float,
        rollout: str = "",
        when_active: Literal["queue", "drop"] = "queue",
        delay: float = 0.0,
    ) -> tuple[Offered, T | None]:
        """Ask for a run; return what became of it, and the older payload that gave way.

        Args:
            instance: Whose runs exclude one another.
            payload: What the run is to be made of.
            now: The instant, in seconds.
            rollout: The rollout that the instance belongs to: rollouts take turns.
            when_active: What becomes of the offer while a run of the instance is at work.
            delay: Seconds before it may begin, so that many of one cause spread out (TR-14).
        """
        one = self._instances.setdefault(instance, _Instance(rollout or instance))
        if one.running is not None and when_active == "drop":
            return Offered.DROPPED, None
        older = one.waiting
        # What was offered anew is due at once: something changed since the last failure (RT-09).
        since = min(older.since, now) if older else now
        # What was put off once is put off no more by what comes in meanwhile.
        due = min(older.due, now + delay) if older else now + delay
        one.waiting = _Waiting(payload, since=since, due=due)
        self._line_up(instance, one)
        return (Offered.REPLACED, older.payload) if older else (Offered.QUEUED, None)

    def take(self, now: float) -> Turn[T] | None:
        """Return whose turn it is, as begun; ``None`` if nobody may begin."""
        if sum(self._at_work.values()) >= self.most:
            return None
        self._make_room(now)
        for rollout in self._turns:
            for instance in self._turns[rollout]:
                one = self._instances[instance]
                if self._may_begin(one, now):
                    return self._begin(instance, one, now)
        return None

    def _make_room(self, now: float) -> None:
        if self._at_work[Lane.SMOOTH] < self.places[Lane.SMOOTH]:
            return
        for one in self._instances.values():
            if one.place is Lane.SMOOTH and now - one.began >= self.stuck_after:
                self._move(one, Lane.TROUBLED)

    def _move(self, one: _Instance[T], place: Lane | None) -> None:
        if one.place is not None:
            self._at_work[one.place] -= 1
        if place is not None:
            self._at_work[place] += 1
        one.place = place

    def _may_begin(self, one: _Instance[T], now: float) -> bool:
        return (
            one.waiting is not None
            and one.running is None
            and one.waiting.due <= now
            and self._at_work[one.lane] < self.places[one.lane]
        )

    def _begin(self, instance: str, one: _Instance[T], now: float) -> Turn[T]:
        waiting = one.waiting
        assert waiting is not None  # noqa: S101  (``_may_begin`` looked)
        one.waiting, one.began = None, now
        one.running = Turn(
            instance=instance,
            rollout=one.rollout,
            payload=waiting.payload,
            lane=one.lane,
            attempt=waiting.attempt,
            waited=now - waiting.since,
        )
        self._move(one, one.lane)
        self._leave(instance, one)
        if one.rollout in self._turns:
            self._turns.move_to_end(one.rollout)
        return one.running

    def rest(self, instance: str) -> None:
        """Give the place of a run back while it only waits for others."""
        one = self._instances.get(instance)
        if one is not None and one.running is not None:
            self._move(one, None)

    def resume(self, instance: str) -> None:
        """Take the place of a run that waited again, whether one is free or not."""
        one = self._instances.get(instance)
        if one is not None and one.running is not None and one.place is None:
            self._move(one, one.running.lane)

    def done(self, instance: str, *, now: float, worked: float | None = None) -> None:
        """Say that a run went well.

        Args:
            instance: Whose run.
            now: The instant, in seconds.
            worked: Seconds of its work, waits left out; by default since it began.
        """
        one = self._ended(instance)
        if one is None:
            return
        one.failures = 0
        took = now - one.began if worked is None else worked
        one.lane = Lane.TROUBLED if took > self.slow_after else Lane.SMOOTH
        self._forget_idle(instance, one)

    def overtaken(self, instance: str) -> None:
        """Say that a run made way for a newer one: nothing is known of how the next one fares."""
        one = self._ended(instance)
        if one is not None:
            self._forget_idle(instance, one)

    def failed(
        self,
        instance: str,
        *,
        now: float,
        retry_after: float | None = None,
        spread: float = 1.0,
        again: bool = True,
    ) -> float | None:
        """Say that a run failed; return when it is tried again, ``None`` if it is not.

        Args:
            instance: Whose run.
            now: The instant, in seconds.
            retry_after: Seconds to wait; by default 5, doubled with each failure up to 300.
            spread: Factor on the wait, such as 0.95 to 1.05, so that failures spread out.
            again: Whether it is tried again at all.
        """
        one = self._ended(instance)
        if one is None or one.running is None:
            return None
        turn, one.running = one.running, None
        one.failures += 1
        one.lane = Lane.TROUBLED
        if one.waiting is not None:
            return one.waiting.due  # a newer one waits already
        if not again:
            return None
        wait = retry_after if retry_after is not None else backoff(one.failures)
        due = now + wait * spread
        one.waiting = _Waiting(turn.payload, since=due, due=due, attempt=turn.attempt + 1)
        self._line_up(instance, one)
        return due

    def _ended(self, instance: str) -> _Instance[T] | None:
        self.rest(instance)
        return self._instances.get(instance)

    def _forget_idle(self, instance: str, one: _Instance[T]) -> None:
        one.running = None
        if one.waiting is None and one.lane is Lane.SMOOTH:
            del self._instances[instance]

    def next_at(self, now: float) -> float | None:
        """Return when something becomes due that is not yet; ``None`` if nothing will."""
        found = self._instances.values()
        later = [one.waiting.due for one in found if one.waiting]
        if later:
            later += [one.began + self.stuck_after for one in found if one.place is Lane.SMOOTH]
        return min((due for due in later if due > now), default=None)

    def has(self, instance: str) -> bool:
        """Whether a run of an instance waits or is at work."""
        one = self._instances.get(instance)
        return one is not None and (one.waiting is not None or one.running is not None)

    def waiting(self) -> Iterator[tuple[str, T]]:
        """Yield what waits: instance and payload."""
        for instance, one in self._instances.items():
            if one.waiting is not None:
                yield instance, one.waiting.payload

    def running(self) -> tuple[str, ...]:
        """Return the instances whose runs are at work."""
        return tuple(name for name, one in self._instances.items() if one.running is not None)

    def depth(self) -> Mapping[Lane, int]:
        """Return how many wait in each lane."""
        count = dict.fromkeys(Lane, 0)
        for one in self._instances.values():
            count[one.lane] += one.waiting is not None
        return count

    def oldest(self, now: float) -> float:
        """Return the seconds that the oldest due one waits."""
        due = (one.waiting for one in self._instances.values() if one.waiting)
        return max((now - max(one.since, one.due) for one in due if one.due <= now), default=0.0)

    def _line_up(self, instance: str, one: _Instance[T]) -> None:
        self._turns.setdefault(one.rollout, OrderedDict()).setdefault(instance)

    def _leave(self, instance: str, one: _Instance[T]) -> None:
        line = self._turns[one.rollout]
        del line[instance]
        if not line:
            del self._turns[one.rollout]


def backoff(failures: int) -> float:
    """Return the seconds before the next try after so many failures in a row."""
    return float(min(FIRST_RETRY * 2.0 ** min(failures - 1, 16), LONGEST_RETRY))
