"""What triggers may ask about the sources of rollouts.

Before: ``listener`` has a trigger that looks, or a delivery that came in.
After: it knows which rollouts have to be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rollwright.engine.documents import LoadedRollout
from rollwright.engine.inputs.fetching import (
    place_of_source,
    pushes_of_source,
    resolve_source,
    touches_source,
)
from rollwright.engine.listening.declared import Declared
from rollwright.engine.site import Site
from rollwright.plugins.contracts import Candidate
from rollwright.rollouts.report import Outcome
from rollwright.rollouts.spec.trigger import TriggerSpec


@dataclass(kw_only=True)
class Sources:
    """The sources of a site's rollouts.

    Attributes:
        site: The installation.
        declared: What it declares.
    """

    site: Site
    declared: Declared
    _guests: dict[str, Site] = field(default_factory=dict)
    _candidates: dict[str, tuple[Candidate, ...]] = field(default_factory=dict)

    async def resolve(self, rollout: str) -> str:
        """Return the present revision of a rollout's source."""
        loaded = self.declared.rollout(rollout)
        return await resolve_source(self._guest(loaded), loaded.spec)

    async def touches(self, rollout: str, old: str, new: str, paths: tuple[str, ...] = ()) -> bool:
        """Return whether a rollout may read what changed between two revisions."""
        loaded = self.declared.rollout(rollout)
        return await touches_source(self._guest(loaded), loaded.spec, old, new, paths=paths)

    def place(self, rollout: str) -> str:
        """Return where its revision is from."""
        loaded = self.declared.rollout(rollout)
        return place_of_source(self._guest(loaded), loaded.spec)

    async def rolled_out(self, rollout: str) -> str:
        """Return the revision that it was last carried out at; empty if that failed."""
        store = await self.site.store(self.declared.rollout(rollout).spec)
        state = await store.load(rollout)
        last = state.last if state else None
        return last.source if last and last.outcome == Outcome.SUCCEEDED else ""

    def candidates(self, trigger: TriggerSpec) -> tuple[Candidate, ...]:
        """Return the rollouts that a delivery to a trigger may be about."""
        if trigger.name not in self._candidates:
            chosen = self.declared.chosen(trigger)
            self._candidates[trigger.name] = tuple(map(self._candidate, chosen))
        return self._candidates[trigger.name]

    def _candidate(self, loaded: LoadedRollout) -> Candidate:
        return Candidate(
            name=loaded.spec.name,
            labels=loaded.spec.labels,
            is_pushed=pushes_of_source(self._guest(loaded), loaded.spec),
        )

    def _guest(self, loaded: LoadedRollout) -> Site:
        """Return the site for a rollout; one for all questions about it."""
        if loaded.spec.name not in self._guests:
            self._guests[loaded.spec.name] = self.site.beside(loaded)
        return self._guests[loaded.spec.name]
