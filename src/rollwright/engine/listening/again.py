"""The last delivery, looked at again because a person wants it (WH-12).

Before: ``rollwright trigger NAME --again`` names a trigger or a rollout.
After: a firing with what the delivery brought, and with an id of its own, so that it counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import uuid4

from rollwright.engine.listening.declared import Declared
from rollwright.engine.listening.pending import Pending, last_deliveries
from rollwright.engine.site import Site, actor_here
from rollwright.errors import NotFound
from rollwright.plugins.contracts import Firing
from rollwright.rollouts.spec.trigger import TriggerSpec


async def delivered_again(
    site: Site, declared: Declared, name: str, delivery: str = ""
) -> tuple[TriggerSpec, Firing]:
    """Return the trigger of a delivery that came in, and a reason to look at the same again.

    Args:
        site: Whose notes are read.
        declared: What it declares.
        name: A trigger, or a rollout, whose last delivery is meant.
        delivery: Id of the one that is meant; empty for the newest.

    Raises:
        NotFound: None came in, or that one is the last of no rollout any more.
    """
    clusters = sorted({one.spec.target.cluster for one in declared.rollouts.values()})
    known = [
        one
        for cluster in clusters
        for one in await last_deliveries(site, cluster)
        if name in {one.trigger, one.rollout}
    ]
    meant = [one for one in known if delivery in {"", one.firing.id, _short(one)}]
    if not meant:
        raise _not_found(name, delivery, known)
    newest = max(meant, key=lambda one: one.at)
    same = [one for one in meant if one.firing.id == newest.firing.id]
    firing = replace(
        newest.firing,
        id=uuid4().hex,
        rollouts=tuple(sorted({one.rollout for one in same})),
        actor=actor_here(),
        fingerprint="",
        token="",
    )
    return declared.trigger(newest.trigger), firing


def _not_found(name: str, delivery: str, known: Iterable[Pending]) -> NotFound:
    ids = ", ".join(dict.fromkeys(_short(one) for one in sorted(known, key=lambda one: one.at)))
    if not ids:
        return NotFound(f"no delivery to {name!r} is known")
    return NotFound(
        f"no delivery {delivery!r} to {name!r} is known; known: {ids}",
        hint="of each rollout the last one is kept",
    )


def _short(pending: Pending) -> str:
    """Return the id as the sender wrote it."""
    return pending.firing.id.partition(":")[2]
