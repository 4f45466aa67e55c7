"""``rollwright diff``: how two revisions of a rollout differ."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import write_document, write_lines

if TYPE_CHECKING:
    from rollwright.rollouts.revisions.history import RevisionDiff


def diff(
    name: str,
    old: int,
    new: int | None = None,
    /,
    *,
    output: Output = "text",
    common: Common = COMMON,
) -> None:
    """Show how two revisions differ, field by field.

    Parameters
    ----------
    name
        A rollout, or its file.
    old
        Number of the one revision, as `rollwright history` shows it.
    new
        Number of the other; the last one that succeeded if it is left out.
    output
        How it is printed.
    """
    found = asyncio.run(_look(name, old, new, common))
    if output != "text":
        from rollwright.rollouts.machine.history import diff_form

        write_document(diff_form(found), output)
        return
    from rollwright.rollouts.describe.history import describe_diff

    write_lines(describe_diff(found))


async def _look(name: str, old: int, new: int | None, common: Common) -> RevisionDiff:
    from rollwright.cli.session import named
    from rollwright.engine.returning import history as revisions

    async with named(name, common) as (site, rollout, cluster):
        return await revisions.diff(site, rollout, old, new, cluster=cluster)
