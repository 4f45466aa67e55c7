"""What outlives a run: the store of states, and the locks that order runs."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from rollwright.plugins.contracts.cluster import Cluster
from rollwright.rollouts.state import RolloutState


@runtime_checkable
class StateStore(Protocol):
    """Keeps what is remembered between runs, by compare-and-swap."""

    async def load(self, rollout: str) -> RolloutState | None:
        """Return the state with its current ``version``; ``None`` if there is none.

        Raises:
            Unreachable: The store does not answer.
            InvalidDocument: What is stored is not ours, damaged, or of a newer format.
        """
        ...

    async def save(self, state: RolloutState, *, after: str) -> RolloutState:
        """Save, if the stored version still is ``after`` (empty: there is none yet).

        Returns:
            The state with its new version.

        Raises:
            StateConflict: Somebody else saved since.
        """
        ...

    async def put_snapshot(self, rollout: str, data: bytes) -> str:
        """Keep bytes under their digest; return the id. Keeping them twice is once."""
        ...

    async def get_snapshot(self, rollout: str, snapshot: str) -> bytes:
        """Return kept bytes.

        Raises:
            NotFound: There is no such snapshot.
        """
        ...

    async def delete(self, rollout: str, *, after: str) -> None:
        """Forget a rollout and its snapshots, if the stored version still is ``after``.

        Raises:
            StateConflict: Somebody else saved since.
        """
        ...

    async def list(self) -> tuple[str, ...]:
        """Return the names of all rollouts, sorted."""
        ...

    async def key(self) -> bytes | None:
        """Return the installation's key; ``None`` before the first run."""
        ...

    async def put_key(self, key: bytes) -> bytes:
        """Keep the installation's key, if there is none: the first one stays for ever.

        Returns:
            The key that is kept.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOwner:
    """Who holds a lock, and what for; anybody can read it."""

    id: str
    actor: str
    operation: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRecord:
    """A lock as others see it.

    ``broken`` says who took it from its owner by force, and why; empty for all others.
    """

    key: str
    owner: LockOwner
    token: int
    acquired_at: datetime
    expires_at: datetime | None = None
    broken: str = ""


class Lock(Protocol):
    """A held lock. ``token`` grows with every acquisition of its key."""

    @property
    def key(self) -> str:
        """What is locked."""
        ...

    @property
    def token(self) -> int:
        """The fencing token."""
        ...

    @property
    def taken_from(self) -> LockRecord | None:
        """The holder before us, if it never gave the lock back: it died, or it was broken."""
        ...

    @property
    def lost(self) -> asyncio.Event:
        """Set before the lease can be gone; nothing may be written afterwards."""
        ...

    def check(self) -> None:
        """Raise ``LockLost`` if the lease may be gone."""
        ...


@runtime_checkable
class LockService(Protocol):
    """Mutual exclusion with leases and fencing, first come, first served."""

    def hold(
        self, key: str, *, owner: LockOwner, wait: timedelta | None
    ) -> AbstractAsyncContextManager[Lock]:
        """Hold a lock while inside.

        Args:
            key: What is locked.
            owner: Who asks.
            wait: How long to wait for another holder; ``None`` waits for ever, zero not at all.

        Raises:
            LockHeld: Another holder still has it; the message names who, since when and why.
        """
        ...

    async def list(self) -> tuple[LockRecord, ...]:
        """Return the locks that are held."""
        ...

    async def release(self, key: str, *, reason: str) -> LockRecord | None:
        """Take a lock from whoever holds it; ``None`` if nobody does. Its holder loses it."""
        ...


@runtime_checkable
class StorePlugin(Protocol):
    """A store as it is configured; it works once it knows the target."""

    def bind(self, cluster: Cluster) -> StateStore:
        """Return the store of one cluster's rollouts."""
        ...


@runtime_checkable
class LockPlugin(Protocol):
    """A lock service as it is configured; it works once it knows the target."""

    def bind(self, cluster: Cluster) -> LockService:
        """Return the locks of one cluster's rollouts."""
        ...
