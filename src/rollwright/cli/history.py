"""``rollwright history``: the runs of a rollout, the latest first."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import write_document, write_lines, write_table

if TYPE_CHECKING:
    from rollwright.rollouts.revisions.history import History


def history(name: str, /, *, output: Output = "text", common: Common = COMMON) -> None:
    """List the revisions of a rollout, the latest first, and what was done beside them.

    Parameters
    ----------
    name
        A rollout, or its file.
    output
        How it is printed.
    """
    found = asyncio.run(_look(name, common))
    if output != "text":
        from rollwright.rollouts.machine.history import history_form

        write_document(history_form(found), output)
        return
    _print(found)


async def _look(name: str, common: Common) -> History:
    from rollwright.cli.session import named
    from rollwright.engine.returning import history as revisions

    async with named(name, common) as (site, rollout, cluster):
        return await revisions.history(site, rollout, cluster=cluster)


def _print(found: History) -> None:
    from rollwright.rollouts.describe.history import (
        HEADERS,
        history_notes,
        history_rows,
        history_tones,
    )

    if found.revisions:
        write_table(HEADERS, history_rows(found), history_tones(found))
    else:
        sys.stdout.write("no runs yet\n")
    write_lines(history_notes(found))
