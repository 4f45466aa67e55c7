"""The report as an artifact in Prefect's record.

Before: ``conclude`` made the report, and the lock is free again.
After: the run's page shows it; one stable key per rollout gives its history.

Values of Secrets are not here: plan and report have none.
"""

from __future__ import annotations

from collections.abc import Iterator

from prefect.artifacts import acreate_markdown_artifact

from rollwright.rollouts.change import Operation
from rollwright.rollouts.describe.lines import short, text
from rollwright.rollouts.describe.plans import summary
from rollwright.rollouts.describe.reports import describe_report
from rollwright.rollouts.report import ChangeResult, Outcome, Report
from rollwright.rollouts.timeline.bars import timeline_of
from rollwright.rollouts.timeline.text import draw_text
from rollwright.tasks.keys import key_of
from rollwright.tasks.publishing import fenced, look_at, publish_all

ROWS_SHOWN = 200
"""Objects that the table names; what went wrong comes first."""


async def publish(report: Report, cluster: str = "") -> None:
    """Put the report and its timeline into Prefect's record; that this fails, fails no run."""
    about = f"{report.rollout} {report.outcome}"
    shown = {"result": markdown(report, cluster)}
    if report.results:
        shown["timeline"] = timeline(report, cluster)
    await publish_all(
        "the report",
        *(
            acreate_markdown_artifact(
                markdown=words, key=key_of(report.rollout, kind, cluster), description=about
            )
            for kind, words in shown.items()
        ),
    )


def timeline(report: Report, cluster: str = "") -> str:
    """Return when what happened, as Markdown."""
    words = text(draw_text(timeline_of(report)))
    return f"{fenced(words)}\n{look_at(report.rollout, cluster)}"


def markdown(report: Report, cluster: str = "") -> str:
    """Return a report as Markdown: how it ended, in words, then object by object."""
    return "\n".join(_blocks(report, cluster)) + "\n"


def _blocks(report: Report, cluster: str) -> Iterator[str]:
    yield f"# {report.rollout}: {report.outcome}\n"
    yield fenced(text(describe_report(report)))
    yield look_at(report.rollout, cluster)
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
