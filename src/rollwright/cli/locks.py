"""``rollwright locks``: who holds what."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common, Output, usage_error
from rollwright.cli.output import printable, write_document, write_table
from rollwright.errors import NotFound

if TYPE_CHECKING:
    from rollwright.plugins.contracts import LockRecord


def locks(
    *,
    break_: Annotated[str, Parameter(name="--break")] = "",
    reason: str = "",
    output: Output = "text",
    common: Common = COMMON,
) -> None:
    """Show who holds what, or break a lock.

    Whoever holds a broken lock stops before its next write.

    Parameters
    ----------
    break_
        The key of a lock to take from its holder.
    reason
        Why it is broken; it is kept with the lock.
    output
        How the locks are printed.
    """
    from rollwright.rollouts.machine.values import list_form

    if break_ and not reason:
        raise usage_error("--break needs --reason, for those who ask later")
    if reason and not break_:
        raise usage_error("--reason says why a lock is broken: name it with --break KEY")
    found = asyncio.run(_locks(common, break_, reason))
    if output != "text":
        write_document(list_form("LockList", [_form(one) for one in found]), output)
    elif break_:
        text = f"{break_} was taken from {found[0].owner.actor} ({found[0].owner.operation})"
        sys.stdout.write(printable(f"{text}\n"))
    elif found:
        headers = ("KEY", "WHO", "WHAT", "HOST", "SINCE", "UNTIL", "TOKEN")
        write_table(headers, [_row(one) for one in found])
    else:
        sys.stdout.write("no locks are held\n")


async def _locks(common: Common, key: str, reason: str) -> tuple[LockRecord, ...]:
    from rollwright.cli.session import cluster_of, opened
    from rollwright.engine import operations
    from rollwright.engine.site import actor_here

    async with opened(common) as site:
        cluster = cluster_of(site, common)
        if not key:
            return await operations.locks(site, cluster=cluster)
        service = await site.locks(operations.named_spec("all", cluster))
        broken = await service.release(key, reason=f"{reason} ({actor_here()})")
        if broken is None:
            held = ", ".join(one.key for one in await service.list()) or "none"
            raise NotFound(f"nobody holds a lock {key!r}; held: {held}")
        return (broken,)


def _row(one: LockRecord) -> tuple[str, ...]:
    owner = one.owner
    until = _time(one.expires_at) if one.expires_at else "-"
    since = _time(one.acquired_at)
    return one.key, owner.actor, owner.operation, owner.host, since, until, str(one.token)


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _form(one: LockRecord) -> dict[str, Any]:
    from rollwright.rollouts.machine.values import instant

    owner = one.owner
    return {
        "key": one.key,
        "owner": {
            "id": owner.id, "actor": owner.actor, "operation": owner.operation, "host": owner.host
        },
        "token": one.token,
        "acquiredAt": instant(one.acquired_at),
        "expiresAt": instant(one.expires_at) if one.expires_at else None,
    }  # fmt: skip
