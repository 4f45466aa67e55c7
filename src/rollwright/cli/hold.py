"""``rollwright hold`` and ``release``: freeze a rollout, and let it go on."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from rollwright.cli.options import COMMON, Common, usage_error
from rollwright.cli.output import printable

if TYPE_CHECKING:
    from rollwright.rollouts.state import RolloutState


def hold(name: str, /, *, reason: str = "", common: Common = COMMON) -> None:
    """Freeze a rollout and say why.

    Nothing runs until it is released, not even a new source. A run that is at work goes on to its end.

    Parameters
    ----------
    name
        A rollout, or its file.
    reason
        Why; everybody who is refused reads it.
    """
    if not reason.strip():
        raise usage_error("hold needs --reason, for those who are refused")
    state = asyncio.run(_hold(name, reason, common))
    at = f" at revision {state.last.number}" if state.last else ""
    sys.stdout.write(printable(f"{state.rollout} is held{at}: {reason}\n"))


async def _hold(name: str, reason: str, common: Common) -> RolloutState:
    from rollwright.cli.session import named
    from rollwright.engine.operations import named_spec, remembered
    from rollwright.engine.returning import holding
    from rollwright.engine.site import actor_here

    async with named(name, common) as (site, rollout, cluster):
        spec = named_spec(rollout, cluster)
        await remembered(site, spec)
        return await holding.hold(site, spec, reason=reason, actor=actor_here())


def release(name: str, /, *, reason: str = "", common: Common = COMMON) -> None:
    """Take the hold off a rollout.

    The next run goes on, with what the source has then.

    Parameters
    ----------
    name
        A rollout, or its file.
    reason
        Why, for those who ask later.
    """
    was = asyncio.run(_release(name, reason, common))
    sys.stdout.write(printable(f"{was}\n"))


async def _release(name: str, reason: str, common: Common) -> str:
    from rollwright.cli.session import named
    from rollwright.engine.operations import named_spec, remembered
    from rollwright.engine.returning import holding
    from rollwright.engine.site import actor_here
    from rollwright.rollouts.revisions.holding import why_held

    async with named(name, common) as (site, rollout, cluster):
        spec = named_spec(rollout, cluster)
        before = await remembered(site, spec)
        await holding.release(site, spec, reason=reason, actor=actor_here())
    if before.hold is None:
        return f"{rollout} is not held; nothing was changed"
    return f"{rollout} is released (was {why_held(before.hold)})"
