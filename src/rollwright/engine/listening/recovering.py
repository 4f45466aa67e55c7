"""What another process accepted and nobody carries out: that process ended, or it never ran.

Before: the notes of a cluster were read. After: what is left behind is queued here.

What a trigger fired belongs to whoever listens to that trigger, and a run at work to whoever has
its lock. Of what came in as deliveries, several processes may share the runs: whoever begins
looks whether it was answered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

from rollwright.engine.listening.pending import Pending
from rollwright.engine.operations import named_spec
from rollwright.engine.site import Site
from rollwright.plugins.contracts import LockRecord


async def left_behind(
    site: Site,
    cluster: str,
    found: Iterable[Pending],
    keys: Mapping[str, Collection[str]],
    ours: Collection[str],
) -> tuple[Pending, ...]:
    """Return what nobody else is about to carry out.

    Args:
        site: The installation.
        cluster: Whose notes were read.
        found: What is noted, and unknown here.
        keys: The locks that belong to each trigger, by its name.
        ours: Keys of the locks of triggers that this process has.

    Raises:
        RolloutError: The locks do not answer.
    """
    found = tuple(found)
    if not found:
        return ()
    records = await (await site.locks(named_spec("all", cluster))).list()
    held = {one.key for one in records if _is_held(one)}
    taken = held - set(ours)
    return tuple(
        one
        for one in found
        if one.instance not in held and not taken.intersection(keys.get(one.trigger, ()))
    )


def _is_held(record: LockRecord) -> bool:
    return record.expires_at is None or record.expires_at > datetime.now(UTC)
