"""How the members of an etcd are, for `rollwright doctor`."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, replace

from rollwright.errors import RolloutError
from rollwright.etcd.access import Access
from rollwright.etcd.client import FIRST_PATIENCE_SECONDS, Client
from rollwright.etcd.shim import rpc

CORRUPTING = ((3, 5, 0), (3, 5, 2))
"""The first and the last version that may lose what was written when it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One member as it was seen.

    Attributes:
        endpoint: Which one.
        version: Of its program; empty when it did not answer.
        has_leader: Whether it knows of a leader.
        size_bytes: Of its database.
        alarms: What it complains of, such as ``NOSPACE``.
        error: Why it could not be asked.
    """

    endpoint: str
    version: str = ""
    has_leader: bool = False
    size_bytes: int = 0
    alarms: tuple[str, ...] = ()
    error: RolloutError | None = None

    @property
    def may_corrupt(self) -> bool:
        """Whether this version may lose what was written."""
        numbers = tuple(int(one) for one in re.findall(r"\d+", self.version)[:3])
        return CORRUPTING[0] <= numbers <= CORRUPTING[1]


async def look(access: Access) -> tuple[Health, ...]:
    """Ask every member by itself."""
    return tuple(await asyncio.gather(*(_ask(access, one) for one in access.endpoints)))


async def _ask(access: Access, endpoint: str) -> Health:
    client = Client(replace(access, endpoints=(endpoint,)), patience_seconds=FIRST_PATIENCE_SECONDS)
    try:
        await client.get("/")  # a status is told to anybody; this is not
    except RolloutError as error:
        if "permission denied" not in error.message:
            await client.close()
            return Health(endpoint=endpoint, error=error)
    try:
        status = await client.call("Maintenance", "Status", rpc().StatusRequest())
        return Health(
            endpoint=endpoint,
            version=status.version,
            has_leader=bool(status.leader),
            size_bytes=status.dbSize,
            alarms=await _alarms(client),
        )
    except RolloutError as error:
        return Health(endpoint=endpoint, error=error)
    finally:
        await client.close()


async def _alarms(client: Client) -> tuple[str, ...]:
    api = rpc()
    with suppress(RolloutError):  # not everybody may ask
        answer = await client.call("Maintenance", "Alarm", api.AlarmRequest())
        return tuple(sorted({api.AlarmType.Name(one.alarm) for one in answer.alarms}))
    return ()
