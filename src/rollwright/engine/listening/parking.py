"""What is asked for and may not run now: its rollout is suspended, or somebody holds it.

Before: a firing was noted, or a run was refused for a hold.
After: as soon as somebody lets go, it is queued; until then it takes no turn.

It stays noted, so that another process that listens later parks it, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rollwright.engine.listening.declared import Declared
from rollwright.engine.listening.pending import Pending
from rollwright.engine.operations import named_spec
from rollwright.engine.site import Site
from rollwright.errors import RolloutError


@dataclass(frozen=True, slots=True, kw_only=True)
class Parking:
    """What waits until somebody lets go, by instance; the newest of each.

    Attributes:
        site: Whose stores say what is held.
    """

    site: Site
    _parked: dict[str, Pending] = field(default_factory=dict)

    def park(self, pending: Pending) -> None:
        """Let it wait."""
        self._parked[pending.instance] = pending

    def leave(self, instance: str) -> None:
        """Forget what waits of an instance: something newer does not."""
        self._parked.pop(instance, None)

    def names(self) -> frozenset[str]:
        """Return the instances that wait."""
        return frozenset(self._parked)

    def has(self, instance: str) -> bool:
        """Whether a request for an instance waits here."""
        return instance in self._parked

    async def freed(self, declared: Declared) -> tuple[Pending, ...]:
        """Return what need not wait any longer, and let it go."""
        free = [one for one in tuple(self._parked.values()) if await self._is_free(one, declared)]
        # Compared: something newer may have been parked meanwhile.
        return tuple(one for one in free if self._let_go(one))

    async def _is_free(self, pending: Pending, declared: Declared) -> bool:
        return not (is_suspended(declared, pending.rollout) or await self.is_held(pending))

    async def is_held(self, pending: Pending) -> bool:
        """Whether somebody, or a rollback, holds an instance; also while nobody can say."""
        try:
            store = await self.site.store(named_spec(pending.instance, pending.cluster))
            state = await store.load(pending.instance)
        except RolloutError:
            return True  # the next look may be luckier
        return state is not None and state.hold is not None

    def _let_go(self, pending: Pending) -> bool:
        if self._parked.get(pending.instance) is not pending:
            return False
        del self._parked[pending.instance]
        return True


def is_suspended(declared: Declared, rollout: str) -> bool:
    """Whether the document of a rollout says that it starts no runs."""
    found = declared.rollouts.get(rollout)
    return found is not None and found.spec.suspend
