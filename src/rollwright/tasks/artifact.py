"""The report as an artifact in Prefect's record.

Before: ``conclude`` made the report, and the lock is free again.
After: the run's page shows it; one stable key per rollout gives its history.

Values of Secrets are not here: plan and report have none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta

from prefect.artifacts import acreate_markdown_artifact
from prefect.logging import get_run_logger

from rollwright.rollouts.describe.plans import describe_report, short, summary, text
from rollwright.rollouts.plan import Operation
from rollwright.rollouts.report import ChangeResult, Outcome, Report

TIMEOUT = timedelta(minutes=1)
"""How long a run waits for Prefect to take its report; Prefect itself tries for minutes."""

ROWS_SHOWN = 200
"""Objects that the table names; what went wrong comes first."""


async def publish(report: Report) -> None:
    """Put the report into Prefect's record; that it cannot be put there fails no run."""
    try:
        async with asyncio.timeout(TIMEOUT.total_seconds()):
            await acreate_markdown_artifact(
                markdown=markdown(report),
                key=key_of(report.rollout),
                description=f"{report.rollout} {report.outcome}",
            )
    except Exception as error:  # noqa: BLE001  (feedback never fails a run)
        get_run_logger().warning("the report was not published: %s", type(error).__name__)


def key_of(rollout: str) -> str:
    """Return the artifact's key; Prefect takes lower case, digits and dashes only."""
    return re.sub(r"[^a-z0-9-]+", "-", f"result-{rollout.lower()}")


def markdown(report: Report) -> str:
    """Return a report as Markdown: how it ended, in words, then object by object."""
    return "\n".join(_blocks(report)) + "\n"


def _blocks(report: Report) -> Iterator[str]:
    yield f"# {report.rollout}: {report.outcome}\n"
    words = text(describe_report(report))
    fence = "`" * (3 + max((len(run) for run in re.findall("`+", words)), default=0))
    yield f"{fence}text\n{words}{fence}\n"
    yield "| | |\n|---|---|"
    for name, value in _facts(report):
        yield f"| {name} | {_cell(value)} |"
    yield from _table(report)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "cluster", report.cluster
    yield "source", short(report.plan.source)
    yield "plan", f"{short(report.plan.id)}: {summary(report.plan)}"
    yield "asked by", f"{report.trigger.actor} ({report.trigger.kind})"
    if report.run_id:
        yield "run", report.run_id
    if report.hint:
        yield "hint", report.hint


def _table(report: Report) -> Iterator[str]:
    worth = [one for one in report.changes if _is_worth_a_row(one)]
    worth.sort(key=lambda one: one.outcome is Outcome.SUCCEEDED)
    if not worth:
        return
    yield "\n| object | change | outcome | |\n|---|---|---|---|"
    for one in worth[:ROWS_SHOWN]:
        cells = (str(one.ref), one.operation, one.outcome, one.message)
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    if (more := len(worth) - ROWS_SHOWN) > 0:
        yield f"\n… and {more} more"


def _is_worth_a_row(change: ChangeResult) -> bool:
    return change.operation is not Operation.KEEP or change.outcome is not Outcome.SUCCEEDED


def _cell(value: str) -> str:
    return " ".join(value.split()).replace("|", "\\|")
