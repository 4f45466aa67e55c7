"""``rollwright plan``: what a rollout would change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common, Output, read_allowed, usage_error
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
    allow_delete: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
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
        Write the plan to this file, for `rollout --plan`.
    exit_code
        Exit with 10 when there are changes.
    allow_prune
        Let pass how many objects are deleted.
    allow_delete
        Let a protected object go: KIND/NAMESPACE/NAME; repeatable.
    no_dry_run
        Do not ask the server; what would change inside objects stays unknown.
    output
        How the plan is printed.
    """
    from rollwright.cli import preview
    from rollwright.rollouts.describe.plans import describe_plan
    from rollwright.rollouts.machine.plans import plan_form

    if save is not None and str(save) == "-":
        raise usage_error("--save: a plan is saved to a file; -o json prints it")
    stages, allowed = preview.stages_of(is_dry_run=not no_dry_run), read_allowed(allow_delete)
    if save is None:
        made = asyncio.run(preview.make(file, common, stages, allowed=allowed))
    else:
        made, saved = asyncio.run(preview.make_saved(file, common, stages, allowed=allowed))
        preview.save(saved, save)
    made = preview.allowing_prune(made) if allow_prune else made
    if output == "text":
        write_lines(describe_plan(made))
    else:
        write_document(plan_form(made), output)
    return CHANGES if exit_code and not made.is_done else 0
