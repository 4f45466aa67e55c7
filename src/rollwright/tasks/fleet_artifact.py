"""A fan-out in Prefect's record: a row for each cluster.

Before: ``engine.fan_out`` concluded it. After: its page shows who is where, and why.
"""

from __future__ import annotations

from typing import Any

from prefect.artifacts import acreate_table_artifact

from rollwright.rollouts.fleet_report import FleetReport, TargetResult
from rollwright.tasks.keys import key_of
from rollwright.tasks.publishing import publish_all

ROWS_SHOWN = 1000


async def publish_fleet(report: FleetReport) -> None:
    """Show what became of each cluster; that it cannot be shown fails nothing."""
    await publish_all(
        "the fan-out",
        acreate_table_artifact(
            table=[_row(one) for one in report.results[:ROWS_SHOWN]],
            key=key_of(report.rollout, "fan-out"),
            description=f"{report.rollout} {report.outcome}: {report.message}",
        ),
    )


def _row(one: TargetResult) -> dict[str, Any]:
    return {
        "cluster": one.cluster,
        "batch": one.batch,
        "status": one.status.value,
        "message": " ".join(one.message.split()),
        "run": one.url,
    }
