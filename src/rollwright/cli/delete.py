"""``rollwright delete``: a rollout with all its objects, after a look at what goes."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from rollwright.cli.asking import ask, can_ask
from rollwright.cli.options import COMMON, Common, Output, read_duration
from rollwright.cli.output import write_lines
from rollwright.errors import Refused

if TYPE_CHECKING:
    from rollwright.rollouts.report import Report


def delete(
    name: str,
    /,
    *,
    confirm: str = "",
    lock_wait: str = "5m",
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Remove a rollout with all its objects.

    What goes is shown first; on a terminal you are asked to type the name.

    Parameters
    ----------
    name
        The rollout.
    confirm
        The name once more, instead of typing it.
    lock_wait
        How long to wait for a run of this rollout, such as 90s or 0s.
    output
        How the report is printed.
    """
    from rollwright.cli.carrying import print_report

    wait = read_duration(lock_wait, "--lock-wait")
    if confirm and confirm != name:
        raise Refused(f"{name}: --confirm names {confirm!r}; nothing was changed")
    report = asyncio.run(_delete(name, common, confirm=confirm, lock_wait=wait, output=output))
    return print_report(report, output)


async def _delete(
    name: str, common: Common, *, confirm: str, lock_wait: timedelta, output: Output
) -> Report:
    from rollwright.cli.progress import follow
    from rollwright.cli.session import cluster_of, opened
    from rollwright.cli.stopping import stoppable
    from rollwright.engine import operations
    from rollwright.rollouts.describe import describe_plan

    async with opened(common) as site, follow(is_verbose=common.verbose) as view:
        site.lock_wait = lock_wait
        cluster = cluster_of(site, common, name)
        with stoppable(site, view.take):
            removal = await operations.prepare_delete(site, name, cluster=cluster)
            view.pause()
            stream = sys.stdout if output == "text" else sys.stderr
            write_lines(describe_plan(removal), stream)
            if not confirm:
                await _ask(name)
            return await operations.delete(site, removal, cluster=cluster)


async def _ask(name: str) -> None:
    if not can_ask():
        raise Refused(
            f"{name}: nobody confirmed; nothing was changed",
            hint=f"look at what goes, then add --confirm {name}",
        )
    answer = await ask(f"Type {name} to delete all this: ")
    if answer.strip() != name:
        raise Refused(f"{name}: not confirmed; nothing was changed")
