"""What locks of every kind share: first tokens, names of keys, and what a refusal says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

from rollwright.errors import LockHeld, LockLost, excerpt
from rollwright.plugins.contracts import LockOwner

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST_FILE_NAME = 150
_OWNER_LENGTH = 128


def first_token(now: datetime) -> int:
    """Return the token below the first one of a key that nobody has a record of.

    Seconds since 1970, not zero: when somebody deletes the record, or another kind of lock takes
    over, the next token must still be above the ones that were written into states.
    """
    return max(0, int(now.timestamp()))


def next_token(last: int, now: datetime) -> int:
    """Return the token of the next holder; ``last`` is 0 when there is no record."""
    return (last or first_token(now)) + 1


def file_name(text: str) -> str:
    """Return a name without dots or slashes for any text; different for different texts."""
    name = quote(text, safe="").replace(".", "%2E")
    if len(name) <= _LONGEST_FILE_NAME:
        return name or "%"
    # NB: quoting never gives `%-`, so a shortened name meets no other one.
    return f"{name[:80]}%-{sha256(text.encode()).hexdigest()[:32]}"


def lease_name(key: str) -> str:
    """Return the name of a key's Lease; different for different keys."""
    if _LABEL.fullmatch(key):
        return f"rollwright.lock.{key}"
    readable = re.sub(r"[^a-z0-9]+", "-", key.lower())[:40].strip("-") or "key"
    return f"rollwright.lock.{readable}.{sha256(key.encode()).hexdigest()[:32]}"


def shortened(owner: LockOwner) -> LockOwner:
    """Cut what an owner says of itself to what a record may hold."""
    parts = (owner.id, owner.actor, owner.operation, owner.host)
    id_, actor, operation, host = (excerpt(part, _OWNER_LENGTH) for part in parts)
    return LockOwner(id=id_, actor=actor, operation=operation, host=host)


def held(key: str, owner: LockOwner, since: datetime | None, waiting: Sequence[object]) -> LockHeld:
    """Return the refusal that names who holds a lock, since when and why."""
    who = owner.actor or owner.id
    where = f" on {owner.host}" if owner.host else ""
    when = f" since {since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if since else ""
    behind = f"; {more_wait(len(waiting))} for it" if waiting else ""
    return LockHeld(
        f"lock {key!r} is held by {who}{where}{when} for {owner.operation or 'a run'}{behind}",
        hint="wait until it is released, or look who works there: `rollwright locks`",
    )


def more_wait(count: int) -> str:
    """Say how many stand behind."""
    return "1 more waits" if count == 1 else f"{count} more wait"


def lost(key: str, why: str) -> LockLost:
    """Return the error of a holder that may no longer write."""
    return LockLost(
        f"lock {key!r} is lost: {why}",
        hint="nothing more was written; run again, it goes on from what was done",
    )
