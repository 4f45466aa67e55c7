"""Staging, checks, approval, production: the worked example of a site's own flow.

Staging is carried out and checked first. Production is carried out only if staging is well, from
the same revision of the source. If its own document says ``approval: always``, it is refused
until a person has approved its plan (``rollwright approve NAME``); run the promotion again then,
and staging has nothing to do. The policy stands where every other face reads it, not here.

    prefect deploy flows/promote.py:promote
    promote("rollouts/shop-staging", "rollouts/shop")

Everything here is public API, so a site may copy this file and change it.
"""

from __future__ import annotations

from prefect import flow

from rollwright import Report, RolloutError, Status
from rollwright.flows import rollout


@flow(name="promote", flow_run_name="promote {staging} -> {production}", persist_result=False)
async def promote(
    staging: str, production: str, *, revision: str = "", is_same_source: bool = False
) -> Report:
    """Carry staging out, check it, and carry production out.

    Args:
        staging: Path of the rollout that is tried first.
        production: Path of the rollout that follows.
        revision: The source revision that is asked for; empty for what the source has now.
        is_same_source: Whether both documents have the same source: then production gets exactly
            the revision that staging had, whatever has been pushed meanwhile.
    """
    tried = await rollout(staging, revision=revision)
    refuse_unless_well(tried)
    return await rollout(production, revision=tried.plan.source if is_same_source else revision)


def refuse_unless_well(report: Report) -> None:
    """Decide whether to go on.

    Raises:
        RolloutError: Staging made way for a newer run, or something of it is not Current.
    """
    if report.outcome != "succeeded":
        raise RolloutError(f"{report.rollout} {report.outcome}: {report.message}")
    bad = [one for one in report.statuses if one.status is not Status.CURRENT]
    if bad:
        names = ", ".join(str(one.ref) for one in bad)
        raise RolloutError(f"{report.rollout}: not everything is Current: {names}")
