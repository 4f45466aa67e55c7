"""The runs of ``rollwright trigger``: shown while they go on, and how each of them ended.

Before: a request is noted. After: the exit code is that of the worst run, whoever made it.

A run that made way answers nothing: whoever asked for it waits for the one that does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollwright.cli.failing import INTERRUPTED
from rollwright.cli.listen import run_line, stopped_by_signal
from rollwright.cli.options import Output
from rollwright.cli.output import record_text, say, write_line
from rollwright.cli.progress import View, follow
from rollwright.cli.progress.plain import PlainView
from rollwright.engine.listening.answering import answers
from rollwright.engine.listening.pending import SUPERSEDED, Pending, pending_of
from rollwright.engine.listening.running import Ended
from rollwright.engine.listening.service import Service
from rollwright.engine.progress import Listener, Progress
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Firing


@dataclass(kw_only=True)
class Runs:
    """The runs that one request makes.

    Attributes:
        output: How each is printed.
        is_verbose: Whether stages are named, too.
        codes: What a command that made a run alone would end with, by instance.
        overtaken: Those that made way.
    """

    output: Output
    is_verbose: bool = False
    codes: dict[str, int] = field(default_factory=dict)
    overtaken: dict[str, Pending] = field(default_factory=dict)
    _views: dict[str, View] = field(default_factory=dict)

    def ended(self, pending: Pending, how: Ended, seconds: float) -> None:
        """Print how a run ended; what is tried again is counted once."""
        self.codes[pending.instance] = how.exit_code
        if how.outcome == SUPERSEDED:
            self.overtaken[pending.instance] = pending
        write_line(run_line(pending, how, seconds, self.output))

    def listener(self, pending: Pending) -> Listener:
        """Return whoever shows a run."""
        instance = pending.instance

        def show(progress: Progress) -> None:
            if instance in self._views:
                self._views[instance].take(progress)

        return show

    async def make(self, service: Service, clusters: Mapping[str, str], firing: Firing) -> int:
        """Make the runs of instances here; return the exit code.

        Args:
            service: The site, with the request accepted.
            clusters: The cluster of each instance.
            firing: What they were asked for.
        """
        with stopped_by_signal() as stop:
            await self._make(service, clusters, stop)
            await self._await_others(service, clusters, stop)
            if stop.is_set():
                await _say_what_stays(service, clusters, firing)
                return INTERRUPTED
        return max(self.codes.values(), default=0)

    async def _make(
        self, service: Service, clusters: Mapping[str, str], stop: asyncio.Event
    ) -> None:
        views = _Several(self._plain(name) for name in clusters) if len(clusters) > 1 else None
        async with follow(is_verbose=self.is_verbose, view=views) as view:
            several = views.views if views else (view,) * len(clusters)
            self._views.update(zip(clusters, several, strict=True))
            await service.once(len(clusters), stop)

    def _plain(self, name: str) -> PlainView:
        return PlainView(is_verbose=self.is_verbose, stream=_Prefixed(f"{name}: "))

    async def _await_others(
        self, service: Service, clusters: Mapping[str, str], stop: asyncio.Event
    ) -> None:
        """Wait for the runs that answer what made way here."""
        for name, pending in self.overtaken.items():
            asked = [(name, clusters.get(name, pending.cluster))]
            firing, since = pending.firing, pending.at
            say(f"{name}: waiting for the run that answers it")
            found = answers(service.site, asked, firing, since=since, stop=stop, tell=say)
            async for answer in found:
                write_line(answer_line(answer.instance, answer.outcome, self.output))
                self.codes[name] = answer.exit_code


async def _say_what_stays(service: Service, clusters: Mapping[str, str], firing: Firing) -> None:
    """Say what becomes of a request whose maker leaves."""
    for name, cluster in clusters.items():
        try:
            noted = await pending_of(service.site, name, cluster)
        except RolloutError as error:
            say(f"{name}: cannot see whether the request is noted: {error.message}")
            continue
        if noted is not None and noted.firing.id == firing.id:
            say(f"{name}: the request stays noted; whoever listens next carries it out")
        elif noted is not None:
            say(f"{name}: a newer request is noted; whoever listens next carries that out")
        else:
            say(f"{name}: nothing stays noted")


def answer_line(instance: str, outcome: str, output: Output) -> str:
    """Return the line of a run that another process made."""
    if output == "text":
        return f"{instance}: {outcome}"
    return record_text({"instance": instance, "outcome": outcome}, output)


class _Several:
    """Views of several runs that go on at the same time."""

    interval_seconds = 1.0

    def __init__(self, views: Iterable[View]) -> None:
        self.views = tuple(views)

    def take(self, progress: Progress) -> None:
        """Nothing is said of all of them."""

    def tick(self) -> None:
        """Show what gathered since the last time."""
        for view in self.views:
            view.tick()

    def pause(self) -> None:
        """Print what is left."""
        for view in self.views:
            view.pause()


@dataclass(frozen=True, slots=True)
class _Prefixed:
    """Standard error, with the name of a run before each line."""

    prefix: str

    def write(self, text: str) -> int:
        """Write a line."""
        return sys.stderr.write(f"{self.prefix}{text}")

    def flush(self) -> None:
        """Write at once."""
        sys.stderr.flush()
