"""``rollwright rollback``: a former revision live again, and held."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common, Output, read_duration

if TYPE_CHECKING:
    from rollwright.cli.carrying import Consent
    from rollwright.rollouts.report import Report


def rollback(  # noqa: PLR0913  (the options of one command)
    name: str,
    /,
    *,
    to: int | None = None,
    reason: str = "",
    yes: Annotated[bool, Parameter(name=["--yes", "-y"])] = False,
    allow_prune: bool = False,
    lock_wait: str = "5m",
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Go back to a former revision, and hold it until the source changes.

    The plan is shown first; on a terminal you are asked. What the newer revision added is
    deleted, what it removed comes back; CRDs stay as they are.

    Parameters
    ----------
    name
        A rollout, or its file.
    to
        Number of the revision, as `rollwright history` shows it; the last success before the
        current one if it is left out.
    reason
        Why, for those who ask later.
    yes
        Do not ask; also gives the approval that the rollout may want.
    allow_prune
        Let pass how many objects are deleted.
    lock_wait
        How long to wait for another run of this rollout, such as 90s or 0s.
    output
        How the report is printed.
    """
    from rollwright.cli.carrying import Consent, print_report

    wait = read_duration(lock_wait, "--lock-wait")
    consent = Consent(is_given=yes, is_prune_allowed=allow_prune, output=output)
    report = asyncio.run(_roll_back(name, to, reason, common, consent, wait))
    return print_report(report, output)


async def _roll_back(
    name: str, to: int | None, reason: str, common: Common, consent: Consent, wait: timedelta
) -> Report:
    from rollwright.cli.progress import follow
    from rollwright.cli.session import declared, named
    from rollwright.cli.stopping import stoppable
    from rollwright.engine.returning import history as revisions
    from rollwright.engine.stages import DIRECT

    async with (
        named(name, common) as (site, rollout, cluster),
        follow(is_verbose=common.verbose) as view,
    ):
        site.lock_wait, consent.view = wait, view
        document = site.rollout or declared(site.loaded, rollout)
        with stoppable(site, view.take):
            prepared = await revisions.prepare_rollback(
                site, rollout, to=to, declared=document.spec if document else None,
                cluster=cluster, reason=reason,
            )  # fmt: skip
            stages = replace(DIRECT, approve=consent.stages(DIRECT).approve)
            return await revisions.roll_back(site, prepared, stages=stages)
