"""The store that forgets everything when the process ends: for tests and one-off runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

from rollwright.errors import StateConflict
from rollwright.plugins.contracts import Cluster
from rollwright.rollouts.state import RolloutState
from rollwright.stores.format import decode, dropped_snapshots, encode
from rollwright.stores.names import check_key, check_rollout, no_snapshot, snapshot_id


@dataclass(slots=True, kw_only=True)
class _Kept:
    """What the bound copies of one store share; keys begin with the cluster's name."""

    states: dict[tuple[str, str], bytes] = field(default_factory=dict)
    snapshots: dict[tuple[str, str, str], bytes] = field(default_factory=dict, repr=False)
    keys: dict[str, bytes] = field(default_factory=dict, repr=False)
    numbers: count[int] = field(default_factory=lambda: count(1))


class MemoryStore(BaseModel):
    """Keeps states in this process. They are gone when it ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    _kept: _Kept = PrivateAttr(default_factory=_Kept)
    _cluster: str = PrivateAttr(default="")

    def bind(self, cluster: Cluster) -> Self:
        """Return the store for one cluster; all bound stores share this one's memory."""
        bound = self.model_copy()
        bound._cluster = cluster.name  # noqa: SLF001  (a copy of ourselves, not yet handed out)
        return bound

    async def load(self, rollout: str) -> RolloutState | None:
        """Return the state; ``None`` if there is none."""
        # Stored as bytes, so that nothing works here that would fail in another store.
        data = self._kept.states.get((self._cluster, check_rollout(rollout)))
        return None if data is None else decode(data, where="memory", rollout=rollout)

    async def save(self, state: RolloutState, *, after: str) -> RolloutState:
        """Save, if the version still is ``after``."""
        before = await self._expect(state.rollout, after)
        saved = replace(state, version=str(next(self._kept.numbers)))
        self._kept.states[self._cluster, state.rollout] = encode(saved)
        for snapshot in dropped_snapshots(before, saved) if before else ():
            self._kept.snapshots.pop((self._cluster, state.rollout, snapshot), None)
        return saved

    async def put_snapshot(self, rollout: str, data: bytes) -> str:
        """Keep bytes under their digest."""
        snapshot = snapshot_id(data)
        self._kept.snapshots[self._cluster, check_rollout(rollout), snapshot] = bytes(data)
        return snapshot

    async def get_snapshot(self, rollout: str, snapshot: str) -> bytes:
        """Return kept bytes."""
        try:
            return self._kept.snapshots[self._cluster, rollout, snapshot]
        except KeyError:
            raise no_snapshot(rollout, snapshot) from None

    async def delete(self, rollout: str, *, after: str) -> None:
        """Forget a rollout and its snapshots, if the version still is ``after``."""
        await self._expect(rollout, after)
        self._kept.states.pop((self._cluster, rollout), None)
        for key in [key for key in self._kept.snapshots if key[:2] == (self._cluster, rollout)]:
            del self._kept.snapshots[key]

    async def list(self) -> tuple[str, ...]:
        """Return the names of all rollouts, sorted."""
        return tuple(sorted(name for scope, name in self._kept.states if scope == self._cluster))

    async def key(self) -> bytes | None:
        """Return the installation's key."""
        return self._kept.keys.get(self._cluster)

    async def put_key(self, key: bytes) -> bytes:
        """Keep the installation's key, if there is none; return the one that is kept."""
        return self._kept.keys.setdefault(self._cluster, check_key(key))

    async def _expect(self, rollout: str, after: str) -> RolloutState | None:
        state = await self.load(rollout)
        if (state.version if state else "") != after:
            raise StateConflict(
                f"state of {rollout!r} in memory: somebody else saved it since it was loaded",
                hint="run again: the plan is made anew from what is there now",
            )
        return state
