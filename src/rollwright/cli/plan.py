"""``rollwright plan``: what a rollout would change."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rollwright.cli.options import COMMON, Common, Output
from rollwright.cli.output import write_document, write_lines

CHANGES = 10
"""What ``--exit-code`` ends with when there is something to do."""


def plan(  # noqa: PLR0913  (the options of one command)
    file: Path,
    /,
    *,
    save: Path | None = None,
    exit_code: bool = False,
    allow_prune: bool = False,
    no_dry_run: bool = False,
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Show what a rollout would change, and why.

    Nothing is written: the server is asked by dry runs.

    Parameters
    ----------
    file
        A rollout, or a folder with rollout.yaml.
    save
        Write the plan as JSON to this file, too.
    exit_code
        Exit with 10 when there are changes.
    allow_prune
        Let pass how many objects are deleted.
    no_dry_run
        Do not ask the server; what would change inside objects stays unknown.
    output
        How the plan is printed.
    """
    from rollwright.cli import preview
    from rollwright.rollouts.describe import describe_plan
    from rollwright.rollouts.machine import plan_form

    stages = preview.stages_of(is_dry_run=not no_dry_run)
    made = asyncio.run(preview.make(file, common, stages))
    made = preview.allowing_prune(made) if allow_prune else made
    if save is not None:
        preview.save(made, save)
    if output == "text":
        write_lines(describe_plan(made))
    else:
        write_document(plan_form(made), output)
    return CHANGES if exit_code and not made.is_done else 0
