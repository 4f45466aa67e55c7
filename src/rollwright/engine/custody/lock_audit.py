"""What the audit trail says of a lock whose last holder never gave it back (ST-06).

Before: the lock was taken; the service says whom it was taken from.
After: ``begin`` saves the entry with the state; ``status`` shows it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from rollwright.engine.progress import Listener, Note
from rollwright.errors import RolloutError
from rollwright.plugins.contracts import Lock, LockOwner, LockRecord, StateStore
from rollwright.rollouts.spec import RolloutSpec
from rollwright.rollouts.state import AuditEntry, Journal, RolloutState

AskStore = Callable[[RolloutSpec], Awaitable[StateStore]]
"""Gives the store of a rollout's target."""


def takeover_of(lock: Lock, *, actor: str, at: datetime) -> AuditEntry | None:
    """Return the audit entry of a lock that was taken from somebody; ``None`` if it was free.

    Args:
        lock: Ours.
        actor: Who holds it now.
        at: When it was taken.
    """
    former = lock.taken_from
    if former is None:
        return None
    words = _broken(former) if former.broken else _expired(former)
    return AuditEntry(
        at=at,
        kind="break" if former.broken else "takeover",
        actor=actor,
        message=f"{words}; token {former.token} → {lock.token}, now of {actor or 'somebody'}",
    )


def _broken(former: LockRecord) -> str:
    return f"the lock of {_who(former.owner)} was broken: {former.broken}"


def _expired(former: LockRecord) -> str:
    until = former.expires_at
    ended = f"ran out at {_time(until)}" if until else "died with its process"
    held = f"held since {_time(former.acquired_at)}"
    return f"the lock of {_who(former.owner)}, {held}, {ended} and was taken over"


def _who(owner: LockOwner) -> str:
    who = owner.actor or owner.id or "somebody"
    where = f" on {owner.host}" if owner.host and not who.endswith(f"@{owner.host}") else ""
    return f"{who}{where} ({owner.operation or 'a run'})"


def _time(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def with_takeover(
    state: RolloutState, lock: Lock, journal: Journal, tell: Listener
) -> RolloutState:
    """Return the state that a run begins with, with the takeover of its lock, and tell it."""
    entry = takeover_of(lock, actor=journal.owner, at=journal.started_at)
    if entry is None or _knows(state, entry):
        return state
    tell(Note(entry.message))
    return state.audited(entry)


@asynccontextmanager
async def takeover_kept(
    ask_store: AskStore, spec: RolloutSpec, lock: Lock, *, actor: str
) -> AsyncIterator[None]:
    """Save the takeover of a lock also when the run is refused before it has begun."""
    try:
        yield
    except RolloutError:
        entry = takeover_of(lock, actor=actor, at=datetime.now(UTC))
        # The refusal is what matters, whatever the store says.
        with suppress(RolloutError):
            if entry is not None:
                await _save(await ask_store(spec), spec.name, entry)
        raise


async def _save(store: StateStore, rollout: str, entry: AuditEntry) -> None:
    state = await store.load(rollout)
    if state is not None and not _knows(state, entry):
        await store.save(state.audited(entry), after=state.version)


def _knows(state: RolloutState, entry: AuditEntry) -> bool:
    """Whether the takeover is on record: a message names both tokens, so it is unique."""
    return any(one.message == entry.message for one in state.audit)
