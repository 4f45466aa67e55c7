"""``rollwright rollout``: plan, ask, carry out, wait, report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common, Output, read_allowed, read_duration


def rollout(  # noqa: PLR0913  (the options of one command)
    file: Path,
    /,
    *,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"])] = False,
    allow_prune: bool = False,
    allow_delete: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    no_dry_run: bool = False,
    plan: Path | None = None,
    approved: str = "",
    test: Annotated[bool, Parameter(negative="")] = False,
    lock_wait: str = "5m",
    output: Output = "text",
    common: Common = COMMON,
) -> int:
    """Carry a rollout out and wait until all is healthy.

    The plan is shown first; on a terminal you are asked. Ctrl-C stops after the write in
    flight; the same command goes on from there.

    Parameters
    ----------
    file
        A rollout, or a folder with rollout.yaml.
    yes
        Do not ask; also gives the approval that the rollout may want.
    allow_prune
        Let pass how many objects are deleted.
    allow_delete
        Let a protected object go: KIND/NAMESPACE/NAME; repeatable.
    no_dry_run
        Do not ask the server about everything before anything is written.
    plan
        Carry out exactly this saved plan, or refuse.
    approved
        Carry out only the plan of this id; gives its approval, too.
    test
        Run the hooks for tests (helm.sh/hook: test) once all is healthy; one that fails fails the
        rollout.
    lock_wait
        How long to wait for another run of this rollout, such as 90s or 0s.
    output
        How the report is printed.
    """
    from rollwright.cli.carrying import Consent, carry_out, print_report
    from rollwright.cli.preview import stages_of
    from rollwright.engine.approval.plan_files import read_plan
    from rollwright.errors import InvalidDocument

    if test and plan is not None:
        raise InvalidDocument("--test cannot be combined with --plan: no saved plan has tests")
    wait = read_duration(lock_wait, "--lock-wait")
    stages = stages_of(is_dry_run=not no_dry_run)
    saved = read_plan(plan) if plan is not None else None
    consent = Consent(
        is_given=yes,
        is_prune_allowed=allow_prune,
        approved=approved,
        output=output,
        allowed=read_allowed(allow_delete),
        runs_tests=test,
    )
    report = asyncio.run(
        carry_out(file, common, consent, stages=stages, lock_wait=wait, saved=saved)
    )
    return print_report(report, output)
