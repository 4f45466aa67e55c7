"""Who carries what is told: in the background, each sink of a rollout in order, tried again.

Before: ``telling`` decided that a sink is to be told. After: it is told, or the letter comes back.

Nothing here waits for a run, and no run waits for this: only the end of the process, for a limited
time (NO-07).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rollwright.errors import RolloutError, excerpt
from rollwright.plugins.contracts import FeedbackSink, StateSink
from rollwright.rollouts.describe.feedback import of_storm
from rollwright.rollouts.feedback import Feedback
from rollwright.rollouts.telling import STORM_WINDOW, Burst, Told, let_through

PATIENCE = timedelta(seconds=10)
"""How long the end of the process waits for what is still to be told."""

_GRACE = timedelta(seconds=2)
"""How long it waits for notes of that beyond."""

LONG_PATIENCE = timedelta(minutes=5)
"""How long a service goes on trying to tell, beside its next runs."""

HASTY = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of a command that ends soon."""

STEADY = (1.0, 5.0, 20.0, 60.0)
"""Seconds between the tries of a service that goes on."""

TRY_SECONDS = 30.0
"""How long one try may take, whatever its sink says."""


@dataclass(kw_only=True, eq=False)
class Letter:
    """One event for one sink.

    Attributes:
        sink: Who is told.
        name: What the site, or the rollout, calls it.
        feedback: What is told.
        error: Why it could not be told; empty if it was.
        tries: How often it was tried.
        is_void: Whether there was no need any more: something newer is shown there.
        may_pass: Whether what it failed with last may pass.
        done: Set when nothing more is tried.
    """

    sink: FeedbackSink
    name: str
    feedback: Feedback = field(repr=False)
    error: str = ""
    tries: int = 0
    is_void: bool = False
    may_pass: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def outcome(self) -> str:
        """What became of it, in a word."""
        if self.is_void:
            return "void"
        if self.error:
            return "failed"
        return "delivered" if self.done.is_set() else "waiting"

    @property
    def line(self) -> tuple[str, str, str]:
        """Letters of one line keep their order."""
        return self.name, self.feedback.rollout, self.feedback.cluster


class Courier:
    """Carries letters.

    Attributes:
        is_steady: Whether the process goes on after a run, so that no run waits for what is told.
        memory: What this process told of a rollout in a cluster, and did not note yet.
        tasks: What comes to its end beside the runs.
    """

    def __init__(self, *, delays: Sequence[float] | None = None) -> None:
        self.is_steady = False
        self._delays = delays
        self._lines: dict[tuple[str, str, str], deque[Letter]] = {}
        self._carrying: set[asyncio.Task[None]] = set()
        self._bursts: dict[str, Burst] = {}
        self._held: dict[str, list[Letter]] = {}
        self._storms: dict[str, asyncio.Task[None]] = {}
        self._rests: dict[str, float] = {}
        self.memory: dict[tuple[str, str], Told] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    @property
    def delays(self) -> Sequence[float]:
        """Seconds between the tries."""
        return self._delays or (STEADY if self.is_steady else HASTY)

    def post(self, letter: Letter) -> None:
        """Take a letter; it is carried as soon as those before it in its line are."""
        if not self._may_pass(letter):
            letter.is_void = True
            letter.done.set()
            return
        self._send(letter)

    def _send(self, letter: Letter) -> None:
        waiting = self._lines.get(letter.line)
        if waiting is not None:
            waiting.append(letter)
            return
        self._lines[letter.line] = deque([letter])
        task = asyncio.create_task(self._carry_line(letter.line))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry_line(self, line: tuple[str, str, str]) -> None:
        waiting = self._lines[line]
        try:
            while waiting:
                await self._carry(waiting[0], waiting)
                waiting.popleft()
        finally:
            for letter in waiting:
                letter.error = letter.error or "there was no time left"
                letter.done.set()
            self._lines.pop(line, None)

    async def _carry(self, letter: Letter, waiting: deque[Letter]) -> None:
        for delay in (*self.delays, None):
            await self._let_rest(letter)
            if letter.done.is_set():
                return  # it was taken back
            if isinstance(letter.sink, StateSink) and len(waiting) > 1:
                letter.is_void, letter.error = True, ""
                break
            letter.tries += 1
            asked = await _tried(letter)
            if not letter.may_pass or delay is None or asked > LONG_PATIENCE.total_seconds():
                break
            self._rests[letter.name] = asyncio.get_running_loop().time() + asked
            await asyncio.sleep(delay)
        letter.done.set()

    async def _let_rest(self, letter: Letter) -> None:
        """Wait until a sink wants to be asked again; others may have heard when that is."""
        loop = asyncio.get_running_loop()
        while (left := self._rests.get(letter.name, 0.0) - loop.time()) > 0:  # noqa: ASYNC110  (others move it)
            await asyncio.sleep(left)

    def _may_pass(self, letter: Letter) -> bool:
        """Whether it is told by itself; one too many within a minute is told with others (NO-09)."""
        if isinstance(letter.sink, StateSink):
            return True
        burst = let_through(self._bursts.get(letter.name, Burst()), datetime.now(UTC))
        if burst is not None:
            self._bursts[letter.name] = burst
            return True
        self._held.setdefault(letter.name, []).append(letter)
        if letter.name not in self._storms:
            self._storms[letter.name] = asyncio.create_task(self._after_storm(letter.name))
        return False

    async def _after_storm(self, name: str) -> None:
        await asyncio.sleep(STORM_WINDOW.total_seconds())
        self._sum_up(name)

    def _sum_up(self, name: str) -> Letter | None:
        storm = self._storms.pop(name, None)
        if storm is not None and storm is not asyncio.current_task():
            storm.cancel()
        held = self._held.pop(name, [])
        if not held:
            return None
        told = of_storm([one.feedback for one in held], datetime.now(UTC))
        letter = Letter(sink=held[0].sink, name=name, feedback=told)
        self._send(letter)
        return letter

    async def settle(self, letters: Iterable[Letter], patience: timedelta) -> None:
        """Wait until letters have arrived or come back; after that time they come back."""
        mine = tuple(letters)
        await self.wait(mine, patience)
        for one in mine:
            if not one.done.is_set():
                self._take_back(one)

    async def wait(self, letters: Iterable[Letter], patience: timedelta) -> None:
        """Wait until letters have arrived or come back, but no longer."""
        waits = [asyncio.create_task(one.done.wait()) for one in letters if not one.done.is_set()]
        if not waits:
            return
        try:
            await asyncio.wait(waits, timeout=patience.total_seconds())
        finally:
            for wait in waits:
                wait.cancel()

    def _take_back(self, letter: Letter) -> None:
        letter.error = letter.error or "there was no answer in time"
        letter.is_void = False
        letter.done.set()

    async def close(self) -> None:
        """Tell what is left, for a limited time; then every letter comes back."""
        last = [one for name in tuple(self._held) if (one := self._sum_up(name))]
        letters = [one for line in self._lines.values() for one in line]
        settling = asyncio.create_task(self.settle([*letters, *last], PATIENCE))
        ending = [settling, *self.tasks]
        await asyncio.wait(ending, timeout=PATIENCE.total_seconds())
        for one in [one for line in self._lines.values() for one in line]:
            self._take_back(one)  # also what came meanwhile
        # What came back is noted before the stores are closed.
        await asyncio.wait(ending, timeout=_GRACE.total_seconds())
        leftover = (settling, *self._carrying, *self.tasks, *self._storms.values())
        for task in leftover:
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)


async def _tried(letter: Letter) -> float:
    """Try once; return the seconds for which the sink wants to be left alone."""
    letter.may_pass = False
    try:
        async with asyncio.timeout(TRY_SECONDS):
            await letter.sink.tell(letter.feedback)
    except RolloutError as error:
        letter.error, letter.may_pass = error.message, error.retryable
        # Of the API server as of any other.
        return getattr(error, "retry_after_seconds", None) or 0.0
    except (TimeoutError, OSError) as error:
        letter.error, letter.may_pass = excerpt(str(error)) or type(error).__name__, True
    except Exception as error:  # noqa: BLE001  (a plugin's defect fails no run)
        # The words of a defect may hold anything.
        letter.error = f"unexpected {type(error).__name__}"
    else:
        letter.error = ""
    return 0.0
