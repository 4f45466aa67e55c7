"""``git``: looks now and then whether the sources of rollouts moved (TR-04, WH-11).

A push that nobody told us of costs one interval. The server is asked for revisions alone, once
for all rollouts of one ref of one repository; a rollout fires when its source moved and it may
read something that changed (TR-08), once per revision (TR-11).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar

from pydantic import BaseModel, Field, field_validator

from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Firing, ListenRequest
from rollwright.plugins.options import OPTIONS
from rollwright.rollouts.spec.durations import Duration

LONGEST_WAIT = timedelta(minutes=10)
"""Before a server that does not answer is asked again."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found of one rollout."""

    rollout: str
    revision: str
    fires: bool


@dataclass(slots=True)
class _Poll:
    """The looks of one listener.

    Attributes:
        request: What may be used.
        paths: Globs of files that count; empty leaves it to the source.
        seen: The revision that each rollout was last looked at.
        found: What is to be handed over, together what was found at once.
        places: How many servers are asked at a time.
    """

    request: ListenRequest
    paths: tuple[str, ...]
    seen: dict[str, str]
    found: asyncio.Queue[tuple[_Look, ...]] = field(default_factory=asyncio.Queue)
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))


class Git(BaseModel):
    """Fires for each rollout whose source moved."""

    model_config = OPTIONS

    asks_sources: ClassVar[bool] = True
    """It is of no use while the sources of its rollouts do not answer."""

    interval: Duration = Field(
        default=timedelta(minutes=1), description="From one look to the next."
    )
    jitter: float = Field(
        default=5, ge=0, le=100, description="Percent by which each interval is longer or shorter."
    )
    paths: tuple[str, ...] = Field(
        default=(),
        description="Globs of files of which one must have changed. Default: what the rollout"
        " reads.",
    )

    @field_validator("interval")
    @classmethod
    def _is_no_busy_loop(cls, interval: timedelta) -> timedelta:
        if interval < timedelta(seconds=1):
            raise ValueError("expected at least 1s")
        return interval

    async def listen(self, request: ListenRequest) -> AsyncIterator[Firing]:
        """Fire for ever; what was seen before a restart does not fire again."""
        poll = _Poll(request, self.paths, dict(await request.recall()))
        tasks = [asyncio.create_task(self._watch(poll, rollouts)) for rollouts in _groups(request)]
        try:
            while tasks:
                looks = await poll.found.get()
                # One push is one event, however many rollouts it is for (TR-14).
                if moved := tuple(one.rollout for one in looks if one.fires):
                    revision = looks[0].revision
                    yield Firing(
                        id=f"{request.name}:{moved[0]}:{revision}",
                        rollouts=moved,
                        revision=revision,
                    )
                poll.seen |= {one.rollout: one.revision for one in looks}
                if poll.found.empty():
                    known = set(request.rollouts)
                    await request.remember({k: v for k, v in poll.seen.items() if k in known})
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, poll: _Poll, rollouts: tuple[str, ...]) -> None:
        """Look at rollouts of one place again and again; what fails is asked later and later."""
        failures, offered = 0, dict(poll.seen)
        while True:
            try:
                async with poll.places:
                    await _look(poll, rollouts, offered)
                failures = 0
            except (RolloutError, OSError, TimeoutError) as error:
                failures += 1
                poll.request.failed(error)
            except Exception as error:  # noqa: BLE001  (one source's defect ends no other's looks)
                failures += 1
                poll.request.failed(RolloutError(f"unexpected {type(error).__name__}: {error}"))
            await asyncio.sleep(self._wait(failures).total_seconds())

    def _wait(self, failures: int) -> timedelta:
        share = self.jitter / 100
        longest = max(self.interval, LONGEST_WAIT)
        wait = min(self.interval * 2.0 ** min(failures, 16), longest)
        return wait * random.uniform(1 - share, 1 + share)  # noqa: S311  (jitter)


def _groups(request: ListenRequest) -> Iterable[tuple[str, ...]]:
    """Yield the rollouts whose revision one question answers."""
    groups: dict[str, list[str]] = {}
    for rollout in request.rollouts:
        try:
            place = request.place(rollout)
        except RolloutError as error:
            request.failed(error)
            place = rollout  # asked by itself, so that what is wrong is told again
        groups.setdefault(place, []).append(rollout)
    return map(tuple, groups.values())


async def _look(poll: _Poll, rollouts: tuple[str, ...], offered: dict[str, str]) -> None:
    revision = await poll.request.resolve(rollouts[0])
    looks = []
    for rollout in rollouts:
        old = offered.get(rollout, "")
        if old != revision:
            fires = await _must_fire(poll, rollout, old, revision)
            looks.append(_Look(rollout, revision, fires))
    offered |= {one.rollout: one.revision for one in looks}
    if looks:
        poll.found.put_nowait(tuple(looks))


async def _must_fire(poll: _Poll, rollout: str, old: str, new: str) -> bool:
    """Whether a rollout has to be looked at: not if a hook was faster, and the run has ended."""
    request = poll.request
    try:
        if await request.rolled_out(rollout) == new:
            return False
        return not old or await request.touches(rollout, old, new, poll.paths)
    except RolloutError as error:
        # The former commit may be gone: nobody can say what changed.
        request.failed(error)
        return True
