"""Waiting for runs that another process makes (TR-06).

Before: a person noted a firing. After: whoever listens has run it, and noted how that ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from rollwright.engine.listening.pending import SUPERSEDED, handled, pending_of
from rollwright.engine.site import Site
from rollwright.plugins.contracts import Firing

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 45.0
"""After which it is told that perhaps nobody listens."""

_GOOD = frozenset({"succeeded", "superseded"})


@dataclass(frozen=True, slots=True)
class Answer:
    """How the run of one instance ended."""

    instance: str
    outcome: str

    @property
    def exit_code(self) -> int:
        """What a command that made this run alone would end with."""
        return 0 if self.outcome in _GOOD else 4 if self.outcome == "refused" else 1


async def answers(
    site: Site,
    asked: Iterable[tuple[str, str]],
    firing: Firing,
    *,
    since: datetime,
    stop: asyncio.Event,
    tell: Callable[[str], None],
) -> AsyncIterator[Answer]:
    """Yield how each run ended, until all have or ``stop`` is set.

    Args:
        site: The installation.
        asked: The instances, each with its cluster.
        firing: What they were asked for.
        since: When; what was answered later counts for it, too: the newest run answers for all.
        stop: Ends the waiting.
        tell: Told once if nobody seems to listen.
    """
    left, began, is_told = dict(asked), monotonic(), False
    while left and not stop.is_set():
        for instance, cluster in tuple(left.items()):
            if answer := await _answer(site, instance, cluster, firing, since):
                del left[instance]
                yield answer
        if left and not is_told and monotonic() - began > PATIENCE_SECONDS:
            is_told = True
            tell(f"nobody has answered yet: {', '.join(left)}; is `rollwright listen` running?")
        if left:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)


async def _answer(
    site: Site, instance: str, cluster: str, firing: Firing, since: datetime
) -> Answer | None:
    found = await handled(site, instance, cluster)
    is_answered = found and (found.get("id") == firing.id or _at(found) > since)
    is_asked = await pending_of(site, instance, cluster) is not None
    # What made way answers nothing as long as somebody asks for something newer.
    if is_answered and not (is_asked and found.get("outcome") == SUPERSEDED):
        return Answer(instance, str(found.get("outcome", "")))
    if found or is_asked:
        return None
    return Answer(instance, "gone")  # removed meanwhile, with everything that is noted of it


def _at(answered: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(answered["at"])
