"""Who is told what, decided beside the run: noted, handed to the courier, and what came of it.

Before: ``telling`` put an event into words.
After: the courier carries it, and the notes beside the rollout's state say that it was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rollwright.engine.progress import Counted, Note
from rollwright.engine.telling.courier import LONG_PATIENCE, PATIENCE, Letter
from rollwright.engine.telling.letters import Chosen, claim, keep_told, recall, without_failed
from rollwright.engine.telling.subscribers import Subscriber
from rollwright.plugins.contracts import StateSink
from rollwright.rollouts.describe.feedback import with_form
from rollwright.rollouts.feedback import Feedback
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.telling import (
    Told,
    also_settled,
    merged,
    show_once,
    tell_once,
    with_heard,
    with_trouble,
)

if TYPE_CHECKING:
    from rollwright.engine.site import Site
    from rollwright.rollouts.spec import RolloutSpec

_SOON = timedelta(seconds=1)
"""How long all are waited for, before those who were told are noted without the others."""

Said = Feedback | Callable[[Told], Feedback | None]
"""An event, or what makes it of what was told before; ``None`` is nothing to tell."""


class Desk:
    """What is told about one run, in order.

    Attributes:
        number: Of the revision that the run is remembered as; zero until it has ended.
        is_removed: Whether the rollout is gone, and whatever is noted of it.
    """

    def __init__(self, site: Site, spec: RolloutSpec, subscribers: tuple[Subscriber, ...]) -> None:
        self.number = 0
        self.is_removed = False
        self._site, self._spec, self._subscribers = site, spec, subscribers
        self._queue: asyncio.Queue[Said | None] = asyncio.Queue()
        self._letters: list[tuple[Letter, str]] = []
        self._told = self._before = Told()
        self._worker: asyncio.Task[None] | None = None

    @property
    def _key(self) -> tuple[str, str]:
        return self._spec.target.cluster, self._spec.name

    def say(self, said: Said) -> None:
        """Take an event; nothing is waited for."""
        if not self._subscribers:
            return
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        self._queue.put_nowait(said)

    def leave(self) -> asyncio.Task[None] | None:
        """Take no more; return what ends once everybody was told, and that is noted."""
        if self._worker is None:
            return None
        self._queue.put_nowait(None)
        task = asyncio.create_task(self._settle(self._worker))
        self._site.courier.tasks.add(task)
        task.add_done_callback(self._site.courier.tasks.discard)
        return task

    async def _work(self) -> None:
        await self._begin()
        while (said := await self._queue.get()) is not None:
            await self._tell(said)

    async def _begin(self) -> None:
        """Find out what was told before, here or elsewhere, and what was left on its way."""
        told, left = await recall(self._site, self._spec)
        self._before, ours = told, self._site.courier.memory.get(self._key)
        self._told = merged(told, ours, datetime.now(UTC)) if ours else told
        sinks = {one.name: one.sink for one in self._subscribers}
        for one in left:
            if sink := sinks.get(one.sink):
                self._post(Letter(sink=sink, name=one.sink, feedback=one.feedback))

    async def _tell(self, said: Said) -> None:
        chosen = self._choose(self._told, said)
        if any(not isinstance(one.sink, StateSink) for one in chosen.letters):
            chosen = await claim(
                self._site, self._spec, self._told, lambda told: self._choose(told, said)
            )
        self._told = self._site.courier.memory[self._key] = chosen.told
        for letter in chosen.letters:
            self._post(letter)

    def _post(self, letter: Letter) -> None:
        self._letters.append((letter, self._state(letter.sink, letter.feedback)))
        self._site.courier.post(letter)

    def _choose(self, told: Told, said: Said) -> Chosen:
        """Return who is told an event after all that was told; each name once."""
        feedback = said(told) if callable(said) else said
        if feedback is None:
            return Chosen(told)
        letters: dict[str, Letter] = {}
        for one in self._subscribers:
            if one.name in letters or not one.wants(feedback):
                continue
            after = self._after(told, one, feedback)
            if after is not None:
                told, letters[one.name] = after, _letter(one, feedback)
        told = with_heard(with_trouble(told, feedback), max(self.number, feedback.number))
        return Chosen(told, tuple(letters.values()))

    def _after(self, told: Told, one: Subscriber, feedback: Feedback) -> Told | None:
        """Return what is told once somebody was told; ``None`` if there is no need."""
        if isinstance(one.sink, StateSink):
            return self._shown(told, one, feedback)
        now = feedback.at or datetime.now(UTC)
        after = tell_once(told, one.name, feedback, one.rules.once_per, now)
        return also_settled(after, one.name, feedback, now) if after else None

    def _shown(self, told: Told, one: Subscriber, feedback: Feedback) -> Told | None:
        state = self._state(one.sink, feedback)
        shown = told.shown.get(one.name, "")
        is_pending = shown.startswith(f"{feedback.revision} pending")
        is_quiet = feedback.outcome in {"refused", Outcome.SUPERSEDED}
        if not state or (is_quiet and not is_pending):
            return None
        return show_once(told, one.name, feedback.revision, state)

    def _state(self, sink: object, feedback: Feedback) -> str:
        if not isinstance(sink, StateSink):
            return ""
        try:
            return sink.shows(feedback)
        except Exception as error:  # noqa: BLE001  (a plugin's defect keeps nobody else untold)
            # The words of a defect may hold anything.
            self._site.tell(Note(f"feedback: unexpected {type(error).__name__}"))
            return ""

    async def _settle(self, worker: asyncio.Task[None]) -> None:
        """Wait until everybody was told, and note what came of it."""
        courier = self._site.courier
        patience = LONG_PATIENCE if courier.is_steady else PATIENCE
        try:
            async with asyncio.timeout(patience.total_seconds()):
                await asyncio.shield(worker)
        except TimeoutError:
            worker.cancel()
        # Who was told is noted before those who are slow are waited for: a crash repeats less.
        await courier.wait([letter for letter, _ in self._letters], _SOON)
        early = [one for one in self._letters if one[0].done.is_set()]
        late = [one for one in self._letters if not one[0].done.is_set()]
        if early and late:
            await self._keep(early)
        await courier.settle([letter for letter, _ in late], patience)
        if await self._keep(late or early) and courier.memory.get(self._key) is self._told:
            del courier.memory[self._key]

    async def _keep(self, letters: Sequence[tuple[Letter, str]]) -> bool:
        """Note what came of letters; whether nothing is left to note."""
        for one, _ in letters:
            if one.error and not one.is_void:
                self._site.tell(Note(f"feedback {one.name}: {one.error}"))
            self._site.tell(Counted(f"feedback {one.name}", one.outcome))
        told = without_failed(with_heard(self._told, self.number), self._letters)
        before = self._before
        is_news = bool(letters) or (told.trouble, told.heard) != (before.trouble, before.heard)
        if self.is_removed or not is_news:
            return True
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                return await keep_told(self._site, self._spec, told, letters)
        except TimeoutError:
            self._site.tell(Note(f"{self._spec.name}: cannot note what was told: no answer"))
            return False


def _letter(one: Subscriber, feedback: Feedback) -> Letter:
    if one.metadata:
        feedback = with_form(replace(feedback, metadata=dict(one.metadata)))
    return Letter(sink=one.sink, name=one.name, feedback=feedback)
