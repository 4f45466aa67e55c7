"""The plan as a table and its differences in words, and drift, in Prefect's record.

Before: the plan was made, and nothing was changed yet.
After: whoever is asked to approve it reads it there.

Values of Secrets are not here: a plan has digests of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from rollwright.rollouts.change import Change, Operation
from rollwright.rollouts.describe.drift import describe_drift
from rollwright.rollouts.describe.lines import short, text
from rollwright.rollouts.describe.plans import describe_plan, summary
from rollwright.rollouts.drift.find import Drift
from rollwright.rollouts.plan import Plan
from rollwright.tasks.keys import key_of
from rollwright.tasks.publishing import fenced, look_at, publish_all

ROWS_SHOWN = 500
"""Objects that the table names; what changes comes first."""


async def publish_plan(plan: Plan, cluster: str) -> None:
    """Show a plan: what happens to each object, and what differs."""
    about = f"{plan.rollout}: {summary(plan)}; plan {short(plan.id)}"
    await publish_all(
        "the plan",
        acreate_table_artifact(
            table=rows(plan), key=key_of(plan.rollout, "plan", cluster), description=about
        ),
        acreate_markdown_artifact(
            markdown=diff(plan, cluster),
            key=key_of(plan.rollout, "diff", cluster),
            description=about,
        ),
    )


async def publish_drift(drift: Drift, cluster: str) -> None:
    """Show what differs from the last rollout."""
    words = f"{fenced(text(describe_drift(drift)))}\n{look_at(drift.rollout, cluster)}"
    key = key_of(drift.rollout, "drift", cluster)
    about = f"{drift.rollout}: what differs from the last rollout"
    await publish_all(
        "the drift", acreate_markdown_artifact(markdown=words, key=key, description=about)
    )


def diff(plan: Plan, cluster: str) -> str:
    """Return what differs, in words, as Markdown."""
    title = f"# {plan.rollout}: {summary(plan)}\n"
    return f"{title}\n{fenced(text(describe_plan(plan)))}\n{look_at(plan.rollout, cluster)}"


def rows(plan: Plan) -> list[dict[str, Any]]:
    """Return the plan as rows: what changes first, then what stays, as far as there is room."""
    found = sorted(_rows(plan), key=lambda row: row["change"] == Operation.KEEP.value)
    if not found:
        return [{"object": "nothing changes", "change": "", "wave": "", "why": ""}]
    if len(found) <= ROWS_SHOWN:
        return found
    more = {"object": f"… and {len(found) - ROWS_SHOWN} more", "change": "", "wave": "", "why": ""}
    return [*found[:ROWS_SHOWN], more]


def _rows(plan: Plan) -> Iterator[dict[str, Any]]:
    for wave in plan.waves:
        for step in wave.steps:
            for change in step.changes:
                yield {
                    "object": str(change.ref),
                    "change": change.operation.value,
                    "wave": wave.name,
                    "why": _why(change),
                }


def _why(change: Change) -> str:
    return " ".join(change.why.split())
