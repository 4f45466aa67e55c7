"""``rollwright rollout``: plan, ask, carry out, wait, report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from rollwright.cli.options import COMMON, Common, Output, read_duration


def rollout(  # noqa: PLR0913  (the options of one command)
    file: Path,
    /,
    *,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"])] = False,
    allow_prune: bool = False,
    no_dry_run: bool = False,
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
    no_dry_run
        Do not ask the server about everything before anything is written.
    lock_wait
        How long to wait for another run of this rollout, such as 90s or 0s.
    output
        How the report is printed.
    """
    from rollwright.cli.carrying import Consent, carry_out, print_report
    from rollwright.cli.preview import stages_of

    wait = read_duration(lock_wait, "--lock-wait")
    stages = stages_of(is_dry_run=not no_dry_run)
    consent = Consent(is_given=yes, is_prune_allowed=allow_prune, output=output)
    report = asyncio.run(carry_out(file, common, consent, stages=stages, lock_wait=wait))
    return print_report(report, output)
