"""Which receiver is behind which address.

Before: the site declares triggers that read deliveries. After: ``intake`` finds one by the id in
the path, and ``rollwright listen`` prints the addresses.

A secret that was changed makes another address, so the book is written anew now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from rollwright.engine.listening.listener import Listened, Listening
from rollwright.engine.progress import Note
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Addressed
from rollwright.plugins.hooks import hook_id

KEPT_SECONDS = 30.0
REST_SECONDS = 5.0


@dataclass(kw_only=True)
class Book:
    """The addresses of a site's receivers.

    Attributes:
        listening: The triggers at work.
        faults: Why a receiver has no address, by name.
    """

    listening: Listening
    faults: dict[str, str] = field(default_factory=dict)
    _readers: Mapping[str, Listened] = field(default_factory=dict)
    _pages: Mapping[str, Listened] = field(default_factory=dict)
    _written_at: float | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _renewing: asyncio.Task[None] | None = None

    async def find(self, id: str) -> Listened | None:  # noqa: A002  (what it is)
        """Return the receiver of an id; ``None`` if nobody has it.

        Who is known is not kept waiting: a secret may lie where nobody answers at the moment.
        """
        known = self._pages.get(id)
        if known is None and self._age() > REST_SECONDS:
            await self.write()
        elif known is not None and self._age() > KEPT_SECONDS:
            self._renew()
        return known or self._pages.get(id)

    def _renew(self) -> None:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._rewrite())

    async def _rewrite(self) -> None:
        try:
            await self.write()
        except (RolloutError, OSError) as error:
            self.listening.site.tell(Note(f"cannot read the secrets of webhooks again: {error}"))

    async def write(self) -> None:
        """Look at the secrets again."""
        async with self._lock:
            if self._age() > REST_SECONDS:
                self._readers = self.listening.readers()  # files may have been read anew
                self._pages = await asyncio.to_thread(self._written)
                self._written_at = monotonic()

    async def addresses(self) -> tuple[tuple[str, str], ...]:
        """Return each receiver's name with its id; the address of the newest secret comes first."""
        await self.write()
        return tuple((listened.name, id_) for id_, listened in self._pages.items())

    def _age(self) -> float:
        return monotonic() - self._written_at if self._written_at is not None else float("inf")

    def _written(self) -> Mapping[str, Listened]:
        loaded = self.listening.site.loaded
        pages: dict[str, Listened] = {}
        for listened in self._readers.values():
            try:
                tokens = _tokens_of(listened, loaded.root)
            except RolloutError as error:
                self.faults[listened.name] = error.message
                # What is known stays: a secret that cannot be read for a moment closes nothing.
                pages |= {k: v for k, v in self._pages.items() if v.name == listened.name}
                continue
            self.faults.pop(listened.name, None)
            pages |= {hook_id(one, listened.name, loaded.file.name): listened for one in tokens}
        return pages


def _tokens_of(listened: Listened, base: Path) -> tuple[str, ...]:
    plugin = listened.plugin
    return plugin.tokens(base) if isinstance(plugin, Addressed) else ("",)
